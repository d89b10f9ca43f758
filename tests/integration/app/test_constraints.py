"""What PostgreSQL itself refuses, whoever asks: proven with plain SQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from tests.backing import PostgresServer


@pytest.fixture
async def db(database: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(database)
    yield connection
    await connection.close()


async def bag(db: Any, code: str, kind: str, capacity: int = 30) -> int:
    statement = "INSERT INTO bags (code, kind, capacity) VALUES ($1, $2, $3) RETURNING id"
    return int(await db.fetchval(statement, code, kind, capacity))


LINK = "INSERT INTO links (parent_id, child_id, entry_id) VALUES ($1, $2, 1)"
ENTRY = (
    "INSERT INTO scan_ledger (scan_id, outcome, code, user_id, source, captured_at)"
    " VALUES (gen_random_uuid(), 'parent_created', $1, 1, 'test', now()) RETURNING id"
)


async def test_codes_are_folded_and_unique_over_both_kinds(db: Any) -> None:
    await bag(db, "SB00001", "parent")
    for code in ("sb00001", " SB00002", ""):
        with pytest.raises(asyncpg.CheckViolationError):
            await bag(db, code, "parent")
    with pytest.raises(asyncpg.UniqueViolationError):
        await bag(db, "SB00001", "child")


async def test_a_bag_never_becomes_the_other_kind(db: Any) -> None:
    number = await bag(db, "SB00001", "parent")
    for change in ("kind = 'child'", "code = 'SB00002'"):
        with pytest.raises(asyncpg.IntegrityConstraintViolationError):
            await db.execute(f"UPDATE bags SET {change} WHERE id = $1", number)


async def test_a_child_is_in_one_parent_and_links_join_parent_and_child(db: Any) -> None:
    first, second = await bag(db, "SB00001", "parent"), await bag(db, "SB00002", "parent")
    child = await bag(db, "CHILD1", "child")
    await db.execute(LINK, first, child)
    with pytest.raises(asyncpg.UniqueViolationError):
        await db.execute(LINK, second, child)
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await db.execute(LINK, first, second)
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await db.execute(LINK, child, await bag(db, "CHILD2", "child"))
    for statement in ("UPDATE links SET parent_id = $1", "TRUNCATE links"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await db.execute(statement, *([second] if "$1" in statement else []))


async def test_the_count_follows_the_links_and_never_passes_the_capacity(db: Any) -> None:
    parent = await bag(db, "SB00001", "parent", 2)
    children = [await bag(db, f"CHILD{number}", "child") for number in range(3)]
    await db.executemany(LINK, [(parent, child) for child in children[:2]])
    row = await db.fetchrow("SELECT child_count, status FROM bags WHERE id = $1", parent)
    assert tuple(row) == (2, "completed")
    with pytest.raises(asyncpg.CheckViolationError, match="bags_within_capacity"):
        await db.execute(LINK, parent, children[2])
    with pytest.raises(asyncpg.CheckViolationError, match="bags_within_capacity"):
        await db.execute("UPDATE bags SET capacity = 1 WHERE id = $1", parent)
    await db.execute("DELETE FROM links WHERE child_id = $1", children[0])
    row = await db.fetchrow("SELECT child_count, status FROM bags WHERE id = $1", parent)
    assert tuple(row) == (1, "in_progress")
    await db.execute("DELETE FROM links")
    assert await db.fetchval("SELECT status FROM bags WHERE id = $1", parent) == "pending"


async def test_direct_writers_racing_for_the_last_places_fill_exactly_those(database: str, db: Any) -> None:
    parent = await bag(db, "SB00001", "parent")
    children = [await bag(db, f"CHILD{number:03d}", "child") for number in range(45)]

    async def link(child: int) -> bool:
        connection = await asyncpg.connect(database)
        try:
            await connection.execute(LINK, parent, child)
        except asyncpg.CheckViolationError:
            return False
        finally:
            await connection.close()
        return True

    done = await asyncio.gather(*[link(child) for child in children])
    assert sum(done) == 30
    assert await db.fetchval("SELECT count(*) FROM links") == 30
    assert await db.fetchval("SELECT child_count FROM bags WHERE id = $1", parent) == 30


async def test_a_parent_is_on_one_active_bill_and_bills_keep_their_capacity(db: Any) -> None:
    parents = [await bag(db, f"SB0000{number}", "parent") for number in range(3)]
    statement = "INSERT INTO bills (code, capacity) VALUES ($1, $2) RETURNING id"
    first, second = await db.fetchval(statement, "B-1", 1), await db.fetchval(statement, "B-2", 2)
    with pytest.raises(asyncpg.UniqueViolationError):
        await db.fetchval(statement, "b-1", 5)
    with pytest.raises(asyncpg.CheckViolationError):
        await db.fetchval(statement, "B-3", 501)
    put = "INSERT INTO bill_bags (bill_id, bag_id, entry_id) VALUES ($1, $2, nextval('scan_ledger_id_seq'))"
    await db.execute(put, first, parents[0])
    with pytest.raises(asyncpg.UniqueViolationError, match="bill_bags_one_active_bill"):
        await db.execute(put, second, parents[0])
    with pytest.raises(asyncpg.CheckViolationError, match="bills_within_capacity"):
        await db.execute(put, first, parents[1])
    await db.execute("UPDATE bill_bags SET removed_at = now() WHERE bill_id = $1", first)
    await db.execute(put, second, parents[0])
    assert await db.fetchval("SELECT array_agg(bag_count ORDER BY code) FROM bills") == [0, 1]
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await db.execute(put, second, await bag(db, "CHILD1", "child"))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE scan_ledger SET code = 'X'",
        "UPDATE scan_ledger SET id = id + 1",
        "DELETE FROM scan_ledger",
        "TRUNCATE scan_ledger",
        "TRUNCATE scan_ledger CASCADE",
    ],
)
async def test_the_ledger_is_append_only(db: Any, postgres: PostgresServer, database: str, statement: str) -> None:
    await db.execute(ENTRY, "SB00001")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await db.execute(statement)
    with pytest.raises(RuntimeError, match="append-only"):
        postgres.sql(statement, database.rsplit("/", 1)[1])
    assert await db.fetchval("SELECT count(*) FROM scan_ledger WHERE code = 'SB00001'") == 1


async def test_ledger_entries_are_whole(db: Any) -> None:
    entry = await db.fetchval(ENTRY, "SB00001")
    columns = "scan_id, outcome, refusal, code, reverses, user_id, source, captured_at"
    insert = f"INSERT INTO scan_ledger ({columns}) VALUES (gen_random_uuid(), $1, $2, 'A', $3, $4, 'test', now())"
    for outcome, refusal, reverses, user in (
        ("refused", None, None, 1),
        ("child_linked", "duplicate_child", None, 1),
        ("unlinked", None, None, 1),
        ("child_linked", None, entry, 1),
        ("child_linked", None, None, None),
    ):
        with pytest.raises(asyncpg.CheckViolationError):
            await db.execute(insert, outcome, refusal, reverses, user)
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await db.execute(insert, "unlinked", None, entry + 100, 1)
    await db.execute(insert, "unlinked", None, entry, 1)
    with pytest.raises(asyncpg.UniqueViolationError, match="scan_ledger_undone_once"):
        await db.execute(insert, "unlinked", None, entry, 1)


async def test_dispatchers_have_an_area_that_exists(db: Any) -> None:
    insert = "INSERT INTO users (username, password_hash, role, area) VALUES ($1, 'x', $2, $3)"
    await db.execute(insert, "one", "dispatcher", "lucknow")
    for role, area in (("dispatcher", None), ("dispatcher", "atlantis"), ("owner", None)):
        with pytest.raises((asyncpg.CheckViolationError, asyncpg.ForeignKeyViolationError)):
            await db.execute(insert, "two", role, area)
    with pytest.raises(asyncpg.UniqueViolationError):
        await db.execute(insert, "ONE", "biller", None)


async def test_every_time_has_a_zone(db: Any) -> None:
    naive = "SELECT count(*) FROM information_schema.columns WHERE data_type = 'timestamp without time zone'"
    assert await db.fetchval(f"{naive} AND table_schema = 'public'") == 0
