"""TLS with Redis, as far as no server is needed."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from tests.cluster.pki import NAME, Authority
from tracetrack_app.settings import CacheSettings
from tracetrack_app.store.shared import _client

URL = "rediss://:secret@127.0.0.1:1"


def client(authorities: Path | None) -> Redis:
    settings = CacheSettings(URL, str(authorities) if authorities else None)
    return _client(lambda: settings)


def contexts(redis: Redis) -> list[ssl.SSLContext]:
    made: list[Any] = [redis.connection_pool.make_connection() for _ in range(2)]
    return [each._connection_arguments()["ssl"] for each in made]


def test_all_connections_share_what_they_trust_which_is_the_bindings_authority_alone(tmp_path: Path) -> None:
    one, other = contexts(client(Authority(tmp_path).certificate))
    assert one is other
    assert [authority["subject"] for authority in one.get_ca_certs()] == [((("commonName", NAME),),)]
    assert (one.check_hostname, one.verify_mode) == (True, ssl.CERT_REQUIRED)


def test_without_an_authority_the_systems_are_trusted() -> None:
    one, _ = contexts(client(None))
    assert (one.check_hostname, one.verify_mode) == (True, ssl.CERT_REQUIRED)


async def test_an_authority_that_is_none_is_told_like_a_redis_that_is_away(tmp_path: Path) -> None:
    nonsense = tmp_path / "ca.crt"
    nonsense.write_text("no certificate")
    with pytest.raises(RedisError):
        await client(nonsense).ping()
