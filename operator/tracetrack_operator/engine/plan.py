"""A plan: ordered actions as data, each executed by the handler registered for its type."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any, TypeVar

from .objects import Object


class Disruption(StrEnum):
    """What an action does to those who use the thing it changes."""

    NONE = "none"
    ONLINE = "online"
    REBOOT = "reboot"
    SWITCHOVER = "switchover"
    REPLACE = "replace"
    DELETE = "delete"


@dataclass(frozen=True, kw_only=True)
class Action:
    """One step. `monthly_cost_change` is in US dollars, None when it isn't known."""

    disruption: Disruption = Disruption.NONE
    monthly_cost_change: Decimal | None = None

    def describe(self) -> str:
        raise NotImplementedError


@dataclass(frozen=True)
class Apply(Action):
    """Server-side apply of a child; `why` says what differed."""

    manifest: Object = field(repr=False)
    why: str = ""

    def describe(self) -> str:
        metadata = self.manifest["metadata"]
        return f"apply {self.manifest['kind']} {metadata.get('namespace', '')}/{metadata['name']} ({self.why})"


@dataclass(frozen=True)
class Delete(Action):
    """Delete a child that is no longer wanted, by UID."""

    kind: str
    namespace: str
    name: str
    uid: str

    def describe(self) -> str:
        return f"delete {self.kind} {self.namespace}/{self.name}"


ActionT = TypeVar("ActionT", bound=Action)
Handler = Callable[[Any], Awaitable[None]]


class Executor:
    """Runs plans. The same plan that is shown to a person is what is run."""

    def __init__(self) -> None:
        self._handlers: dict[type[Action], Handler] = {}

    def register(self, type_: type[ActionT], handler: Callable[[ActionT], Awaitable[None]]) -> None:
        self._handlers[type_] = handler

    async def run(self, plan: Iterable[Action]) -> int:
        """Run the actions in order; gives how many were run. The first failure ends the plan by its exception."""
        count = 0
        for action in plan:
            await self._handlers[type(action)](action)
            count += 1
        return count
