"""Work on a fleet beside the reconcile workers, so that a long one keeps nobody else waiting."""

import asyncio
from collections.abc import Awaitable, Callable

from .halt import Halt


class Run:
    """One bounded piece of work. `active` until it has ended; it never raises."""

    def __init__(self, halt: Halt, generation: int, work: Callable[[], Awaitable[None]]) -> None:
        self.halt = halt
        self.generation = generation
        self._task = asyncio.create_task(self._do(work))

    @property
    def active(self) -> bool:
        return not self._task.done()

    def stop(self) -> None:
        """Begin nothing new; what is under way ends as it should."""
        self.halt.ask()

    async def wait(self) -> None:
        await asyncio.wait([self._task])

    async def _do(self, work: Callable[[], Awaitable[None]]) -> None:
        await work()
