"""The version before still works on the newest schema: while one replaces the other, both run.

`earlier/VERSION.json` holds the SQL that a released version of the app sends, as it was then; it never changes.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from tests.integration.app.test_writer import make_writer, scan
from tracetrack_app.domain.scans import Actor
from tracetrack_app.store.check import check

EARLIER: dict[str, str] = json.loads((Path(__file__).parent / "earlier" / "0.1.0.json").read_text())
NOW = datetime(2026, 1, 5, 4, 30, tzinfo=UTC)
DAY = "Asia/Kolkata"


@dataclass(frozen=True)
class Answer:
    """What 0.1.0 reads of a row, by position."""

    replay: bool
    outcome: str
    refusal: str | None
    holder: str | None
    child_count: int | None
    bill_count: int | None


class Earlier:
    """The calls of 0.1.0."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection

    async def scans(self, *items: tuple[str, str, str | None], scan_ids: list[UUID] | None = None) -> list[Answer]:
        """Each (code, kind, parent); in their order."""
        ids = scan_ids or [uuid4() for _ in items]
        n = len(items)
        codes, kinds, parents = ([item[index] for item in items] for index in range(3))
        none: list[None] = [None] * n
        rows = await self.connection.fetch(
            EARLIER["record_scans"], ids, codes, kinds, parents, none, none, [1] * n, none, none, ["v1"] * n,
            ["gate"] * n, [NOW] * n, 30, DAY,
        )  # fmt: skip
        found = {row[2]: self._answer(row) for row in rows}
        return [found[scan_id] for scan_id in ids]

    async def bill(self, code: str, bill: str) -> Answer:
        row = await self.connection.fetchrow(
            EARLIER["record_bill_scan"], uuid4(), code, "parent", bill, None, None, "lucknow", "lucknow-0001", "v1",
            "", NOW, DAY,
        )  # fmt: skip
        return self._answer(row)

    async def undo(self, code: str | None, parent: str | None) -> Answer:
        row = await self.connection.fetchrow(
            EARLIER["record_undo"], uuid4(), code, parent, 1, None, None, "legacy", "", NOW, DAY
        )
        return self._answer(row)

    @staticmethod
    def _answer(row: Any) -> Answer:
        assert len(row) == 17
        replay, _, _, outcome, refusal, _, _, _, _, holder, child_count, _, bill_count, *_ = row
        return Answer(replay, outcome, refusal, holder, child_count, bill_count)


@pytest.fixture
async def db(database: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(database)
    yield connection
    await connection.close()


@pytest.fixture
def earlier(db: Any) -> Earlier:
    return Earlier(db)


async def test_its_scans_bills_and_undos_are_recorded_beside_those_of_this_version(
    database: str, db: Any, earlier: Earlier
) -> None:
    writer = make_writer(database)
    lucknow = Actor(user_id=7, area="lucknow")
    await writer.record(scan("SB00002", actor=lucknow))
    same = [uuid4(), uuid4()]
    items: list[tuple[str, str, str | None]] = [("SB00001", "parent", None), ("CHILD1", "child", "SB00001")]
    first, second = await earlier.scans(*items, scan_ids=same)
    assert (first.outcome, second.outcome, second.child_count) == ("parent_created", "child_linked", 1)
    again = await earlier.scans(*items, scan_ids=same)
    assert [answer.replay for answer in again] == [True, True]
    [moved] = await earlier.scans(("CHILD2", "child", "SB00002"))
    assert (moved.outcome, moved.child_count) == ("child_linked", 1)
    [twice] = await earlier.scans(("CHILD1", "child", "SB00002"))
    assert (twice.refusal, twice.holder) == ("duplicate_child", "SB00001")
    assert (await writer.record(scan("CHILD3", "SB00001"))).child_count == 2
    assert (await earlier.undo(None, "SB00001")).child_count == 1
    assert (await earlier.undo("CHILD1", None)).outcome == "unlinked"
    assert (await earlier.undo("CHILD1", None)).refusal == "not_linked"

    await db.execute("INSERT INTO bills (code, capacity) VALUES ('Truck 1', 1), ('Truck 2', 1)")
    assert (await earlier.bill("SB00001", "truck 1")).bill_count == 1
    assert (await earlier.bill("SB00001", "Truck 2")).refusal == "already_on_other_bill"
    assert (await earlier.bill("SB00002", "Truck 1")).refusal == "bill_capacity_reached"
    await db.execute("UPDATE bills SET deleted_at = now() WHERE code = 'Truck 2'")
    assert (await earlier.bill("SB00002", "Truck 2")).refusal == "bill_not_found"
    await writer.drain()
    assert (await check(db)).broken == {}


async def test_its_reads_find_their_columns(db: Any, earlier: Earlier) -> None:
    await earlier.scans(("SB00001", "parent", None), ("CHILD1", "child", "SB00001"))
    totals = await db.fetchrow(EARLIER["totals"])
    assert (totals["parents"], totals["children"], totals["scans"], totals["bills"]) == (1, 1, 2, 0)
    assert [tuple(row) for row in await db.fetch(EARLIER["totals_2"])] == [("in_progress", 1)]
    recent = [tuple(row)[2:4] for row in await db.fetch(EARLIER["recent_scans"], 10)]
    assert sorted(recent) == [("CHILD1", "child"), ("SB00001", "parent")]
    assert tuple(await db.fetchrow(EARLIER["fill"], "SB00001")) == (1, 30)
    assert await db.fetchval(EARLIER["ping"]) == 1


async def test_its_accounts_are_made_and_log_in(db: Any) -> None:
    assert await db.fetchval(EARLIER["has_admin"]) is False
    number = await db.fetchval(EARLIER["ensure_admin"], "chief", "hash")
    assert await db.fetchval(EARLIER["ensure_admin"], "other", "hash") is None
    assert tuple(await db.fetchrow(EARLIER["begin_login"], "CHIEF", 5, 15)) == (number, "chief", "admin", "hash")
    await db.execute(EARLIER["login_succeeded"], number, None)
    for _ in range(5):
        await db.fetchrow(EARLIER["begin_login"], "chief", 5, 15)
    assert await db.fetchrow(EARLIER["begin_login"], "chief", 5, 15) is None
    assert await db.fetchval(EARLIER["begin_login_2"], "chief") is not None
