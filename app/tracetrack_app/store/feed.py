"""Live events: what was just committed, here or on another replica, for whoever watches.

Scans and undos come from the writer, everything else from `Ledger.change`, which tells the entries that it made and
what its work told beside them; an import tells how far it is, once a batch. Events come with the changes that
`Coherence` publishes. They are gathered for a tick and go to each subscriber as one JSON array. A subscriber whose
connection takes no more misses what comes meanwhile, and is then told to read anew: `{"type": "resync"}`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from uuid import UUID

import msgspec

from tracetrack_app import metrics
from tracetrack_app.domain import imports
from tracetrack_app.domain.outcomes import Change, Entry, Outcome
from tracetrack_app.domain.people import Principal
from tracetrack_app.store.coherence import Coherence

TICK = 0.05
_MAX_EVENTS = 10_000
RESYNC = b'[{"type":"resync"}]'
_SCANS = frozenset({Outcome.PARENT_CREATED, Outcome.PARENT_OPENED, Outcome.CHILD_LINKED, Outcome.BILL_LINKED})
_UNDONE = frozenset({Outcome.UNLINKED, Outcome.BILL_UNLINKED, Outcome.RETURNED})


class Counts(msgspec.Struct, frozen=True, array_like=False):
    """As in the answer to a scan: children in the parent, parents on the bill, and how many either takes."""

    child_count: int | None = None
    expected_count: int | None = None
    bill_count: int | None = None
    bill_capacity: int | None = None


NO_COUNTS = Counts()


class Rows(msgspec.Struct, frozen=True):
    """How far an import is; of the rows done, what came of them (see domain/imports.py)."""

    total: int
    done: int
    imported: int
    repeated: int
    unchanged: int
    refused: int


class Event(msgspec.Struct, frozen=True, omit_defaults=True):
    """One entry of the ledger, or another change. `type` is scan, undo, change or refusal.

    `outcome` is one of Outcome or Change; `code` is the bag's, for a bill_… the bill's, for a return_… the ticket's,
    for an import_… its number. `rows` are an import's; for all else it is left out.
    """

    type: str
    code: str
    parent: str | None
    bill: str | None
    outcome: str
    refusal: str | None
    counts: Counts
    at: datetime
    rows: Rows | None = None


class Placed(msgspec.Struct, frozen=True, array_like=True):
    """An event and the area of its bag, by which it is withheld from who may not see that."""

    area: str | None
    event: Event


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Placed] | None).decode
_to_json = msgspec.json.Encoder().encode


def event(entry: Entry) -> Placed:
    """The event of a ledger entry."""
    if entry.refusal is not None:
        kind = "refusal"
    elif entry.outcome in _SCANS:
        kind = "scan"
    else:
        kind = "undo" if entry.outcome in _UNDONE else "change"
    counts = Counts(entry.child_count, entry.capacity, entry.bill_count, entry.bill_capacity)
    told = Event(
        kind,
        entry.code,
        entry.parent,
        entry.bill,
        entry.outcome.value,
        entry.refusal.value if entry.refusal is not None else None,
        counts,
        entry.recorded_at,
    )
    return Placed(entry.area, told)


def change(
    what: Change,
    code: str,
    at: datetime,
    *,
    bill: str | None = None,
    area: str | None = None,
    counts: Counts = NO_COUNTS,
    rows: Rows | None = None,
) -> Placed:
    """The event of a change that is no ledger entry; `area` is the bag's afterwards."""
    return Placed(area, Event("change", code, None, bill, what.value, None, counts, at, rows))


Write = Callable[[bytes], bool]
"""Sends a frame at once. False when it cannot be taken now."""


class Subscriber:
    """One who watches. `scope` is the area that limits what he sees; `behind`: he missed something."""

    def __init__(self, scope: str | None, write: Write) -> None:
        self.scope = scope
        self.write = write
        self.behind = False


class Feed:
    """The subscribers of this replica."""

    def __init__(self, coherence: Coherence, framed: Callable[[bytes], bytes] = bytes) -> None:
        """`framed` makes a message what a subscriber's `write` takes."""
        self._coherence = coherence
        self._framed = framed
        self._resync = framed(RESYNC)
        self._subscribers: set[Subscriber] = set()
        self._gathered: list[Placed] = []
        self._due = False
        self._missed = False
        coherence.watch(self._heard)

    def raw(self, entries: Iterable[Entry]) -> msgspec.Raw | None:
        """The events of these entries as `Coherence.changed` takes them; None when nobody could be watching."""
        if self._unwatched:
            return None
        return self.packed([event(entry) for entry in entries if not entry.replay])

    def packed(self, placed: list[Placed]) -> msgspec.Raw | None:
        """As `raw`, of events."""
        return msgspec.Raw(_encode(placed)) if placed and not self._unwatched else None

    @property
    def _unwatched(self) -> bool:
        return not self._subscribers and self._coherence.alone

    async def imported(self, number: UUID, what: Change, counts: imports.Counts) -> None:
        """Tell how far an import is, or that it is over. It is of no area: only those see it whom none limits."""
        rows = Rows(counts.total, counts.done, counts.imported, counts.repeated, counts.unchanged, counts.refused)
        raw = self.packed([change(what, str(number), datetime.now(UTC), rows=rows)])
        if raw is not None:
            await self._coherence.changed((), raw)

    def subscribe(self, who: Principal | None, write: Write) -> Subscriber:
        """`who` is None for a device, which sees everything."""
        subscriber = Subscriber(who.scope if who is not None else None, write)
        self._subscribers.add(subscriber)
        metrics.SOCKETS.set(len(self._subscribers))
        return subscriber

    def unsubscribe(self, subscriber: Subscriber) -> None:
        self._subscribers.discard(subscriber)
        metrics.SOCKETS.set(len(self._subscribers))

    def _heard(self, events: msgspec.Raw) -> None:
        if not self._subscribers:
            return
        found = _decode(events)
        if found is None or len(self._gathered) + len(found) > _MAX_EVENTS:
            self._missed = True
            self._gathered.clear()
        else:
            self._gathered += found
        self._tick_soon()

    def _tick_soon(self) -> None:
        if not self._due:
            self._due = True
            asyncio.get_running_loop().call_later(TICK, self._tick)

    def _tick(self) -> None:
        self._due = False
        gathered, self._gathered = self._gathered, []
        missed, self._missed = self._missed, False
        frames: dict[str | None, tuple[bytes, int]] = {}
        sent = dropped = 0
        behind = False
        for subscriber in self._subscribers:
            scope = subscriber.scope
            if scope not in frames:
                frames[scope] = self._frame(gathered, scope)
            frame, count = frames[scope]
            anew = missed or subscriber.behind
            if not frame and not anew:
                continue
            # What came since what was missed follows the word to read anew.
            taken = (not anew or subscriber.write(self._resync)) and (not frame or subscriber.write(frame))
            subscriber.behind = not taken
            behind = behind or not taken
            if taken:
                sent += count
            else:
                dropped += count
        metrics.EVENTS.labels("sent").inc(sent)
        metrics.EVENTS.labels("dropped").inc(dropped)
        if behind:
            self._tick_soon()

    def _frame(self, gathered: list[Placed], scope: str | None) -> tuple[bytes, int]:
        events = _visible(gathered, scope)
        return (self._framed(_to_json(events)) if events else b"", len(events))


def _visible(gathered: list[Placed], scope: str | None) -> list[Event]:
    return [placed.event for placed in gathered if scope is None or placed.area == scope]
