"""`tracetrack check`: each rule sees what breaks it, and nothing else does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from tests.backing import PostgresServer
from tests.integration.app.test_writer import make_writer, scan
from tracetrack_app.domain.outcomes import Entry
from tracetrack_app.domain.scans import Actor, Undo
from tracetrack_app.store.check import EXAMPLES, check
from tracetrack_app.store.check_rules import RULES

LUCKNOW = Actor(user_id=7, area="lucknow")


@pytest.fixture(scope="module")
def filled(postgres: PostgresServer) -> str:
    """DSN, as the superuser, of a database that `fill` was run on; to be left as it is."""
    postgres.sql('create database "check" template template_app owner app', "postgres")
    dsn = postgres.dsn_for("check")

    async def run() -> None:
        connection = await asyncpg.connect(dsn)
        await fill(dsn, connection)
        await connection.close()

    asyncio.run(run())
    return dsn


@pytest.fixture
async def db(database: str, postgres: PostgresServer) -> AsyncIterator[Any]:
    """The superuser's connection, whose changes no trigger and no foreign key sees."""
    connection = await asyncpg.connect(postgres.dsn_for(database.rsplit("/", 1)[1]))
    await connection.execute("SET session_replication_role = replica")
    yield connection
    await connection.close()


async def fill(database: str, db: Any) -> None:
    """By the superuser `db`: parents, children, an undo, refusals, bills; a bag taken off one, one returned."""
    writer = make_writer(database)
    at: dict[str, Any] = {"actor": Actor(user_id=1), "source": "test", "captured_at": datetime.now(UTC)}

    async def bill_scan(code: str, bill: str) -> Entry:
        return await writer.record(scan(code, bill=bill))

    for item in (
        scan("SB00001"), scan("SB00002", actor=LUCKNOW), scan("SB00003"),
        *[scan(f"CHILD{number}", "SB00001") for number in range(4)],
        *[scan(f"LUCK{number}", "SB00002", actor=LUCKNOW) for number in range(3)],
        scan("CHILD0", "SB00002"),
        scan("LUCK0", "SB00001", actor=LUCKNOW),
    ):  # fmt: skip
        await writer.record(item)
    await writer.record(Undo(uuid4(), "CHILD3", None, **at))
    await db.execute("INSERT INTO bills (code, capacity) VALUES ('Truck 1', 5), ('Truck 2', 5)")
    for code in ("SB00001", "SB00003", "SB00002"):
        assert (await bill_scan(code, "truck 1")).accepted
    assert not (await bill_scan("SB00001", "Truck 2")).accepted
    await writer.drain()
    await _leave(db, "SB00003", "bill_unlinked")
    entry = await _leave(db, "SB00002", "returned")
    await db.execute(
        "WITH t AS (INSERT INTO return_tickets (code, location, created_by) VALUES ('R-1', 'Kanpur', 1) RETURNING id)"
        " INSERT INTO return_ticket_bags (ticket_id, bag_id, bill_id, entry_id, child_count, weight_kg)"
        " SELECT t.id, b.id, x.id, $1, 3, 3 FROM t, bags b, bills x WHERE b.code = 'SB00002' AND x.code = 'Truck 1'",
        entry,
    )


async def _leave(db: Any, code: str, outcome: str) -> int:
    """Take a parent off its bill as the service does."""
    await db.execute("SET session_replication_role = origin")
    entry = await db.fetchval(
        "WITH k AS (UPDATE bill_bags SET removed_at = now() FROM bags b WHERE b.id = bag_id AND b.code = $1"
        " AND removed_at IS NULL RETURNING bill_bags.entry_id)"
        " INSERT INTO scan_ledger (scan_id, outcome, code, kind, bill, reverses, user_id, source, captured_at)"
        " SELECT gen_random_uuid(), $2, $1, 'parent', 'Truck 1', k.entry_id, 1, 'test', now() FROM k RETURNING id",
        code,
        outcome,
    )
    await db.execute("SELECT count_entries(ARRAY[l], 'Asia/Kolkata') FROM scan_ledger l WHERE id = $1", entry)
    await db.execute("SET session_replication_role = replica")
    return int(entry)


async def test_what_the_service_writes_is_without_fault(filled: str) -> None:
    connection = await asyncpg.connect(filled)
    report = await check(connection)
    await connection.close()
    assert report.broken == {}
    assert {verdict.rule.name for verdict in report.verdicts} == {rule.name for rule in RULES}
    assert report.rows | {"scan_ledger": 0} == {
        "bags": 10, "links": 6, "bills": 2, "bill_bags": 3, "return_ticket_bags": 1, "scan_ledger": 0,
        "daily_counts": 2,
    }  # fmt: skip


async def test_an_empty_database_is_without_fault(db: Any) -> None:
    assert (await check(db)).broken == {}


@dataclass(frozen=True)
class Case:
    """`sql` breaks `rule` and no other; `code` is the example it gives, with `detail` in its words."""

    rule: str
    sql: str
    code: str
    detail: str = ""
    faults: int = 1


_COPY = (
    "INSERT INTO scan_ledger (scan_id, outcome, code, kind, parent, bill, reverses, made_bag, user_id, source,"
    " captured_at) SELECT gen_random_uuid(), "
)
_COUNTED = "; UPDATE daily_counts SET accepted = accepted + {} WHERE actor = 'user:1'"
_ID = "(SELECT id FROM bags WHERE code = '{}')"
_FREE = "ALTER TABLE bags DROP CONSTRAINT bags_{}; "

CASES = [
    Case(
        "codes",
        "UPDATE bags SET code = 'SB003' WHERE code = 'SB00003'; UPDATE scan_ledger SET code = 'SB003'"
        " WHERE code = 'SB00003'",
        "SB003",
        "a parent must not have this code",
    ),
    Case(
        "codes",
        _FREE.format("code_folded") + "ALTER TABLE scan_ledger DROP CONSTRAINT scan_ledger_code_folded;"
        " UPDATE bags SET code = 'child0' WHERE code = 'CHILD0'; UPDATE scan_ledger SET code = 'child0'"
        " WHERE code = 'CHILD0'",
        "child0",
        "a child must not",
    ),
    Case(
        "codes",
        "UPDATE bags SET code = 'SB77777' WHERE code = 'LUCK1'; UPDATE scan_ledger SET code = 'SB77777'"
        " WHERE code = 'LUCK1'",
        "SB77777",
        "a child must not",
    ),
    Case(
        "bag_once",
        "ALTER TABLE bags DROP CONSTRAINT bags_code_once; INSERT INTO bags (code, kind) VALUES ('SB00003', 'parent')",
        "SB00003",
        "2 bags have it",
    ),
    Case("bag_made_once", "INSERT INTO bags (code, kind) VALUES ('NEW001', 'child')", "NEW001", "made 0 times"),
    Case(
        "bag_made_once",
        f"{_COPY} 'bag_registered', 'SB00003', 'parent', NULL, NULL, NULL, true, 1, 'test', now();"
        " UPDATE daily_counts SET accepted = accepted + 1, parents_created = parents_created + 1"
        " WHERE actor = 'user:1'",
        "SB00003",
        "made 2 times, deleted 0 times",
    ),
    Case("bag_gone", "DELETE FROM bags WHERE code = 'CHILD3'", "CHILD3", "a child, made 1 times, deleted 0 times"),
    Case(
        "making",
        f"{_COPY} 'parent_created', 'SB00003', 'parent', NULL, NULL, NULL, false, 1, 'test', now()"
        + _COUNTED.format(1),
        "SB00003",
        "(parent_created) of a parent, made_bag f",
    ),
    Case(
        "link_ends",
        f"UPDATE links SET child_id = 99999 WHERE child_id = {_ID.format('CHILD1')}",
        "SB00001",
        "child 99999 is missing, parent SB00001 is parent",
    ),
    Case("child_count", "UPDATE bags SET child_count = 4 WHERE code = 'SB00001'", "SB00001", "is 4, links are 3"),
    Case(
        "capacity",
        _FREE.format("within_capacity") + "UPDATE bags SET capacity = 2 WHERE code = 'SB00001'",
        "SB00001",
        "3 of 2",
    ),
    Case(
        "capacity",
        "ALTER TABLE bills DROP CONSTRAINT bills_within_capacity, DROP CONSTRAINT bills_capacity_check;"
        " UPDATE bills SET capacity = 0 WHERE code = 'Truck 1'",
        "Truck 1",
        "1 of 0",
    ),
    Case("status", "UPDATE bags SET status = 'pending' WHERE code = 'SB00001'", "SB00001", "pending with 3 of 30"),
    Case("status", "UPDATE bags SET status = 'in_progress' WHERE code = 'SB00003'", "SB00003", "in_progress with 0"),
    Case("status", "UPDATE bills SET status = 'new' WHERE code = 'Truck 1'", "Truck 1", "new with 1 bags"),
    Case(
        "link_entry",
        "UPDATE scan_ledger SET parent = 'SB00003' WHERE code = 'CHILD1'",
        "CHILD1",
        "linked to SB00001, but entry",
    ),
    Case(
        "link_entry",
        f"{_COPY} 'unlinked', code, kind, parent, NULL, id, false, 1, 'test', now() FROM scan_ledger"
        " WHERE code = 'CHILD1'" + _COUNTED.format(1),
        "CHILD1",
        "was reversed by",
    ),
    Case(
        "entry_link",
        f"DELETE FROM links WHERE child_id = {_ID.format('CHILD1')};"
        " UPDATE bags SET child_count = 2 WHERE code = 'SB00001'",
        "CHILD1",
        "put it into SB00001, and there is no such link",
    ),
    Case(
        "reversals",
        "UPDATE scan_ledger SET parent = 'SB00003' WHERE outcome = 'unlinked'",
        "CHILD3",
        "(unlinked) reverses",
    ),
    Case(
        "reversals",
        "ALTER TABLE scan_ledger DROP CONSTRAINT scan_ledger_undone_once; "
        f"{_COPY} 'unlinked', code, kind, parent, NULL, reverses, false, 1, 'test', now() FROM scan_ledger"
        " WHERE outcome = 'unlinked'" + _COUNTED.format(1),
        "CHILD3",
        "is reversed 2 times",
    ),
    Case("bill_count", "UPDATE bills SET bag_count = 2 WHERE code = 'Truck 1'", "Truck 1", "is 2, bags are 1"),
    Case(
        "one_bill",
        "DROP INDEX bill_bags_one_active_bill; "
        f"{_COPY} 'bill_linked', 'SB00001', 'parent', NULL, 'Truck 2', NULL, false, 1, 'test', now();"
        " INSERT INTO bill_bags (bill_id, bag_id, entry_id) SELECT x.id, b.id, max(l.id) FROM bills x, bags b,"
        " scan_ledger l WHERE x.code = 'Truck 2' AND b.code = 'SB00001' GROUP BY 1, 2;"
        " UPDATE bills SET bag_count = 1, status = 'processing' WHERE code = 'Truck 2'" + _COUNTED.format(1),
        "SB00001",
        "on 2 bills: Truck 1, Truck 2",
    ),
    Case(
        "bill_entry",
        "UPDATE scan_ledger SET bill = 'Truck 9' WHERE outcome = 'bill_linked' AND code = 'SB00001'",
        "SB00001",
        "on bill Truck 1, but entry",
    ),
    Case(
        "bill_entry",
        f"UPDATE bill_bags SET removed_at = now() WHERE bag_id = {_ID.format('SB00001')};"
        " UPDATE bills SET bag_count = 0 WHERE code = 'Truck 1'",
        "SB00001",
        "was not reversed",
    ),
    Case(
        "entry_bill",
        f"DELETE FROM bill_bags WHERE bag_id = {_ID.format('SB00001')};"
        " UPDATE bills SET bag_count = 0 WHERE code = 'Truck 1'",
        "SB00001",
        "put it on bill Truck 1",
    ),
    Case("returns", "DELETE FROM return_ticket_bags", "SB00002", "returned it, and it is on no ticket"),
    Case(
        "return_bill",
        "UPDATE return_ticket_bags SET bill_id = (SELECT id FROM bills WHERE code = 'Truck 2')",
        "SB00002",
        "names bill Truck 2, it left bill Truck 1",
    ),
    Case("areas", "UPDATE bags SET area = 'jaipur' WHERE code = 'LUCK1'", "LUCK1", "of jaipur, its parent SB00002"),
    Case(
        "daily_counts",
        "UPDATE daily_counts SET refused = refused + 1 WHERE actor = 'user:7'",
        "user:7",
        "refused 2/1",
    ),
    Case("daily_counts", "DELETE FROM daily_counts WHERE actor = 'user:7'", "user:7", "accepted 0/4"),
    Case(
        "daily_counts",
        "INSERT INTO daily_counts (actor, day, children_deleted) VALUES ('scanner:a/b', '2026-01-01', 2)",
        "scanner:a/b",
        "deleted 0+2/0+0",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.rule}: {case.detail}")
async def test_what_breaks_a_rule_is_found_by_it_alone(case: Case, filled: str) -> None:
    connection = await asyncpg.connect(filled)
    broken = connection.transaction(isolation="repeatable_read")
    await broken.start()
    try:
        await connection.execute("SET LOCAL session_replication_role = replica")
        await connection.execute(case.sql)
        report = await check(connection)
    finally:
        await broken.rollback()
        await connection.close()
    assert report.broken == {case.rule: case.faults}
    [verdict] = [verdict for verdict in report.verdicts if verdict.faults]
    assert verdict.examples[0].code == case.code
    assert case.detail in verdict.examples[0].detail
    assert verdict.rule.remedy


def test_every_rule_has_a_case() -> None:
    assert {case.rule for case in CASES} == {rule.name for rule in RULES}


async def test_the_first_examples_are_given_and_all_faults_counted(db: Any) -> None:
    await db.execute("INSERT INTO bags (code, kind) SELECT 'NEW' || n, 'child' FROM generate_series(100, 199) n")
    [verdict] = [verdict for verdict in (await check(db)).verdicts if verdict.faults]
    assert verdict.faults == 100
    assert [example.code for example in verdict.examples] == [f"NEW{number}" for number in range(100, 100 + EXAMPLES)]


async def test_all_is_seen_at_one_moment(database: str, db: Any) -> None:
    """What is written while the check runs is not half of what it sees."""
    await fill(database, db)

    reached: list[str] = []
    other = await asyncpg.connect(database)

    async def meddle() -> None:
        await other.execute("UPDATE bags SET child_count = 9 WHERE code = 'SB00001'")

    connection = await asyncpg.connect(database)  # as the app's role, which is enough
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        await connection.fetchval("SELECT 1 FROM bags LIMIT 1")
        await meddle()
        report = await check(connection, began=lambda _, rule: reached.append(rule.name))
    assert report.broken == {}
    assert reached == [rule.name for rule in RULES]
    assert (await check(connection)).broken == {"child_count": 1}
    await connection.close()
    await other.close()
