"""The reconcile loop: workers that take keys from the queue, and the resync that corrects the cache."""

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from . import metrics
from .cache import ObjectCache
from .errors import ReconcileError, TerminalError, WaitingError
from .objects import Key, Object, key_of
from .queue import WorkQueue

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Result:
    """How a reconcile ended. `requeue_after` (seconds) asks for another look although nothing may change.

    `unfinished` asks for one when those who wait have had theirs.
    """

    requeue_after: float | None = None
    unfinished: bool = False


class Reconciler(Protocol):
    """Makes one object true. Called with a key; does everything, every time; may be called at any moment."""

    async def reconcile(self, key: Key) -> Result: ...


Lister = Callable[[str], AsyncIterator[Iterable[Object]]]


class ReconcileLoop:
    """Runs reconcilers over a queue.

    `reconcilers` maps a primary kind to its reconciler; `kinds` are all cached kinds; `lister` lists one kind live,
    page by page;
    `silent_for` gives the seconds since the watch of a kind last delivered anything.
    """

    def __init__(
        self,
        queue: WorkQueue,
        cache: ObjectCache,
        reconcilers: Mapping[str, Reconciler],
        kinds: tuple[str, ...],
        lister: Lister,
        silent_for: Callable[[str], float],
        workers: int = 8,
        resync_seconds: float = 600.0,
    ) -> None:
        self._queue = queue
        self._cache = cache
        self._reconcilers = reconcilers
        self._kinds = kinds
        self._lister = lister
        self._silent_for = silent_for
        self._missed: dict[str, float] = {}
        self._workers = workers
        self._resync_seconds = resync_seconds
        self._tasks: list[asyncio.Task[None]] = []
        self._started_at: dict[Key, float] = {}
        self.synced = False
        metrics.QUEUE_DEPTH.set_function(queue.__len__)
        for kind in kinds:
            metrics.CACHED.labels(kind).set_function(partial(cache.count, kind))

    async def start(self) -> None:
        """Read the whole state once, then start the workers and the resync."""
        while not await self.resync():
            await asyncio.sleep(2)
        self._tasks = [asyncio.create_task(self._work(), name=f"worker-{n}") for n in range(self._workers)]
        self._tasks.append(asyncio.create_task(self._resync_forever(), name="resync"))

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def resync(self) -> bool:
        """Replace the cache from LISTs and queue every primary object; False when a LIST failed."""
        try:
            for kind in self._kinds:
                changed = await self._read(kind)
                if changed and self.synced and self._silent_for(kind) > self._resync_seconds / 2:
                    self._missed[kind] = time.monotonic()
        except ReconcileError as error:
            metrics.RESYNCS.labels("failed").inc()
            logger.error("resync failed", extra={"error": str(error)})
            return False
        metrics.RESYNCS.labels("ok").inc()
        self._queue_all()
        self.synced = True
        return True

    async def relist(self, kind: str) -> None:
        """Replace the cache of one kind, whose events have been missed. Raises ReconcileError when the LIST fails."""
        if await self._read(kind):
            self._queue_all()

    async def _read(self, kind: str) -> int:
        asked, shown, changed = self._cache.mark(), set[Key](), 0
        async for page in self._lister(kind):
            for obj in page:
                shown.add(key_of(obj))
                changed += self._cache.put(obj)
        return changed + self._cache.retain(kind, shown, asked)

    def _queue_all(self) -> None:
        for kind in self._reconcilers:
            for key in self._cache.keys(kind):
                self._queue.add(key)

    def longest_reconcile(self) -> float:
        """Seconds that the longest-running reconcile has been at it; 0 when none runs."""
        return max((time.monotonic() - since for since in self._started_at.values()), default=0.0)

    def deaf_kinds(self) -> list[str]:
        """Kinds in which a resync found changes that their watch has not delivered a minute later either."""
        now = time.monotonic()
        return [kind for kind, at in self._missed.items() if now - at > 60 and self._silent_for(kind) > now - at]

    def alive(self) -> bool:
        """Whether every task of the loop still runs."""
        return bool(self._tasks) and not any(task.done() for task in self._tasks)

    async def _resync_forever(self) -> None:
        while True:
            await asyncio.sleep(self._resync_seconds * random.uniform(0.85, 1.15))  # noqa: S311
            await self.resync()

    async def _work(self) -> None:
        while True:
            key = await self._queue.get()
            try:
                await self._once(key)
            finally:
                self._queue.done(key)

    async def _once(self, key: Key) -> None:
        self._started_at[key] = time.monotonic()
        outcome = "ok"
        try:
            result = await self._reconcilers[key.kind].reconcile(key)
        except WaitingError as error:
            outcome = "waiting"
            self._queue.forget(key)
            self._queue.add_after(key, error.retry_after)
        except TerminalError:
            outcome = "terminal"
            self._queue.forget(key)
        except ReconcileError as error:
            outcome = "retryable"
            delay = self._queue.retry(key)
            logger.warning("will retry", extra={"key": str(key), "seconds": delay, "error": str(error)})
        except Exception:
            outcome = "crash"
            delay = self._queue.retry(key)
            logger.exception("reconcile crashed", extra={"key": str(key), "seconds": delay})
        else:
            self._queue.forget(key)
            if result.unfinished:
                self._queue.add_last(key)
            if result.requeue_after is not None:
                self._queue.add_after(key, result.requeue_after)
        finally:
            seconds = time.monotonic() - self._started_at.pop(key)
            metrics.RECONCILES.labels(key.kind, outcome).inc()
            metrics.RECONCILE_SECONDS.labels(key.kind).observe(seconds)
