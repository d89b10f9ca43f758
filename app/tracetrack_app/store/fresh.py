"""One computation for many who ask at the same time, each getting a result that is newer than his question."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Fresh(Generic[T]):
    """Shares a computation among the calls that came before it began; never with one that came later."""

    def __init__(self, compute: Callable[[], Awaitable[T]]) -> None:
        self._compute = compute
        self._running: asyncio.Task[T] | None = None
        self._next: asyncio.Task[T] | None = None

    async def get(self) -> tuple[T, bool]:
        """(the result, whether an earlier call had asked for it). Raises what the computation raises."""
        shared = self._next is not None
        if self._next is None:
            self._next = asyncio.create_task(self._after(self._running))
            self._next.add_done_callback(_retrieved)
        return await asyncio.shield(self._next), shared

    async def _after(self, earlier: asyncio.Task[T] | None) -> T:
        if earlier is not None and not earlier.done():
            await asyncio.wait([earlier])
        # From here on the computation is under way: whoever comes now waits for the one after it.
        self._running, self._next = self._next, None
        return await self._compute()


def _retrieved(task: asyncio.Task[T]) -> None:
    if not task.cancelled():
        task.exception()
