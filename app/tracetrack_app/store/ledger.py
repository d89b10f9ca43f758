"""Changes that are not scans: one transaction each, with its entries in the same ledger.

Locks are taken in the order that the recording of scans takes them: bills, bags by code, counts by actor.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar
from uuid import UUID, uuid4

import asyncpg
import msgspec

from tracetrack_app.domain.outcomes import Entry, Outcome
from tracetrack_app.domain.scans import Actor
from tracetrack_app.store.audit import Audit, acting
from tracetrack_app.store.database import Connector, connection_lost
from tracetrack_app.store.feed import Feed, Placed, event
from tracetrack_app.store.masking import Details
from tracetrack_app.store.standby import Standby
from tracetrack_app.store.writer import RACES, UnavailableError

T = TypeVar("T")
_ATTEMPTS = 4
_told: ContextVar[list[Placed] | None] = ContextVar("told", default=None)


class Changed(Protocol):
    """As Coherence.changed: the cache keys of what changed, and the events that come with it."""

    def __call__(self, keys: Iterable[str], events: msgspec.Raw | None = None, /) -> Awaitable[None]: ...


@dataclass(frozen=True, slots=True)
class Line:
    """One entry to be made. `area` is the bag's, where the actor has none."""

    outcome: Outcome
    code: str
    kind: str
    parent: str | None = None
    bill: str | None = None
    child_count: int | None = None
    capacity: int | None = None
    bill_count: int | None = None
    bill_capacity: int | None = None
    made_bag: bool = False
    reverses: int | None = None
    area: str | None = None


class Ledger:
    """Runs changes and enters them. `changed` is told the cache keys of what a committed change touched.

    With a feed it is told of the entries that the change made too, and of what `tell` was given.
    """

    def __init__(
        self,
        connector: Connector,
        pool: Any,
        timezone: str,
        changed: Changed,
        audit: Audit | None = None,
        feed: Feed | None = None,
        standby: Standby | None = None,
    ) -> None:
        self._connector = connector
        self.pool = pool
        self.timezone = timezone
        self.changed = changed
        self.standby = standby
        self._audit = audit
        self._feed = feed

    def quietly(self) -> Ledger:
        """The same without a feed."""
        return Ledger(self._connector, self.pool, self.timezone, self.changed, self._audit, standby=self.standby)

    async def change(self, work: Callable[[Any], Awaitable[tuple[T, Sequence[str]]]]) -> T:
        """Run `work` with a connection, in a transaction; it gives its result and the cache keys that it touched.

        Run again after a lost race. Raises what `work` raises, and UnavailableError; then nothing was changed, or, if
        the connection was lost as it committed, all.
        """
        for attempt in range(1, _ATTEMPTS + 1):
            keys: Sequence[str] = ()
            told: list[Placed] = []
            mark = _told.set(told)
            try:
                async with self.pool.acquire() as connection, connection.transaction():
                    result, keys = await work(connection)
            except RACES as error:
                if attempt == _ATTEMPTS:
                    raise UnavailableError(f"Too many changes at once ({type(error).__name__}).") from error
                continue
            except Exception as error:
                if connection_lost(error):
                    # Perhaps it was committed: no cache may go on as if it had not been.
                    if keys:
                        await self.changed(keys)
                    raise UnavailableError(f"{self._connector.explain(error)}.") from error
                raise
            finally:
                _told.reset(mark)
            events = self._feed.packed(told) if self._feed is not None else None
            if keys or events is not None:
                await self.changed(keys, events)
            return result
        raise AssertionError

    def tell(self, *events: Placed) -> None:
        """Have these told when the change at hand is committed, in order with the entries it makes."""
        told = _told.get()
        if told is not None:
            told += events

    async def note(
        self,
        connection: Any,
        action: str,
        entity: str,
        name: object,
        *,
        before: Details | None = None,
        after: Details | None = None,
    ) -> None:
        """Enter the change in the audit log, as the last thing of its transaction: what scans do is not noted."""
        if self._audit is not None:
            who = acting.get()()
            await self._audit.record(action, who, entity, name, before=before, after=after, connection=connection)

    async def report(self, work: Callable[[Any], Awaitable[T]]) -> T:
        """As `read`, for what people look at: perhaps from a standby, without what others did last, but with all that
        whoever asks has changed (store/standby.py). `work` may be run twice. Not for what a change depends on.
        """
        return await (self.standby.report(work, self.read) if self.standby is not None else self.read(work))

    async def read(self, work: Callable[[Any], Awaitable[T]]) -> T:
        """Run `work` with a connection to the primary, which has all that is committed. Raises UnavailableError."""
        try:
            async with self.pool.acquire() as connection:
                return await work(connection)
        except Exception as error:
            if connection_lost(error):
                raise UnavailableError(f"{self._connector.explain(error)}.") from error
            raise

    async def enter(
        self, connection: Any, lines: Sequence[Line], actor: Actor, source: str, scan_ids: Sequence[UUID] = ()
    ) -> list[int]:
        """Enter the lines within the transaction at hand, and count them; the entries' ids, in order."""
        if not lines:
            return []
        ids = list(scan_ids) or [uuid4() for _ in lines]
        areas = [line.area if actor.area is None else actor.area for line in lines]
        now = datetime.now(UTC)
        rows: list[asyncpg.Record] = await connection.fetch(
            "WITH numbered AS ("
            " SELECT i.*, nextval('scan_ledger_id_seq') AS id FROM unnest($1::uuid[], $2::text[], $3::text[],"
            " $4::text[], $5::text[], $6::text[], $7::integer[], $8::integer[], $9::integer[], $10::integer[],"
            " $11::boolean[], $12::bigint[], $13::text[]) WITH ORDINALITY AS i (scan_id, outcome, code, kind, parent,"
            " bill, child_count, capacity, bill_count, bill_capacity, made_bag, reverses, area, ord) ORDER BY ord),"
            " entered AS ("
            " INSERT INTO scan_ledger (id, scan_id, outcome, code, kind, parent, bill, child_count, capacity,"
            " bill_count, bill_capacity, made_bag, reverses, area, user_id, fleet, scanner, source, captured_at)"
            " SELECT id, scan_id, outcome, code, kind, parent, bill, child_count, capacity, bill_count,"
            " bill_capacity, made_bag, reverses, area, $14, $15, $16, $17, $18 FROM numbered"
            " RETURNING scan_ledger AS row),"
            " counted AS (SELECT count_entries(array_agg(e.row), $19), max((e.row).recorded_at) AS at FROM entered e)"
            " SELECT n.id, counted.at FROM numbered n, counted ORDER BY n.ord",
            ids,
            [line.outcome.value for line in lines],
            [line.code for line in lines],
            [line.kind for line in lines],
            [line.parent for line in lines],
            [line.bill for line in lines],
            [line.child_count for line in lines],
            [line.capacity for line in lines],
            [line.bill_count for line in lines],
            [line.bill_capacity for line in lines],
            [line.made_bag for line in lines],
            [line.reverses for line in lines],
            areas,
            actor.user_id,
            actor.fleet,
            actor.scanner,
            source,
            now,
            self.timezone,
        )
        for row, line, scan_id, area in zip(rows, lines, ids, areas, strict=True):
            self.tell(event(_entry(line, row["id"], scan_id, area, now, row["at"])))
        return [row["id"] for row in rows]


def _entry(line: Line, number: int, scan_id: UUID, area: str | None, captured: datetime, recorded: datetime) -> Entry:
    return Entry(
        id=number,
        scan_id=scan_id,
        replay=False,
        outcome=line.outcome,
        refusal=None,
        code=line.code,
        kind=line.kind,
        parent=line.parent,
        bill=line.bill,
        holder=None,
        child_count=line.child_count,
        capacity=line.capacity,
        bill_count=line.bill_count,
        bill_capacity=line.bill_capacity,
        station="",
        captured_at=captured,
        recorded_at=recorded,
        area=area,
    )


def bag_keys(*codes: str | None) -> list[str]:
    """The cache keys of bags, by code."""
    return [f"bag:{code}" for code in codes if code is not None]


def bill_keys(*codes: str | None) -> list[str]:
    """The cache keys of bills, by code."""
    return [f"bill:{code.upper()}" for code in codes if code is not None]
