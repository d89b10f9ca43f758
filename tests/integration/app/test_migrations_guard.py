"""Migrations that would keep a large table from its users are refused; indexes are built while scans go on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from tests.backing import PostgresServer
from tracetrack_app.store.migrate import Migration, MigrationError, migrate, migrations, plan
from tracetrack_app.store.migrate_guard import Limits

LIMITS = Limits(rows=500, megabytes=1000)
BASE = Migration(1, "base", "CREATE TABLE big (id int PRIMARY KEY, n int, t text); CREATE TABLE small (n int)")


@pytest.fixture
async def db(empty_database: str) -> AsyncIterator[Any]:
    """A database with a table of 1000 rows, which is large here, and a small one."""
    connection = await asyncpg.connect(empty_database)
    await migrate(connection, [BASE])
    await connection.execute("INSERT INTO big SELECT n, n / 2 FROM generate_series(1, 1000) n; ANALYZE big")
    yield connection
    await connection.close()


async def applied(db: Any) -> list[int]:
    return [row[0] for row in await db.fetch("SELECT version FROM schema_migrations ORDER BY version")]


REFUSED = {
    "rewrites": ("ALTER TABLE big ALTER COLUMN n TYPE bigint", r"writes the table big \(1,000 rows, 0 MB\) anew"),
    "default": ("ALTER TABLE big ADD COLUMN x uuid DEFAULT gen_random_uuid()", "writes the table big"),
    "truncates": ("TRUNCATE big", "writes the table big"),
    "indexes": ("CREATE INDEX big_n ON big (n)", r"builds the index big_n of the table big .* CONCURRENTLY"),
    "indexes anew": ('ALTER TABLE big ADD CONSTRAINT big_t UNIQUE (t)', "builds the index big_t of the table big"),
}  # fmt: skip
TAKEN = {
    "a column": "ALTER TABLE big ADD COLUMN x int NOT NULL DEFAULT 7",
    "a constraint": "ALTER TABLE big ADD CONSTRAINT big_n CHECK (n >= 0) NOT VALID",
    "the small table": "ALTER TABLE small ALTER COLUMN n TYPE bigint; CREATE INDEX small_n ON small (n)",
    "a new table": "CREATE TABLE other (id int PRIMARY KEY); CREATE INDEX other_id ON other (id)",
    "a few rows": "UPDATE big SET n = 1 WHERE id < 100",
}


@pytest.mark.parametrize("name", REFUSED)
async def test_what_locks_a_large_table_is_refused_before_anything_runs(db: Any, name: str) -> None:
    sql, words = REFUSED[name]
    wanted = [BASE, Migration(2, "fine", "CREATE TABLE fine (n int)"), Migration(3, "heavy", sql)]
    planned = await plan(db, wanted, LIMITS)
    assert [bool(each.objections) for each in planned] == [False, True]
    with pytest.raises(MigrationError, match=rf"migration 0003_heavy was not run: it {words}.*--allow-rewrite"):
        await migrate(db, wanted, LIMITS)
    assert await applied(db) == [1]
    assert await db.fetchval("SELECT to_regclass('fine')") is None
    assert await db.fetchval("SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'tracetrack_rehearsal%'") == 0
    assert await migrate(db, wanted, Limits(rows=500, allow_rewrite=True)) == [2, 3]


@pytest.mark.parametrize("name", TAKEN)
async def test_what_takes_a_moment_is_run(db: Any, name: str) -> None:
    assert await migrate(db, [BASE, Migration(2, "light", TAKEN[name])], LIMITS) == [2]


@pytest.mark.parametrize("name", ["rewrites", "indexes", "fills"])
async def test_where_nothing_can_be_rehearsed_it_is_undone(
    db: Any, empty_database: str, postgres: PostgresServer, name: str
) -> None:
    database = empty_database.rsplit("/", 1)[1]
    postgres.sql(f'alter database "{database}" owner to tracetrack', "postgres")
    postgres.sql("grant create on schema public to app", database)
    sql, words = {**REFUSED, "fills": ("UPDATE big SET n = n + 1", "changes 1,000 rows of the table big")}[name]
    with pytest.raises(MigrationError, match=words):
        await migrate(db, [BASE, Migration(2, "heavy", sql)], LIMITS)
    assert await applied(db) == [1]
    assert await db.fetchval("SELECT sum(n) FROM big") == sum(n // 2 for n in range(1, 1001))
    assert await db.fetchval("SELECT to_regclass('big_n')") is None


INDEX = "-- no transaction\nCREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS big_n ON big (n);\n"


async def test_an_index_half_built_is_built_again(db: Any) -> None:
    wanted = [BASE, Migration(2, "index", INDEX)]
    with pytest.raises(asyncpg.UniqueViolationError):
        await migrate(db, wanted, LIMITS)
    assert await db.fetchval("SELECT indisvalid FROM pg_index WHERE indexrelid = 'big_n'::regclass") is False
    assert await applied(db) == [1]
    await db.execute("UPDATE big SET n = id")
    assert await migrate(db, wanted, LIMITS) == [2]
    assert await db.fetchval("SELECT indisvalid FROM pg_index WHERE indexrelid = 'big_n'::regclass") is True


async def test_replicas_that_wait_do_not_hold_up_an_index(db: Any, empty_database: str) -> None:
    await db.execute("UPDATE big SET n = id")

    async def run() -> list[int]:
        connection = await asyncpg.connect(empty_database)
        try:
            return await migrate(connection, [BASE, Migration(2, "index", INDEX)], LIMITS)
        finally:
            await connection.close()

    async with asyncio.timeout(20):
        done = await asyncio.gather(*[run() for _ in range(4)])
    assert sorted(done) == [[], [], [], [2]]


async def test_what_cannot_be_run_again_needs_its_transaction(db: Any) -> None:
    wanted = [BASE, Migration(2, "mixed", INDEX + "UPDATE big SET n = 0;")]
    with pytest.raises(MigrationError, match=r"0002_mixed\.sql runs without a transaction and may not hold 'UPDATE"):
        await migrate(db, wanted, LIMITS)
    assert await db.fetchval("SELECT to_regclass('big_n')") is None


async def test_a_table_in_use_is_waited_for_shortly_and_again(db: Any, empty_database: str) -> None:
    other = await asyncpg.connect(empty_database)
    holding = other.transaction()
    await holding.start()
    await other.execute("LOCK TABLE big IN ACCESS SHARE MODE")
    wanted = [BASE, Migration(2, "column", "ALTER TABLE big ADD COLUMN x int")]
    with pytest.raises(MigrationError, match=r"in use each of 2 times that it waited 0.1 s.*pg_stat_activity"):
        await migrate(db, wanted, Limits(rows=500, lock_timeout=0.1, lock_attempts=2))
    later = asyncio.create_task(migrate(db, wanted, Limits(rows=500, lock_timeout=0.1, lock_attempts=200)))
    await asyncio.sleep(0.5)
    await holding.rollback()
    assert await asyncio.wait_for(later, 20) == [2]
    await other.close()


FIRST_GUARDED = 5
"""Those before it came with the tables: no installation had large ones yet."""


async def test_no_shipped_migration_locks_a_large_table(empty_database: str, postgres: PostgresServer) -> None:
    connection = await asyncpg.connect(empty_database)
    shipped = migrations()
    await migrate(connection, [each for each in shipped if each.version < FIRST_GUARDED])
    admin = await asyncpg.connect(postgres.dsn_for(empty_database.rsplit("/", 1)[1]))
    await admin.execute(
        "SET session_replication_role = replica;"
        " INSERT INTO bags (code, kind) SELECT 'CHILD' || n, 'child' FROM generate_series(1, 50) n;"
        " INSERT INTO links (child_id, parent_id, entry_id) SELECT n, n, n FROM generate_series(1, 50) n;"
        " INSERT INTO bill_bags (bill_id, bag_id, entry_id) SELECT n, n, n FROM generate_series(1, 50) n;"
        " INSERT INTO daily_counts (actor, day) SELECT n, '2026-01-01' FROM generate_series(1, 50) n;"
        " INSERT INTO scan_ledger (scan_id, outcome, code, user_id, source, captured_at)"
        " SELECT gen_random_uuid(), 'parent_opened', 'SB00001', 1, 'test', now() FROM generate_series(1, 50);"
        " ANALYZE"
    )
    await admin.close()
    planned = await plan(connection, shipped, Limits(rows=10))
    assert {each.migration.title: each.objections for each in planned if each.objections} == {}
    assert [each.migration.version for each in planned] == [e.version for e in shipped if e.version >= FIRST_GUARDED]
    await connection.close()
