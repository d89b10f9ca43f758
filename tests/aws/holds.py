"""Calls that are stopped on their way, until a test lets them go on or takes them away."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

Moment = Literal["before", "after"]


@dataclass
class HeldCall:
    """`before`: not executed yet. `after`: executed, its answer kept back. `rule` is the fault that holds it; `first`
    is false for a call that is held only because that fault froze what came later."""

    id: int
    rule: int
    first: bool
    moment: Moment
    service: str
    operation: str
    params: dict[str, Any]
    decision: asyncio.Future[bool] = field(repr=False)
    ended: asyncio.Event = field(default_factory=asyncio.Event, repr=False)

    def shown(self) -> dict[str, Any]:
        hidden = ("decision", "ended")
        return {name: value for name, value in vars(self).items() if name not in hidden}


class Holds:
    """The calls held now. All methods belong to the one event loop of the endpoint."""

    def __init__(self) -> None:
        self._ids = itertools.count(1)
        self._calls: dict[int, HeldCall] = {}
        self._changed = asyncio.Event()

    def begin(
        self, rule: int, first: bool, moment: Moment, service: str, operation: str, params: dict[str, Any]
    ) -> HeldCall:
        decision: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        call = HeldCall(next(self._ids), rule, first, moment, service, operation, params, decision)
        self._calls[call.id] = call
        self._changed.set()
        return call

    def end(self, call: HeldCall) -> None:
        """The call is over for its caller: answered, or cut off."""
        self._calls.pop(call.id, None)
        call.ended.set()

    async def wait(self, rules: Collection[int], seconds: float) -> list[HeldCall]:
        """The calls held, as soon as each of `rules` holds one, or after `seconds`."""
        try:
            async with asyncio.timeout(seconds):
                while not set(rules) <= {call.rule for call in self._calls.values() if call.first}:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            pass
        return list(self._calls.values())

    async def decide(self, ids: Iterable[int] | None, go_on: bool) -> list[HeldCall]:
        """Let the calls with these ids (None: all) go on, or cut them off; returns once each is over."""
        chosen = [call for call in self._calls.values() if ids is None or call.id in set(ids)]
        for call in chosen:
            if not call.decision.done():
                call.decision.set_result(go_on)
        await asyncio.gather(*(call.ended.wait() for call in chosen))
        return chosen
