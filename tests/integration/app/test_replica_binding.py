"""A read replica that comes and goes with the database binding, while the app runs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.backing import PostgresServer, RedisServer
from tests.integration.app.conftest import _fleets
from tests.integration.app.mounted import MountedSecret
from tests.integration.app.process import ADMIN, PASSWORD, AppProcess
from tests.integration.app.test_standby import served, until

SETTLE = 2


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[tuple[PostgresServer, PostgresServer, RedisServer]]:
    with PostgresServer() as primary, RedisServer() as redis:
        primary.sql("create role app login password 'app-password'")
        primary.sql("create database reports owner app")
        standby = primary.standby()
        try:
            yield primary, standby.start(), redis
        finally:
            standby.close()


async def test_the_app_takes_a_replica_up_and_lets_it_go_without_a_failed_request(
    servers: tuple[PostgresServer, PostgresServer, RedisServer], tmp_path: Path
) -> None:
    primary, standby, redis = servers
    folder = tmp_path / "bindings"
    values = {"host": primary.host, "port": str(primary.port), "database": "reports", "username": "app"}
    values |= {"password": "app-password", "sslmode": "disable"}
    replica = {"replica-host": standby.host, "replica-port": str(standby.port)}
    database = MountedSecret(folder / "database", values)
    MountedSecret(folder / "cache", {"uri": redis.url})
    MountedSecret(folder / "session", {"key": "k" * 40})
    MountedSecret(folder / "admin", {"username": ADMIN, "password": PASSWORD})
    environment = {"SERVICE_BINDING_ROOT": str(folder), "FLEETS_DIR": str(_fleets(folder))}
    environment["DATABASE_REPLICA_SETTLE"] = str(SETTLE)
    with AppProcess(environment, tmp_path) as app:
        await asyncio.to_thread(app.wait_ready)
        async with app.logged_in() as client:

            async def health() -> dict[str, dict[str, object]]:
                found: dict[str, dict[str, object]] = (await client.get("/api/system_health")).json()
                return found

            assert not await served(client)
            assert (await health())["read_replica"] is None
            database.put({**values, **replica})
            told = time.monotonic()
            await until(lambda: served(client))
            assert time.monotonic() - told >= SETTLE, "another process may not have heard of it before"
            bindings = (await health())["bindings"]
            assert {name: each["generation"] for name, each in bindings.items()} == {  # type: ignore[index]
                "database": 0,
                "database-replica": 1,
                "cache": 0,
                "admin": 0,
            }, "connections to the primary are none of its business"
            database.put(values)

            async def gone() -> bool:
                return not await served(client)

            await until(gone)
            bindings = (await health())["bindings"]
            assert all(each["problem"] is None for each in bindings.values())  # type: ignore[attr-defined]
            assert (await health())["read_replica"] is None
            sessions = "select count(*) from pg_stat_activity where usename = 'app'"

            async def left() -> bool:
                return standby.sql(sessions) == "0"

            await until(left)
        assert "WARNING" not in app.log, app.log
