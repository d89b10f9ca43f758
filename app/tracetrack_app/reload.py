"""Notices that a mounted binding has changed, and has those who use it go on with what it says now."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime

from tracetrack_app import metrics
from tracetrack_app.bindingfiles import Mark
from tracetrack_app.tasks import end

_log = logging.getLogger(__name__)
_EVERY = 1.0
_MOST_PAUSE = 10.0

Renew = Callable[[], Awaitable[None]]
"""Raises what is wrong with the binding as it is now; then everything goes on as before."""


class Reload:
    """One binding: `renew` is called once it has changed, and again until it takes it.

    `content` is what counts of it: where that is as before, nobody is troubled. It raises what is wrong with it.
    """

    def __init__(
        self,
        name: str,
        mark: Callable[[], Mark],
        renew: Renew,
        content: Callable[[], object] = object,
        every: float = _EVERY,
    ) -> None:
        self._name = name
        self._mark = mark
        self._renew = renew
        self._content = content
        self._every = every
        self._taken = mark()
        self._had: object = None
        if self._taken:
            with contextlib.suppress(Exception):
                self._had = content()
        self._task: asyncio.Task[None] | None = None
        self.generation = 0
        """How often a changed binding was taken."""
        self.taken_at: datetime | None = None
        self.problem: str | None = None

    def start(self) -> None:
        metrics.BINDING_RELOADS.labels(self._name)
        self._task = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        await end(self._task)

    async def _watch(self) -> None:
        pause = self._every
        while True:
            await asyncio.sleep(pause)
            mark = await asyncio.to_thread(self._mark)
            # An empty one is on its way out with its Secret: there is nothing to go on with.
            if mark in (self._taken, ()):
                pause = self._every
                continue
            try:
                content = await asyncio.to_thread(self._content)
                if content == self._had and self.problem is None:
                    pause, self._taken = self._every, mark
                    continue
                await self._renew()
            except Exception as error:
                pause = min(pause * 2, _MOST_PAUSE)
                words = str(error) or type(error).__name__
                if self.problem != words:
                    _log.warning("the changed binding %s is not taken, the former serves on: %s", self._name, words)
                self.problem = words
                continue
            pause, self._taken, self._had, self.problem = self._every, mark, content, None
            self.generation += 1
            self.taken_at = datetime.now(UTC)
            metrics.BINDING_RELOADS.labels(self._name).inc()
            _log.info("the changed binding %s is taken", self._name)


def vitals(reloads: Mapping[str, Reload]) -> dict[str, object]:
    """For people: how often each binding was taken anew, when, and what keeps a changed one from it."""
    return {
        name: {
            "generation": each.generation,
            "taken_at": each.taken_at.isoformat() if each.taken_at else None,
            "problem": each.problem,
        }
        for name, each in reloads.items()
    }
