"""Live events: who sees what, and what becomes of a slow one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any, cast

import msgspec

from tests.unit.app.test_bagview import linked
from tracetrack_app.domain.people import Principal, Role
from tracetrack_app.store.coherence import Coherence
from tracetrack_app.store.feed import MAX_FRAMES, TICK, Feed, Subscriber

MISSED = msgspec.Raw(b"\xc0")


class Commits:
    """What a feed needs of Coherence."""

    alone = True

    def watch(self, watcher: Callable[[msgspec.Raw], None]) -> None:
        self.tell = watcher


def made() -> tuple[Feed, Commits]:
    commits = Commits()
    return Feed(cast(Coherence, commits)), commits


def of_area(area: str) -> Principal:
    return Principal(7, "worker", Role.DISPATCHER, area)


async def next_of(subscriber: Subscriber) -> list[dict[str, Any]]:
    return cast(list[dict[str, Any]], json.loads(await asyncio.wait_for(subscriber.next(), 10)))


async def test_the_events_of_a_tick_come_together_and_within_the_area() -> None:
    feed, commits = made()
    everything, north, south = (
        feed.subscribe(None),
        feed.subscribe(of_area("lucknow")),
        feed.subscribe(of_area("akola")),
    )
    entries = [msgspec.structs.replace(linked(1, "AAAA", 1), area="lucknow"), linked(2, "BBBB", 2)]
    for entry in entries:
        raw = feed.raw([entry])
        assert raw is not None
        commits.tell(raw)
    assert [event["code"] for event in await next_of(everything)] == ["AAAA", "BBBB"]
    assert [event["code"] for event in await next_of(north)] == ["AAAA"]
    feed.unsubscribe(north)
    commits.tell(MISSED)
    assert await next_of(south) == [{"type": "resync"}]
    assert await next_of(everything) == [{"type": "resync"}]


async def test_nothing_is_made_when_nobody_could_watch() -> None:
    feed, commits = made()
    assert feed.raw([linked(1, "AAAA", 1)]) is None
    commits.alone = False
    assert feed.raw([linked(1, "AAAA", 1)]) is not None
    assert feed.raw([msgspec.structs.replace(linked(1, "AAAA", 1), replay=True)]) is None


async def test_a_slow_one_loses_what_waits_and_is_told_to_read_anew() -> None:
    subscriber = Subscriber(None)
    for number in range(MAX_FRAMES + 1):
        subscriber.put(f'[{{"type":"scan","code":"C{number}"}}]', 1)
    subscriber.put('[{"type":"scan","code":"LAST"}]', 1)
    assert [await next_of(subscriber), await next_of(subscriber)] == [
        [{"type": "resync"}],
        [{"type": "scan", "code": "LAST"}],
    ]


async def test_too_many_at_once_become_a_resync() -> None:
    feed, commits = made()
    subscriber = feed.subscribe(None)
    raw = feed.raw([linked(number, f"C{number:04d}", 1) for number in range(1, 4000)])
    assert raw is not None
    for _ in range(3):
        commits.tell(raw)
    await asyncio.sleep(TICK * 2)
    assert await next_of(subscriber) == [{"type": "resync"}]
