"""How often something may be done. Limits are counted in Redis, for all replicas together.

Log-in, resets, registration and one-time codes are closed while Redis is away. Scans are not, and never wait for it:
each replica counts its own, tells Redis twice a second, and learns there what the others counted.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from redis.exceptions import RedisError
from starlette.requests import Request

from tracetrack_app.domain.scans import Actor
from tracetrack_app.store.shared import Shared
from tracetrack_app.tasks import end

_log = logging.getLogger(__name__)
_WINDOW = 60
_SYNC = 0.5


class LimitedError(Exception):
    """Too often: try again after `retry_after` seconds."""

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


async def limit(shared: Shared, name: str, most: int, window: int) -> None:
    """Count one more `name`. Raises LimitedError past `most` in `window` seconds, and when Redis cannot count."""
    try:
        count = await shared.hits(name, window)
    except RedisError as error:
        _log.warning("%s is closed while Redis is away: %s", name.partition(":")[0], type(error).__name__)
        raise LimitedError("This is not possible at the moment. Try again in a minute.", 60) from error
    if count > most:
        raise LimitedError("Too many attempts. Wait and try again.", window)


class ScanLimit:
    """Scans a minute of one user or device. It may be passed by what half a second brings to other replicas."""

    def __init__(self, shared: Shared, most: int, clock: Callable[[], float] = time.time) -> None:
        """`most` of 0 is no limit."""
        self._shared = shared
        self._most = most
        self._clock = clock
        self._window = 0
        self._total: dict[str, int] = {}
        self._untold: dict[str, int] = {}
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        if self._most:
            self._task = asyncio.create_task(self._follow())

    async def close(self) -> None:
        await end(self._task)

    def allows(self, actor: Actor, scans: int = 1) -> bool:
        """Count them; False, and nothing is counted, when that would be too many."""
        if not self._most:
            return True
        self._turn(self._clock())
        key = actor.key
        total = self._total.get(key, 0) + scans
        if total > self._most:
            return False
        self._total[key] = total
        self._untold[key] = self._untold.get(key, 0) + scans
        return True

    def count(self, actor: Actor, scans: int = 1) -> None:
        """Raises LimitedError, and counts nothing, when that would be too many."""
        if not self.allows(actor, scans):
            left = _WINDOW - int(self._clock()) % _WINDOW
            raise LimitedError(f"More than {self._most} scans a minute: wait {left} seconds.", left)

    def _turn(self, now: float) -> None:
        window = int(now) // _WINDOW
        if window != self._window:
            self._window = window
            self._total = {}
            self._untold = {}

    async def sync(self) -> None:
        """Tell Redis what was counted here, and learn what was counted everywhere. Raises RedisError."""
        self._turn(self._clock())
        window, told, self._untold = self._window, self._untold, {}
        if not told:
            return
        try:
            totals = await self._shared.add(f"scans:{window}", told, 2 * _WINDOW)
        except RedisError:
            if window == self._window:
                for key, count in told.items():
                    self._untold[key] = self._untold.get(key, 0) + count
            raise
        if window == self._window:
            for key, total in totals.items():
                self._total[key] = total + self._untold.get(key, 0)

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(_SYNC)
            try:
                await self.sync()
            except RedisError:
                # Open without Redis: each replica keeps the limit by its own count.
                continue


def scan_limit(request: Request, actor: Actor, scans: int = 1) -> None:
    """Count scans of the request. Raises LimitedError."""
    found: ScanLimit = request.app.state.service.scan_limit
    found.count(actor, scans)
