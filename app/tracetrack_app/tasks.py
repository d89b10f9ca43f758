"""Tasks that go on until they are told to end."""

from __future__ import annotations

import asyncio

_HEARD_WITHIN = 2.0


async def end(*tasks: asyncio.Task[None] | None) -> None:
    """Cancel the tasks and wait until they are over, whatever they raise.

    A cancellation that meets a call just as that fails is lost: redis-py and uvloop raise the failure, and the task
    goes on. So it is repeated until it is heard.
    """
    pending = {task for task in tasks if task is not None}
    ending = tuple(pending)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=_HEARD_WITHIN)
    await asyncio.gather(*ending, return_exceptions=True)
