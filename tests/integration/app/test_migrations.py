"""Migrations: once, in order, by one of those that start together."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import asyncpg
import pytest

from tests.integration.app.http import http_client
from tests.integration.app.process import AppProcess
from tracetrack_app.store.migrate import Migration, MigrationError, migrate, migrations


async def test_two_apps_starting_together_migrate_once(
    empty_database: str, environment: dict[str, str], tmp_path: Path
) -> None:
    own = environment | {"DATABASE_URL": empty_database}
    with AppProcess(own, tmp_path) as first, AppProcess(own, tmp_path) as second:
        first.wait_ready()
        second.wait_ready()
        applied = re.findall(r"migration (\d{4})_\w+ applied", first.log + second.log)
        assert applied == [f"{migration.version:04d}" for migration in migrations()]
        assert (first.log + second.log).count("the first admin") == 1
    connection = await asyncpg.connect(empty_database)
    rows = await connection.fetch("SELECT version, checksum FROM schema_migrations ORDER BY version")
    assert [tuple(row) for row in rows] == [(each.version, each.checksum) for each in migrations()]
    assert await connection.fetchval("SELECT count(*) FROM users WHERE role = 'admin'") == 1
    await connection.close()


async def test_many_at_once_wait_for_the_one_that_migrates(empty_database: str) -> None:
    wanted = [
        Migration(1, "slow", "SELECT pg_sleep(0.3); CREATE TABLE once (n int)"),
        Migration(2, "row", "INSERT INTO once VALUES (1)"),
    ]

    async def run() -> list[int]:
        connection = await asyncpg.connect(empty_database)
        try:
            return await migrate(connection, wanted)
        finally:
            await connection.close()

    done = await asyncio.gather(*[run() for _ in range(8)])
    assert sorted(done, key=len) == [[]] * 7 + [[1, 2]]


async def test_a_failed_migration_leaves_nothing_and_is_run_again(empty_database: str) -> None:
    connection = await asyncpg.connect(empty_database)
    broken = [Migration(1, "half", "CREATE TABLE half (n int); SELECT 1 / 0")]
    with pytest.raises(asyncpg.DivisionByZeroError):
        await migrate(connection, broken)
    assert await connection.fetchval("SELECT to_regclass('half')") is None
    assert await migrate(connection, [Migration(1, "half", "CREATE TABLE half (n int)")]) == [1]
    await connection.close()


async def test_a_changed_migration_is_refused_and_a_newer_schema_is_not(
    empty_database: str, caplog: pytest.LogCaptureFixture
) -> None:
    connection = await asyncpg.connect(empty_database)
    await migrate(connection, [Migration(1, "one", "CREATE TABLE one (n int)"), Migration(2, "two", "SELECT 2")])
    assert await migrate(connection, [Migration(1, "one", "CREATE TABLE one (n int)")]) == []
    assert "newer than this version" in caplog.text
    with pytest.raises(MigrationError, match=r"0001_one\.sql was changed"):
        await migrate(connection, [Migration(1, "one", "CREATE TABLE other (n int)")])
    await connection.close()


async def test_a_changed_migration_is_said_by_ready(database: str, environment: dict[str, str], tmp_path: Path) -> None:
    connection = await asyncpg.connect(database)
    await connection.execute("UPDATE schema_migrations SET checksum = 'x' WHERE version = 2")
    await connection.close()

    with AppProcess(environment, tmp_path) as app:
        async with http_client(base_url=app.url) as client:
            async with asyncio.timeout(20):
                while "was changed after it had been run" not in await _ready(client):
                    await asyncio.sleep(0.1)
        assert app.status("/live") == 200


async def _ready(client: object) -> str:
    import httpx

    assert isinstance(client, httpx.AsyncClient)
    try:
        answer = await client.get("/ready")
    except httpx.HTTPError:
        return ""
    assert answer.status_code == 503
    return str(answer.json()["message"])
