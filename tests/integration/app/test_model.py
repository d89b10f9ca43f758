"""Random concurrent histories through the real writers, against a small model in memory.

Each step sends a batch of operations at once through two writers, as two replicas would, and then replays what the
ledger says, in its order. What was accepted must be allowed by the model at that place; what was refused must be
refused by the model at some moment of the batch, because a refusal takes no lock. Changes by hand, as a desk makes
them, go on at the same time through two pools. `make model` runs it for longer.
"""

from __future__ import annotations

import asyncio
import copy
import os
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
from tests.integration.app.model import ACTORS, BILL_CAPACITY, BILLS, BY_HAND, CAPACITY, OPERATIONS, PARENTS, Model, Op
from tests.integration.app.test_writer import make_writer
from tracetrack_app.domain.outcomes import Entry
from tracetrack_app.domain.rules import RuleError
from tracetrack_app.ingest.scans import RawScan, submit, undo
from tracetrack_app.settings import Bindings
from tracetrack_app.store.bags import Bags
from tracetrack_app.store.bills import Bills
from tracetrack_app.store.check import check
from tracetrack_app.store.database import Connector
from tracetrack_app.store.ledger import Ledger
from tracetrack_app.store.returns import Returns
from tracetrack_app.store.writer import Writer

EXAMPLES = int(os.environ.get("TRACETRACK_MODEL_EXAMPLES", "6"))
STEPS = int(os.environ.get("TRACETRACK_MODEL_STEPS", "8"))
DESK = "desk"
OUTCOMES = {
    "complete": "parent_completed",
    "reopen": "parent_reopened",
    "take off": "bill_unlinked",
    "return": "returned",
}


class Desk:
    """One replica's changes by hand: parents finished and opened again, taken off bills, returned."""

    def __init__(self, ledger: Ledger) -> None:
        self._bags, self._bills, self.returns = Bags(ledger, CAPACITY), Bills(ledger), Returns(ledger)
        self._pool = ledger.pool

    @classmethod
    async def open(cls, dsn: str) -> Desk:
        connector = Connector(Bindings({"DATABASE_URL": dsn}).database)

        async def changed(_keys: Any, _events: Any = None) -> None:
            return None

        return cls(Ledger(connector, await connector.pool(4), "Asia/Kolkata", changed))

    async def do(self, op: Op, ticket: int) -> str | None:
        """Why it was refused."""
        actor, code, source = ACTORS[op.actor], op.code or "", DESK
        try:
            match op.what:
                case "complete":
                    await self._bags.complete(actor, code, source=source)
                case "reopen":
                    await self._bags.reopen(actor, code, source=source)
                case "take off":
                    await self._bills.remove(actor, op.bill or "", code, source=source)
                case "return":
                    await self.returns.scan(actor, ticket, code, source=source)
                case _:
                    await self.returns.cancel(actor, ticket, source=source)
        except RuleError as error:
            return str(error.rule)
        return None

    async def close(self) -> None:
        await self._pool.close()


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
        self.desks: list[Desk] = []
        self.ticket = 0
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
        self.desks = [await Desk.open(self.dsn) for _ in range(2)]
        self.ticket = (await self.desks[0].returns.open(ACTORS[0], "C&F")).id
        await self._at_once([Op("scan", parent, None, None, 3, 0, 0) for parent in PARENTS[:2]])

    @rule(ops=st.lists(OPERATIONS, min_size=4, max_size=12))
    def at_once(self, ops: list[Op]) -> None:
        self.runner.run(self._at_once(ops))

    async def _at_once(self, ops: list[Op]) -> None:
        work = []
        by_hand = [op for op in ops if op.what in BY_HAND]
        for op in ops:
            if op.what in BY_HAND:
                continue
            scan_id = self.order[-op.again] if 0 < op.again <= len(self.order) else uuid4()
            if scan_id not in self.sent:
                self.order.append(scan_id)
            self.sent.setdefault(scan_id, []).append(op)
            work.append((scan_id, op))
        refused, entries = await asyncio.gather(
            asyncio.gather(*[self.desks[op.writer].do(op, self.ticket) for op in by_hand]),
            asyncio.gather(*[self._send(scan_id, op) for scan_id, op in work]),
        )
        rows = await self.db.fetch("SELECT * FROM scan_ledger WHERE id > $1 ORDER BY id", self.seen)
        moments = self._replay(list(rows))
        self._done_by_hand(by_hand, refused, moments, [row["outcome"] for row in rows if row["source"] == DESK])
        self._answered(work, entries, {row["scan_id"] for row in rows if row["source"] != DESK})
        if any(op.what == "cancel" for op in by_hand):
            self.model.returned.clear()
            self.ticket = (await self.desks[0].returns.open(ACTORS[0], "C&F")).id
        self.seen = max([self.seen, *[row["id"] for row in rows]])

    async def _send(self, scan_id: UUID, op: Op) -> Entry:
        actor, now, writer = ACTORS[op.actor], datetime.now(UTC), self.writers[op.writer]
        if op.what == "undo":
            return await undo(writer, scan_id=scan_id, code=op.code, parent=op.parent, actor=actor, source="v1",
                              captured_at=now)  # fmt: skip
        return await submit(writer, RawScan(scan_id, op.code or "", actor, "v1", now, op.parent, op.bill))

    def _replay(self, rows: list[Any]) -> list[Model]:
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
        return moments

    def _done_by_hand(
        self, ops: list[Op], refused: list[str | None], moments: list[Model], outcomes: list[str]
    ) -> None:
        cancelled = any(op.what == "cancel" for op in ops)
        for op, reason in zip(ops, refused, strict=True):
            if op.what == "cancel" or (op.what == "return" and cancelled and reason == "ticket_closed"):
                continue
            assert reason in {moment.rule(op, ACTORS[op.actor].area) for moment in moments}, (op, reason)
        for what, outcome in OUTCOMES.items():
            done = sum(op.what == what and reason is None for op, reason in zip(ops, refused, strict=True))
            assert outcomes.count(outcome) == done, (what, outcomes)

    def _refused(self, row: Any, moments: list[Model]) -> None:
        actor = next(a for a in ACTORS if (a.user_id, a.scanner) == (row["user_id"], row["scanner"]))
        if row["scan_id"] not in self.sent:
            assert row["refusal"] == "scan_id_reused"
            return
        reasons: set[tuple[str | None, str | None]] = set()
        # Of several operations sent at once under one scan_id any may have been the first.
        for op in self.sent[row["scan_id"]]:
            if op.what == "undo":
                reasons |= {(moment.undo_refusal(op, actor.area), None) for moment in moments}
                continue
            # Entries about different bags are numbered in another order than they are committed in.
            reasons |= {
                moment.with_child_of(other, row["code"]).refusal(row, actor.area)
                for moment in moments
                for other in moments
            }
        assert (row["refusal"], row["holder"]) in reasons, (dict(row), reasons)

    def _answered(self, work: list[tuple[UUID, Op]], entries: list[Entry], new: set[UUID]) -> None:
        for (scan_id, _), entry in zip(work, entries, strict=True):
            if entry.refusal == "scan_id_reused":
                assert len({(other.what, other.code, other.parent, other.bill) for other in self.sent[scan_id]}) > 1
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
            count, status = self.model.inside(row["code"]), self.model.status(row["code"])
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
        for desk in self.desks:
            await desk.close()
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
