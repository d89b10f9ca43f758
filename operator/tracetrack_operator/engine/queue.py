"""A keyed, coalescing work queue with per-key exponential backoff (the semantics of client-go's workqueue)."""

import asyncio
import heapq
import itertools
import time
from collections.abc import Callable

from .objects import Key

LAST_SECONDS = 10.0
ROUTINE_SECONDS = 30.0
"""Whoever can wait so long for another look can wait for those who have had none."""


class WorkQueue:
    """Keys waiting to be reconciled.

    A key is handed to one worker at a time. Adding a key that waits changes nothing; adding one that is being worked
    on queues it again for when it is done. Delays are in seconds. One that was added last is handed out when no other
    is ready, or has waited for `LAST_SECONDS`.
    """

    def __init__(
        self,
        base_delay: float = 0.5,
        max_delay: float = 300.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._base_delay = base_delay
        self._max_delay = max_delay
        self._clock = clock
        self._ready: dict[Key, float] = {}
        self._last: dict[Key, float] = {}
        self._to_last: set[Key] = set()
        self._active: set[Key] = set()
        self._dirty: dict[Key, float] = {}
        self._delayed: list[tuple[float, int, Key, bool]] = []
        self._due: dict[Key, float] = {}
        self._failures: dict[Key, int] = {}
        self._order = itertools.count()
        self._wake = asyncio.Event()

    def __len__(self) -> int:
        return len(self._ready) + len(self._last) + len(self._dirty.keys() | self._to_last)

    def add(self, key: Key) -> None:
        """Queue `key` now."""
        now = self._clock()
        if key in self._active:
            self._dirty.setdefault(key, now)
        elif key not in self._ready and key not in self._last:
            self._ready[key] = now
            self._wake.set()

    def add_last(self, key: Key) -> None:
        """Queue `key` behind all others."""
        if key in self._active:
            self._to_last.add(key)
        elif key not in self._ready:
            self._last.setdefault(key, self._clock())
            self._wake.set()

    def add_after(self, key: Key, delay: float) -> None:
        """Queue `key` after `delay` seconds, or at the earlier time it is already due.

        After `ROUTINE_SECONDS` and more it is added last.
        """
        due = self._clock() + delay
        if self._due.get(key, float("inf")) <= due:
            return
        self._due[key] = due
        heapq.heappush(self._delayed, (due, next(self._order), key, delay >= ROUTINE_SECONDS))
        self._wake.set()

    def retry(self, key: Key) -> float:
        """Queue `key` after its backoff, which doubles with each call; gives the delay in seconds."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        delay = min(self._base_delay * 2.0 ** min(failures, 30), self._max_delay)
        self.add_after(key, delay)
        return delay

    def forget(self, key: Key) -> None:
        """Start the backoff of `key` anew."""
        self._failures.pop(key, None)

    def failures(self, key: Key) -> int:
        return self._failures.get(key, 0)

    async def get(self) -> Key:
        """Wait for a key; the caller must call `done` with it."""
        while True:
            self._promote()
            waiting = self._ready or self._last
            if waiting:
                key = next(iter(waiting))
                del waiting[key]
                self._active.add(key)
                return key
            self._wake.clear()
            timeout = self._delayed[0][0] - self._clock() if self._delayed else None
            try:
                async with asyncio.timeout(timeout):
                    await self._wake.wait()
            except TimeoutError:
                continue
            # Several workers may wait: whoever finds nothing goes back to sleep.

    def done(self, key: Key) -> None:
        """Give `key` back; it is queued again if it was added meanwhile."""
        self._active.discard(key)
        since = self._dirty.pop(key, None)
        if key in self._to_last:
            self._to_last.discard(key)
            self.add_last(key)
        elif since is not None:
            self._ready[key] = since
            self._wake.set()

    def oldest_wait(self) -> float:
        """Seconds that the longest-waiting ready key has waited; 0 when nothing waits."""
        self._promote()
        now = self._clock()
        return max(0.0, now - min((*self._ready.values(), *self._last.values()), default=now))

    def _promote(self) -> None:
        now = self._clock()
        while self._delayed and self._delayed[0][0] <= now:
            due, _, key, routine = heapq.heappop(self._delayed)
            if self._due.get(key) == due:
                del self._due[key]
                (self.add_last if routine else self.add)(key)
        while self._last and next(iter(self._last.values())) + LAST_SECONDS <= now:
            key = next(iter(self._last))
            self._ready[key] = self._last.pop(key)
