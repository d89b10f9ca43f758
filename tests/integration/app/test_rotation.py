"""Logins that change under load: every request is answered as without it, also once the former login is gone."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from tests.backing import PostgresServer, RedisServer
from tests.integration.app.caches import caching, metric
from tests.integration.app.conftest import _fleets, device_key
from tests.integration.app.failure.agreement import nothing_lost_nothing_doubled, until
from tests.integration.app.mounted import MountedSecret
from tests.integration.app.process import ADMIN, PASSWORD, AppProcess, Load

SETTLED = "tracetrack_binding_reloads_total"


class Stage:
    """A PostgreSQL and a Redis with two logins each, and the bindings of an app."""

    def __init__(self, postgres: PostgresServer, redis: RedisServer, folder: Path) -> None:
        self.postgres, self.redis = postgres, redis
        self.name = f"r_{uuid4().hex[:8]}"
        postgres.sql(f"create role {self.name}_owner nologin")
        postgres.sql(f"create database {self.name} owner {self.name}_owner")
        for login in "ab":
            postgres.sql(f"create role {self.user(login)} in role {self.name}_owner")
            postgres.sql(f"alter role {self.user(login)} set role = {self.name}_owner")
        self.admit("a", "first")
        self.database = MountedSecret(folder / "database", self.database_values("a", "first"))
        self.cache = MountedSecret(folder / "cache", self.cache_values("a", "first"))
        MountedSecret(folder / "session", {"key": "k" * 40})
        MountedSecret(folder / "admin", {"username": ADMIN, "password": PASSWORD})
        fleets = _fleets(folder)
        self.environment = {"SERVICE_BINDING_ROOT": str(folder), "FLEETS_DIR": str(fleets)}

    def user(self, login: str) -> str:
        return f"{self.name}_{login}"

    @property
    def dsn(self) -> str:
        return self.postgres.dsn_for(self.name)

    def database_values(self, login: str, password: str) -> dict[str, str]:
        return {
            "host": self.postgres.host,
            "port": str(self.postgres.port),
            "database": self.name,
            "username": self.user(login),
            "password": password,
            "sslmode": "disable",
        }

    def cache_values(self, login: str, password: str) -> dict[str, str]:
        return {"uri": f"redis://{self.user(login)}:{password}@{self.redis.host}:{self.redis.port}/0"}

    def admit(self, login: str, password: str) -> None:
        self.postgres.sql(f"alter role {self.user(login)} login password '{password}'")
        assert (
            self.redis.command("ACL", "SETUSER", self.user(login), "on", f">{password}", "~*", "&*", "+@all") == "+OK"
        )

    def sessions(self, login: str) -> int:
        return int(self.postgres.sql(f"select count(*) from pg_stat_activity where usename = '{self.user(login)}'"))

    def drop(self, login: str) -> None:
        """The server knows the login no more, and ends what uses it."""
        self.postgres.sql(f"alter role {self.user(login)} nologin")
        self.postgres.sql(
            f"select pg_terminate_backend(pid) from pg_stat_activity where usename = '{self.user(login)}'"
        )
        assert self.redis.command("ACL", "DELUSER", self.user(login)) == ":1"


@pytest.fixture
def stage(postgres: PostgresServer, tmp_path: Path) -> Iterator[Stage]:
    with RedisServer() as redis:
        yield Stage(postgres, redis, tmp_path / "bindings")


class Reader:
    """Asks for this and that at a steady rate; `wrong` is every answer that isn't 200."""

    PATHS = ("/api/scans", "/api/stats", "/health?check_db=true", "/api/bags", "/ready")

    def __init__(self, client: httpx.AsyncClient, seconds: float = 0.02) -> None:
        self._client, self._pause = client, seconds
        self._stop = asyncio.Event()
        self.answered = 0
        self.wrong: list[str] = []
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        self._stop.set()
        await self._task

    async def _run(self) -> None:
        while not self._stop.is_set():
            path = self.PATHS[self.answered % len(self.PATHS)]
            answer = await self._client.get(path)
            self.answered += 1
            if answer.status_code != 200:
                self.wrong.append(f"{path}: {answer.status_code} {answer.text[:200]}")
            await asyncio.sleep(self._pause)


async def taken(app: AppProcess, dependency: str, times: int) -> None:
    async with asyncio.timeout(20):
        while await metric(app, f'{SETTLED}{{dependency="{dependency}"}}') < times:
            await asyncio.sleep(0.05)


async def test_two_rotations_under_load_cost_no_request(stage: Stage, tmp_path: Path) -> None:
    with AppProcess(stage.environment, tmp_path) as app:
        await asyncio.to_thread(app.wait_ready)
        await caching(app)
        load = Load(app.url, device_key(), clients=6)
        async with app.logged_in() as client:
            await load.start()
            reader = Reader(client)
            await load.until(200)
            for times, (former, next_, password) in enumerate((("a", "b", "second"), ("b", "a", "third")), 1):
                stage.admit(next_, password)
                stage.database.put(stage.database_values(next_, password))
                stage.cache.put(stage.cache_values(next_, password))
                await taken(app, "database", times)
                await taken(app, "cache", times)
                await until(lambda former=former: stage.sessions(former) == 0, 30)  # type: ignore[misc]
                # What was under way in Redis has ended by then.
                await asyncio.sleep(6)
                stage.drop(former)
                await load.until(len(load.acknowledged) + 300)
            assert stage.sessions("a") >= 3
            health = (await client.get("/api/system_health")).json()["bindings"]
            await reader.stop()
            await load.stop()
        assert reader.wrong == []
        assert reader.answered > 100
        assert load.unknown == {}
        assert set(load.statuses) <= {200, 201}
        assert [health[name]["generation"] for name in ("database", "cache", "database-replica")] == [2, 2, 0]
        assert await metric(app, "tracetrack_cache_lease") == 1
        for trouble in ("WARNING", "Traceback", "begin anew"):
            assert trouble not in app.log, app.log
        for secret in ("second", "third"):
            assert f":{secret}@" not in app.log
    await nothing_lost_nothing_doubled(stage.dsn, load)


async def test_a_login_that_is_refused_is_not_taken_and_the_former_serves_on(stage: Stage, tmp_path: Path) -> None:
    with AppProcess(stage.environment, tmp_path) as app:
        await asyncio.to_thread(app.wait_ready)
        load = Load(app.url, device_key(), clients=3)
        await load.start()
        stage.database.put(stage.database_values("b", "not-yet"))
        stage.cache.put(stage.cache_values("b", "not-yet"))
        await until(lambda: app.log.count("the former serves on") == 2)
        # As after a fail-over: new connections are needed while the binding is wrong.
        stage.postgres.sql(f"select pg_terminate_backend(pid) from pg_stat_activity where datname = '{stage.name}'")
        await load.until(len(load.acknowledged) + 100)
        assert stage.sessions("a") >= 2
        async with app.logged_in() as client:
            told = (await client.get("/api/system_health")).json()["bindings"]["database"]
        assert told["generation"] == 0
        assert "refused the user name or the password" in told["problem"]
        stage.admit("b", "not-yet")
        await taken(app, "database", 1)
        await taken(app, "cache", 1)
        await until(lambda: stage.sessions("a") == 0, 10)
        await load.stop()
        assert load.unknown == {}
        assert set(load.statuses) <= {200, 201}
