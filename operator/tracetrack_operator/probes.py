"""Is the operator still doing its work? Asked by the kubelet through Kopf's liveness endpoint."""

import asyncio
from collections.abc import Sequence

from .engine import metrics
from .engine.loop import ReconcileLoop
from .engine.queue import WorkQueue

MAX_WAIT_SECONDS = 120.0
MAX_RECONCILE_SECONDS = 900.0


class StuckError(Exception):
    """The loop no longer makes progress; a restart is the remedy."""


class Health:
    """`watches` are tasks that never end by themselves."""

    def __init__(self, queue: WorkQueue, loop: ReconcileLoop, watches: Sequence[asyncio.Task[None]] = ()) -> None:
        self._queue = queue
        self._loop = loop
        self._watches = watches

    def check(self) -> dict[str, float]:
        """Figures for the probe's answer. Raises StuckError when a restart would help."""
        waited = self._queue.oldest_wait()
        running = self._loop.longest_reconcile()
        metrics.QUEUE_OLDEST.set(waited)
        if self._loop.synced and not self._loop.alive():
            raise StuckError("a worker or the resync has ended")
        if any(task.done() for task in self._watches):
            raise StuckError("a watch has ended")
        if waited > MAX_WAIT_SECONDS:
            raise StuckError(f"a key has waited {waited:.0f} s for a worker")
        if running > MAX_RECONCILE_SECONDS:
            raise StuckError(f"a reconcile has run for {running:.0f} s")
        if self._loop.deaf_kinds():
            raise StuckError(f"the watch of {', '.join(self._loop.deaf_kinds())} misses changes that a LIST shows")
        return {"oldestWaitSeconds": round(waited, 3), "longestReconcileSeconds": round(running, 3)}
