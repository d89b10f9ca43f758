"""TLS to PostgreSQL and Redis by the bindings, and what is said when it does not hold."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.backing import PostgresServer, RedisServer
from tests.integration.app.http import http_client
from tests.integration.app.process import ADMIN, PASSWORD, AppProcess


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that is its own authority, and its key."""
    cert, key = folder / f"{name}.crt", folder / f"{name}.key"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    extra = ["-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*command, *extra, "-keyout", str(key), "-out", str(cert)], check=True, capture_output=True)
    return cert, key


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[PostgresServer, RedisServer, Path, Path]]:
    folder = tmp_path_factory.mktemp("tls")
    cert, key = certificate(folder, "right")
    other, _ = certificate(folder, "other")
    with PostgresServer(tls_cert=cert, tls_key=key) as postgres, RedisServer(tls_cert=cert, tls_key=key) as redis:
        yield postgres, redis, cert, other


def bind(root: Path, postgres: PostgresServer, redis: RedisServer, sslmode: str, ca: Path | None) -> dict[str, str]:
    values = {
        "database": {
            "host": postgres.host,
            "port": str(postgres.port),
            "database": postgres.database,
            "username": postgres.user,
            "password": postgres.password,
            "sslmode": sslmode,
        },
        "cache": {"uri": redis.url},
        "session": {"key": "k" * 40},
        "admin": {"username": ADMIN, "password": PASSWORD},
    }
    for binding, files in values.items():
        (root / binding).mkdir()
        if ca is not None and binding in ("database", "cache"):
            files["ca.crt"] = ca.read_text()
        for name, value in files.items():
            (root / binding / name).write_text(value)
    return {"SERVICE_BINDING_ROOT": str(root)}


async def test_verified_tls_to_both(servers: tuple[PostgresServer, RedisServer, Path, Path], tmp_path: Path) -> None:
    postgres, redis, cert, _ = servers
    with AppProcess(bind(tmp_path, postgres, redis, "verify-full", cert), tmp_path) as app:
        app.wait_ready()
        async with app.logged_in() as client:
            assert (await client.get("/api/stats")).status_code == 200
        encrypted = "select bool_and(ssl) from pg_stat_ssl s join pg_stat_activity a using (pid)"
        assert postgres.sql(f"{encrypted} where a.application_name = 'tracetrack-app'") == "t"


async def test_encrypted_but_unverified(
    servers: tuple[PostgresServer, RedisServer, Path, Path], tmp_path: Path
) -> None:
    postgres, redis, _, _ = servers
    with AppProcess(bind(tmp_path, postgres, redis, "require", None), tmp_path) as app:
        app.wait_ready()


async def test_a_certificate_of_another_authority_is_named(
    servers: tuple[PostgresServer, RedisServer, Path, Path], tmp_path: Path
) -> None:
    postgres, redis, _, other = servers
    with AppProcess(bind(tmp_path, postgres, redis, "verify-full", other), tmp_path) as app:
        async with http_client(base_url=app.url) as client, asyncio.timeout(20):
            while app.status("/live") != 200:
                await asyncio.sleep(0.05)
            while "TLS to PostgreSQL" not in (await client.get("/ready")).text:
                await asyncio.sleep(0.05)
            while "TLS to Redis" not in app.log:
                await asyncio.sleep(0.05)
