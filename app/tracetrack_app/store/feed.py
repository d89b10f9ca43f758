"""Live events: what was just committed, here or on another replica, for whoever watches.

Events come with the changes that `Coherence` publishes. They are gathered for a tick and go to each subscriber as one
JSON array. A subscriber that is too slow loses what waits for him and is told to read anew: `{"type": "resync"}`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from datetime import datetime

import msgspec

from tracetrack_app import metrics
from tracetrack_app.domain.outcomes import Entry, Outcome
from tracetrack_app.domain.people import Principal
from tracetrack_app.store.coherence import Coherence

TICK = 0.05
MAX_FRAMES = 64
_MAX_EVENTS = 10_000
RESYNC = '[{"type":"resync"}]'
_SCANS = frozenset({Outcome.PARENT_CREATED, Outcome.PARENT_OPENED, Outcome.CHILD_LINKED, Outcome.BILL_LINKED})
_UNDONE = frozenset({Outcome.UNLINKED, Outcome.BILL_UNLINKED, Outcome.RETURNED})


class Counts(msgspec.Struct, frozen=True, array_like=False):
    """As in the answer to a scan: children in the parent, parents on the bill, and how many either takes."""

    child_count: int | None = None
    expected_count: int | None = None
    bill_count: int | None = None
    bill_capacity: int | None = None


class Event(msgspec.Struct, frozen=True):
    """One entry of the ledger. `type` is scan, undo, change or refusal."""

    type: str
    code: str
    parent: str | None
    bill: str | None
    outcome: str
    refusal: str | None
    counts: Counts
    at: datetime


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


class Subscriber:
    """One who watches: take frames with `next`. `scope` is the area that limits what he sees."""

    def __init__(self, scope: str | None) -> None:
        self.scope = scope
        self._frames: deque[str] = deque()
        self._ready = asyncio.Event()

    def put(self, frame: str, events: int) -> None:
        if len(self._frames) >= MAX_FRAMES:
            metrics.EVENTS.labels("dropped").inc(events + len(self._frames))
            self._frames.clear()
            frame = RESYNC
        self._frames.append(frame)
        self._ready.set()

    async def next(self) -> str:
        """The next frame: a JSON array of events."""
        while not self._frames:
            self._ready.clear()
            await self._ready.wait()
        return self._frames.popleft()


class Feed:
    """The subscribers of this replica."""

    def __init__(self, coherence: Coherence) -> None:
        self._coherence = coherence
        self._subscribers: set[Subscriber] = set()
        self._gathered: list[Placed] = []
        self._due = False
        self._missed = False
        coherence.watch(self._heard)

    def raw(self, entries: Iterable[Entry]) -> msgspec.Raw | None:
        """The events of these entries as `Coherence.changed` takes them; None when nobody could be watching."""
        if not self._subscribers and self._coherence.alone:
            return None
        placed = [event(entry) for entry in entries if not entry.replay]
        return msgspec.Raw(_encode(placed)) if placed else None

    def subscribe(self, who: Principal | None) -> Subscriber:
        """`who` is None for a device, which sees everything."""
        subscriber = Subscriber(who.scope if who is not None else None)
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
        if not self._due:
            self._due = True
            asyncio.get_running_loop().call_later(TICK, self._tick)

    def _tick(self) -> None:
        self._due = False
        gathered, self._gathered = self._gathered, []
        if self._missed:
            self._missed = False
            self._send(lambda _: [], RESYNC)
        self._send(lambda scope: _visible(gathered, scope))

    def _send(self, visible: Callable[[str | None], list[Event]], frame: str | None = None) -> None:
        frames: dict[str | None, tuple[str, int]] = {}
        for subscriber in self._subscribers:
            scope = subscriber.scope
            if scope not in frames:
                events = visible(scope)
                text = frame if frame is not None else _to_json(events).decode() if events else ""
                frames[scope] = (text, len(events))
            text, count = frames[scope]
            if text:
                metrics.EVENTS.labels("sent").inc(count)
                subscriber.put(text, count)


def _visible(gathered: list[Placed], scope: str | None) -> list[Event]:
    return [placed.event for placed in gathered if scope is None or placed.area == scope]
