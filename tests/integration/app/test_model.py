"""Random concurrent histories through the real writers, against a small model in memory.

Each step sends a batch of operations at once through two writers, as two replicas would, and then replays what the
ledger says, in its order. What was accepted must be allowed by the model at that place; what was refused must be
refused by the model at some moment of the batch, because a refusal takes no lock. `make model` runs it for longer.
"""

from __future__ import annotations

import asyncio
import copy
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from tests.backing import PostgresServer
from tests.integration.app.conftest import EMPTIED
from tests.integration.app.test_writer import make_writer
from tracetrack_app.domain.outcomes import Entry
from tracetrack_app.domain.scans import Actor
from tracetrack_app.ingest.scans import RawScan, submit, undo
from tracetrack_app.store.check import check
from tracetrack_app.store.writer import Writer

CAPACITY, BILL_CAPACITY = 3, 2
PARENTS = ["SB00001", "SB00002", "M444-00003"]
CHILDREN = [f"CHILD{number}" for number in range(6)]
BILLS = ["Truck 1", "Truck 2"]
ACTORS = [
    Actor(user_id=1),
    Actor(user_id=2, area="lucknow"),
    Actor(user_id=3, area="jaipur"),
    Actor(fleet="lucknow", scanner="lucknow-0001"),
]
EXAMPLES = int(os.environ.get("TRACETRACK_MODEL_EXAMPLES", "6"))
STEPS = int(os.environ.get("TRACETRACK_MODEL_STEPS", "8"))


@dataclass(frozen=True)
class Op:
    """One operation. `again` sends the scan_id of the operation that many places back instead of a new one."""

    what: str
    code: str | None
    parent: str | None
    bill: str | None
    actor: int
    writer: int
    again: int


_op = st.one_of(
    st.builds(Op, st.just("scan"), st.sampled_from(PARENTS), st.none(), st.none(), st.integers(0, 3),
              st.integers(0, 1), st.sampled_from([0, 0, 0, 1, 4])),
    st.builds(Op, st.just("scan"), st.sampled_from(CHILDREN), st.sampled_from(PARENTS), st.none(), st.integers(0, 3),
              st.integers(0, 1), st.sampled_from([0, 0, 0, 0, 1, 2])),
    st.builds(Op, st.just("scan"), st.sampled_from(PARENTS), st.none(), st.sampled_from([*BILLS, "Truck 9"]),
              st.integers(0, 3), st.integers(0, 1), st.sampled_from([0, 0, 0, 1])),
    st.builds(Op, st.just("undo"), st.sampled_from(CHILDREN), st.one_of(st.none(), st.sampled_from(PARENTS)),
              st.none(), st.integers(0, 3), st.integers(0, 1), st.sampled_from([0, 0, 1])),
    st.builds(Op, st.just("undo"), st.none(), st.sampled_from(PARENTS), st.none(), st.integers(0, 3),
              st.integers(0, 1), st.just(0)),
)  # fmt: skip


@dataclass
class Model:
    """Bags as the rules would have them: `areas` of parents and children that exist, links as (entry, parent)."""

    areas: dict[str, str | None] = field(default_factory=dict)
    links: dict[str, tuple[int, str]] = field(default_factory=dict)
    bills: dict[str, str] = field(default_factory=dict)

    def inside(self, parent: str | None) -> int:
        return sum(holder == parent for _, holder in self.links.values())

    def on(self, bill: str) -> int:
        return sum(held == bill for held in self.bills.values())

    def refusal(self, row: Any, area: str | None) -> tuple[str | None, str | None]:
        """(why the scan or undo in this ledger row would be refused now, the holder), or (None, None)."""
        code, parent = row["code"], row["parent"]
        if area is not None and any(self.areas.get(bag, area) != area for bag in (code, parent) if bag is not None):
            return "area_denied", None
        if row["bill"] is not None:
            return self._billing(code, row["bill"])
        if code not in CHILDREN:
            return None, None
        holder = self.links[code][1] if code in self.links else None
        if parent not in self.areas:
            return "parent_not_found", holder
        if holder is not None:
            return "duplicate_child", holder
        return ("capacity_reached", None) if self.inside(parent) >= CAPACITY else (None, None)

    def _billing(self, code: str, bill: str) -> tuple[str | None, str | None]:
        held = self.bills.get(code)
        if bill not in BILLS:
            return "bill_not_found", held
        if code not in self.areas:
            return "parent_not_found", None
        if held is not None:
            return ("already_on_bill" if held == bill else "already_on_other_bill"), held
        return ("bill_capacity_reached", None) if self.on(bill) >= BILL_CAPACITY else (None, None)

    def undo_refusal(self, op: Op, area: str | None) -> str | None:
        if area is not None and any(self.areas.get(bag, area) != area for bag in (op.code, op.parent) if bag):
            return "area_denied"
        if op.code is not None:
            holder = self.links.get(op.code, (0, None))[1]
            if holder is None or op.parent not in (None, holder):
                return "not_linked"
            return "area_denied" if area is not None and self.areas[holder] != area else None
        return None if self.inside(op.parent) else "nothing_to_undo"

    def apply(self, row: Any, area: str | None) -> None:
        """Take an accepted entry into the model. Fails where a rule forbids it."""
        code, parent, outcome = row["code"], row["parent"], row["outcome"]
        if outcome == "unlinked":
            assert self.links.pop(code) == (row["reverses"], parent), dict(row)
            assert row["child_count"] == self.inside(parent)
            return
        assert self.refusal(row, area) == (None, None), (dict(row), self)
        made = code not in self.areas
        assert row["made_bag"] is (made and outcome in ("parent_created", "child_linked")), dict(row)
        if outcome == "child_linked":
            self.links[code] = (row["id"], parent)
            self.areas[code] = self.areas[parent]
            assert row["child_count"] == self.inside(parent) <= CAPACITY
        elif outcome == "bill_linked":
            self.bills[code] = row["bill"]
            assert row["bill_count"] == self.on(row["bill"]) <= BILL_CAPACITY
        else:
            assert outcome == ("parent_created" if made else "parent_opened")
            self.areas.setdefault(code, area)


class Histories(RuleBasedStateMachine):
    dsn = superuser = ""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.model = Model()
        self.seen = 0
        self.sent: dict[UUID, list[Op]] = {}
        self.order: list[UUID] = []
        self.answers: dict[UUID, Entry] = {}
        self.writers: list[Writer] = []
        self.runner.run(self._begin())

    async def _begin(self) -> None:
        admin = await asyncpg.connect(self.superuser)
        await admin.execute("SET session_replication_role = replica")
        for table in EMPTIED:
            await admin.execute(f"DELETE FROM {table}")
        await admin.close()
        self.db = await asyncpg.connect(self.dsn)
        for bill in BILLS:
            await self.db.execute("INSERT INTO bills (code, capacity) VALUES ($1, $2)", bill, BILL_CAPACITY)
        self.seen = await self.db.fetchval("SELECT coalesce(max(id), 0) FROM scan_ledger")
        self.writers = [make_writer(self.dsn, capacity=CAPACITY) for _ in range(2)]

    @rule(ops=st.lists(_op, min_size=1, max_size=10))
    def at_once(self, ops: list[Op]) -> None:
        self.runner.run(self._at_once(ops))

    async def _at_once(self, ops: list[Op]) -> None:
        work = []
        for op in ops:
            scan_id = self.order[-op.again] if 0 < op.again <= len(self.order) else uuid4()
            if scan_id not in self.sent:
                self.order.append(scan_id)
            self.sent.setdefault(scan_id, []).append(op)
            work.append((scan_id, op))
        entries = await asyncio.gather(*[self._send(scan_id, op) for scan_id, op in work])
        rows = await self.db.fetch("SELECT * FROM scan_ledger WHERE id > $1 ORDER BY id", self.seen)
        self._replay(list(rows))
        self._answered(work, entries, {row["scan_id"] for row in rows})
        self.seen = max([self.seen, *[row["id"] for row in rows]])

    async def _send(self, scan_id: UUID, op: Op) -> Entry:
        actor, now, writer = ACTORS[op.actor], datetime.now(UTC), self.writers[op.writer]
        if op.what == "undo":
            return await undo(writer, scan_id=scan_id, code=op.code, parent=op.parent, actor=actor, source="v1",
                              captured_at=now)  # fmt: skip
        return await submit(writer, RawScan(scan_id, op.code or "", actor, "v1", now, op.parent, op.bill))

    def _replay(self, rows: list[Any]) -> None:
        moments = [copy.deepcopy(self.model)]
        # A parent that is made in a batch is there for the children that come before it in the same statement.
        created = [row for row in rows if row["outcome"] == "parent_created"]
        accepted = [*created, *[row for row in rows if row["refusal"] is None and row not in created]]
        for row in accepted:
            area = next((a.area for a in ACTORS if (a.user_id, a.scanner) == (row["user_id"], row["scanner"])), None)
            self.model.apply(row, area)
            moments.append(copy.deepcopy(self.model))
        for row in rows:
            if row["refusal"] is not None:
                self._refused(row, moments)

    def _refused(self, row: Any, moments: list[Model]) -> None:
        actor = next(a for a in ACTORS if (a.user_id, a.scanner) == (row["user_id"], row["scanner"]))
        if row["scan_id"] not in self.sent:
            assert row["refusal"] == "scan_id_reused"
            return
        reasons: set[tuple[str | None, str | None]] = set()
        # Of several operations sent at once under one scan_id any may have been the first.
        for op in self.sent[row["scan_id"]]:
            for moment in moments:
                undone = op.what == "undo"
                reasons.add((moment.undo_refusal(op, actor.area), None) if undone else moment.refusal(row, actor.area))
        assert (row["refusal"], row["holder"]) in reasons, (dict(row), reasons)

    def _answered(self, work: list[tuple[UUID, Op]], entries: list[Entry], new: set[UUID]) -> None:
        for (scan_id, _), entry in zip(work, entries, strict=True):
            if entry.refusal == "scan_id_reused":
                assert len({(other.code, other.parent, other.bill) for other in self.sent[scan_id]}) > 1
                continue
            first = self.answers.setdefault(scan_id, entry)
            assert (first.id, first.outcome, first.refusal) == (entry.id, entry.outcome, entry.refusal)
            assert entry.replay or scan_id in new
        fresh = [entry.scan_id for entry in entries if not entry.replay]
        assert len(fresh) == len(set(fresh)), "a scan_id was recorded twice"
        assert set(fresh) == new, "the clients were not told what the ledger holds"

    @invariant()
    def the_database_is_as_the_model(self) -> None:
        self.runner.run(self._compare())

    async def _compare(self) -> None:
        links = await self.db.fetch(
            "SELECT c.code, k.entry_id, p.code FROM links k JOIN bags c ON c.id = k.child_id"
            " JOIN bags p ON p.id = k.parent_id"
        )
        assert {row[0]: (row[1], row[2]) for row in links} == self.model.links
        bags = await self.db.fetch("SELECT code, area, child_count, status FROM bags")
        assert {row["code"]: row["area"] for row in bags} == self.model.areas
        for row in bags:
            count = self.model.inside(row["code"])
            status = "pending" if count == 0 else "completed" if count == CAPACITY else "in_progress"
            assert (row["child_count"], row["status"]) == (count, status), dict(row)
        held = await self.db.fetch(
            "SELECT p.code, b.code FROM bill_bags k JOIN bags p ON p.id = k.bag_id JOIN bills b ON b.id = k.bill_id"
            " WHERE k.removed_at IS NULL"
        )
        assert {row[0]: row[1] for row in held} == self.model.bills

    def teardown(self) -> None:
        try:
            self.runner.run(self._end())
        finally:
            self.runner.close()

    async def _end(self) -> None:
        for writer in self.writers:
            await writer.drain()
        report = await check(self.db)
        await self.db.close()
        assert report.broken == {}


@pytest.fixture
def model_database(database: str, postgres: PostgresServer) -> None:
    Histories.dsn = database
    Histories.superuser = postgres.dsn_for(database.rsplit("/", 1)[1])


@pytest.mark.usefixtures("model_database")
def test_concurrent_histories_end_as_the_model_says() -> None:
    run_state_machine_as_test(
        Histories,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            derandomize="TRACETRACK_MODEL_EXAMPLES" not in os.environ,
            database=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )
