"""The writer: batches, races, bad rows, overload."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from tracetrack_app.domain.outcomes import Entry, Outcome, Refusal
from tracetrack_app.domain.scans import Actor, Scan, Undo
from tracetrack_app.settings import Bindings
from tracetrack_app.store.database import Connector
from tracetrack_app.store.writer import UnavailableError, Writer


def make_writer(database: str, **options: Any) -> Writer:
    connector = Connector(Bindings({"DATABASE_URL": database}).database)
    return Writer(connector, **{"capacity": 30, "timezone": "Asia/Kolkata", **options})


@pytest.fixture
async def writer(database: str) -> AsyncIterator[Writer]:
    made = make_writer(database)
    yield made
    await made.drain()


@pytest.fixture
async def db(database: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(database)
    yield connection
    await connection.close()


def scan(code: str, parent: str | None = None, scan_id: UUID | None = None, **more: Any) -> Scan:
    kind = "parent" if code.startswith("SB") else "child"
    fields = {"actor": Actor(user_id=1), "source": "test", "captured_at": datetime.now(UTC), **more}
    return Scan(scan_id or uuid4(), code, kind, parent, **fields)


async def record_all(writer: Writer, *scans: Scan) -> list[Entry]:
    return list(await asyncio.gather(*[writer.record(item) for item in scans]))


async def sums_agree(db: Any) -> None:
    """The counters are the sums of the rows."""
    assert (
        await db.fetchval(
            "SELECT count(*) FROM bags b WHERE kind = 'parent'"
            " AND child_count <> (SELECT count(*) FROM links k WHERE k.parent_id = b.id)"
        )
        == 0
    )
    wrong = await db.fetchval(
        "SELECT count(*) FROM links k LEFT JOIN scan_ledger l ON l.id = k.entry_id AND l.outcome = 'child_linked'"
        " WHERE l.id IS NULL"
    )
    assert wrong == 0
    ledger = await db.fetchrow(
        "SELECT count(*) FILTER (WHERE refusal IS NULL) AS accepted, count(*) FILTER (WHERE refusal IS NOT NULL)"
        " AS refused FROM scan_ledger"
    )
    counts = await db.fetchrow(
        "SELECT coalesce(sum(accepted), 0) AS accepted, coalesce(sum(refused), 0) AS refused,"
        " sum(parents_created) AS parents, sum(children_created) AS children FROM daily_counts"
    )
    assert (ledger["accepted"], ledger["refused"]) == (counts["accepted"], counts["refused"])
    bags = await db.fetchrow(
        "SELECT count(*) FILTER (WHERE kind = 'parent') AS parents, count(*) FILTER (WHERE kind = 'child') AS children"
        " FROM bags"
    )
    assert (bags["parents"], bags["children"]) == (counts["parents"], counts["children"])


async def test_a_hundred_racing_for_thirty_places_fill_exactly_thirty(database: str, writer: Writer, db: Any) -> None:
    await writer.record(scan("SB00001"))
    other = make_writer(database)
    scans = [scan(f"CHILD{number:03d}", "SB00001") for number in range(100)]
    entries = await asyncio.gather(
        *[(writer if number % 2 else other).record(item) for number, item in enumerate(scans)]
    )
    await other.drain()
    accepted = [entry for entry in entries if entry.accepted]
    assert sorted(entry.child_count or 0 for entry in accepted) == list(range(1, 31))
    assert {entry.refusal for entry in entries if not entry.accepted} == {Refusal.CAPACITY_REACHED}
    assert await db.fetchval("SELECT child_count FROM bags WHERE code = 'SB00001'") == 30
    await sums_agree(db)


async def test_a_hundred_racing_for_one_child_give_it_to_one_parent(database: str, writer: Writer, db: Any) -> None:
    parents = [f"SB{number:05d}" for number in range(10)]
    await record_all(writer, *[scan(parent) for parent in parents])
    writers = [writer, make_writer(database), make_writer(database)]
    entries = await asyncio.gather(
        *[writers[number % 3].record(scan("CHILD1", parents[number % 10])) for number in range(100)]
    )
    for extra in writers[1:]:
        await extra.drain()
    winner = [entry for entry in entries if entry.accepted]
    assert len(winner) == 1
    assert {entry.holder for entry in entries if not entry.accepted} == {winner[0].parent}
    await sums_agree(db)


async def test_replicas_creating_the_same_parents_create_each_once(database: str, writer: Writer, db: Any) -> None:
    writers = [writer, make_writer(database), make_writer(database)]
    entries = await asyncio.gather(*[each.record(scan(f"SB{number:05d}")) for number in range(60) for each in writers])
    for extra in writers[1:]:
        await extra.drain()
    assert sum(entry.outcome is Outcome.PARENT_CREATED for entry in entries) == 60
    assert sum(entry.outcome is Outcome.PARENT_OPENED for entry in entries) == 120
    await sums_agree(db)


async def test_rows_about_the_same_bag_behave_as_one_after_another(writer: Writer, db: Any) -> None:
    entries = await record_all(
        writer,
        scan("SB00001"),
        scan("SB00001"),
        scan("CHILD1", "SB00001"),
        scan("CHILD1", "SB00001"),
        scan("CHILD1", "SB00001"),
    )
    assert [entry.outcome for entry in entries] == [
        Outcome.PARENT_CREATED, Outcome.PARENT_OPENED, Outcome.CHILD_LINKED, Outcome.REFUSED, Outcome.REFUSED,
    ]  # fmt: skip
    assert [entry.holder for entry in entries[3:]] == ["SB00001", "SB00001"]
    same = scan("CHILD2", "SB00001")
    entries = await record_all(writer, same, same, same)
    assert sorted(entry.replay for entry in entries) == [False, True, True]
    assert len({entry.id for entry in entries}) == 1
    await sums_agree(db)


async def test_a_bad_row_fails_alone(writer: Writer, db: Any) -> None:
    await writer.record(scan("SB00001"))
    bad = scan("BAD1", "SB00001", source="far too long a source for the ledger")
    good = [scan(f"GOOD{number}", "SB00001") for number in range(20)]
    results = await asyncio.gather(
        *[writer.record(item) for item in [*good[:10], bad, *good[10:]]], return_exceptions=True
    )
    failed = [result for result in results if isinstance(result, BaseException)]
    assert [type(error) for error in failed] == [UnavailableError]
    assert all(isinstance(result, Entry) and result.accepted for result in results if result not in failed)
    assert await db.fetchval("SELECT child_count FROM bags WHERE code = 'SB00001'") == 20
    await sums_agree(db)


async def test_an_argument_that_cannot_be_sent_fails_alone(writer: Writer) -> None:
    await writer.record(scan("SB00001"))
    bad, good = scan("BAD1", "SB00001", station="\ud800"), scan("GOOD1", "SB00001")
    results = await asyncio.gather(writer.record(bad), writer.record(good), return_exceptions=True)
    assert isinstance(results[0], UnavailableError)
    assert isinstance(results[1], Entry)


async def test_what_waits_goes_in_batches(database: str, db: Any) -> None:
    from tracetrack_app import metrics

    def batches() -> float:
        return float(metrics.REGISTRY.get_sample_value("tracetrack_writer_batch_size_count") or 0)

    writer = make_writer(database)
    await writer.open()
    before = batches()
    await record_all(writer, *[scan(f"SB{number:05d}") for number in range(1000)])
    assert batches() - before <= 12
    await writer.drain()
    await sums_agree(db)


async def test_a_full_queue_turns_away_and_a_caller_that_leaves_cancels_nothing(database: str, db: Any) -> None:
    writer = make_writer(database, queue_limit=5)
    await writer.open()
    tasks = [asyncio.create_task(writer.record(scan(f"SB{number:05d}"))) for number in range(8)]
    await asyncio.sleep(0)
    for task in tasks[:5]:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results[5:]] == [UnavailableError] * 3
    await writer.drain()
    assert await db.fetchval("SELECT count(*) FROM scan_ledger") == 5
    with pytest.raises(UnavailableError, match="stopping"):
        await writer.record(scan("SB99999"))


async def test_undo_and_scan_of_the_same_child_race_safely(database: str, writer: Writer, db: Any) -> None:
    other = make_writer(database)
    await record_all(writer, scan("SB00001"), scan("SB00002"))
    await writer.record(scan("CHILD1", "SB00001"))
    fields = {"actor": Actor(user_id=1), "source": "test", "captured_at": datetime.now(UTC)}
    work = []
    for number in range(30):
        work.append((writer if number % 2 else other).record(Undo(uuid4(), "CHILD1", None, **fields)))  # type: ignore[arg-type]
        work.append((other if number % 2 else writer).record(scan("CHILD1", f"SB0000{1 + number % 2}")))
    entries = await asyncio.gather(*work)
    await other.drain()
    accepted = [entry.outcome for entry in sorted(entries, key=lambda entry: entry.id) if entry.accepted]
    links, undos = accepted.count(Outcome.CHILD_LINKED), accepted.count(Outcome.UNLINKED)
    assert undos - links in (0, 1)
    assert await db.fetchval("SELECT count(*) FROM links") == 1 + links - undos
    await sums_agree(db)


async def test_a_database_that_is_away_is_said_in_time() -> None:
    connector = Connector(Bindings({"DATABASE_URL": "postgresql://u:p@127.0.0.1:1/x"}).database)
    writer = Writer(connector, capacity=30, timezone="UTC", timeout=0.5)
    with pytest.raises(UnavailableError) as caught:
        await writer.record(scan("SB00001"))
    assert caught.value.retry_after > 0
    await asyncio.wait_for(writer.drain(), 3)
