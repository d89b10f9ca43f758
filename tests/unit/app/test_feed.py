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
from tracetrack_app.store.feed import TICK, Feed, Subscriber

MISSED = msgspec.Raw(b"\xc0")


class Commits:
    """What a feed needs of Coherence."""

    alone = True

    def watch(self, watcher: Callable[[msgspec.Raw], None]) -> None:
        self.tell = watcher


class Watcher:
    """One who subscribed. While `full` his connection takes nothing."""

    def __init__(self, feed: Feed, who: Principal | None = None) -> None:
        self.full = False
        self._frames: asyncio.Queue[bytes] = asyncio.Queue()
        self.subscriber: Subscriber = feed.subscribe(who, self._write)

    def _write(self, frame: bytes) -> bool:
        if not self.full:
            self._frames.put_nowait(frame)
        return not self.full

    async def next(self) -> list[dict[str, Any]]:
        return cast(list[dict[str, Any]], json.loads(await asyncio.wait_for(self._frames.get(), 10)))


def made() -> tuple[Feed, Commits]:
    commits = Commits()
    return Feed(cast(Coherence, commits), bytes), commits


def of_area(area: str) -> Principal:
    return Principal(7, "worker", Role.DISPATCHER, area)


async def test_the_events_of_a_tick_come_together_and_within_the_area() -> None:
    feed, commits = made()
    everything, north, south = Watcher(feed), Watcher(feed, of_area("lucknow")), Watcher(feed, of_area("akola"))
    entries = [msgspec.structs.replace(linked(1, "AAAA", 1), area="lucknow"), linked(2, "BBBB", 2)]
    for entry in entries:
        raw = feed.raw([entry])
        assert raw is not None
        commits.tell(raw)
    assert [event["code"] for event in await everything.next()] == ["AAAA", "BBBB"]
    assert [event["code"] for event in await north.next()] == ["AAAA"]
    feed.unsubscribe(north.subscriber)
    commits.tell(MISSED)
    assert await south.next() == [{"type": "resync"}]
    assert await everything.next() == [{"type": "resync"}]


async def test_nothing_is_made_when_nobody_could_watch() -> None:
    feed, commits = made()
    assert feed.raw([linked(1, "AAAA", 1)]) is None
    commits.alone = False
    assert feed.raw([linked(1, "AAAA", 1)]) is not None
    assert feed.raw([msgspec.structs.replace(linked(1, "AAAA", 1), replay=True)]) is None


async def test_a_slow_one_misses_what_it_cannot_take_and_is_told_to_read_anew() -> None:
    feed, commits = made()
    slow, other = Watcher(feed), Watcher(feed)

    async def commit(code: str) -> list[dict[str, Any]]:
        raw = feed.raw([linked(1, code, 1)])
        assert raw is not None
        commits.tell(raw)
        return await other.next()

    await commit("FIRST")
    slow.full = True
    await commit("MISSED")
    await commit("MISSED-TOO")
    slow.full = False
    assert (await slow.next())[0]["code"] == "FIRST"
    assert await slow.next() == [{"type": "resync"}]
    assert [event["code"] for event in await commit("LAST")] == ["LAST"]
    assert [event["code"] for event in await slow.next()] == ["LAST"]


async def test_what_comes_after_a_miss_is_told_after_the_resync() -> None:
    feed, commits = made()
    watcher = Watcher(feed)
    raw = feed.raw([linked(1, "AFTER", 1)])
    assert raw is not None
    commits.tell(MISSED)
    commits.tell(raw)
    assert await watcher.next() == [{"type": "resync"}]
    assert [event["code"] for event in await watcher.next()] == ["AFTER"]


async def test_too_many_at_once_become_a_resync() -> None:
    feed, commits = made()
    watcher = Watcher(feed)
    raw = feed.raw([linked(number, f"C{number:04d}", 1) for number in range(1, 4000)])
    assert raw is not None
    for _ in range(3):
        commits.tell(raw)
    await asyncio.sleep(TICK * 2)
    assert await watcher.next() == [{"type": "resync"}]
