"""What the application is given to log in with, and what is to be done so that it keeps working."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from ...api.conditions import Reason
from ...engine.plan import Action, Executor
from ..binding import Binding
from ..checks import CheckResult
from ..protocol import Scope, Verdict
from ..rotation import Kept, Schedule
from .actions import Modify
from .fields import Item


@dataclass(frozen=True)
class Seat:
    """Where credentials belong: the object as AWS describes it, reached with `main`, what the operator itself has.

    `values` and `kept` are those of the credentials Secret; `bound` is the application's binding Secret.
    """

    scope: Scope
    item: Item
    main: Binding = field(repr=False)
    values: Mapping[str, str] = field(repr=False)
    kept: Kept
    bound: Mapping[str, str] = field(repr=False)
    schedule: Schedule


@dataclass(frozen=True)
class Access:
    """`binding` is what the application shall have once its `check` is good; None while there is nothing.

    `values` and `kept` are what the credentials Secret shall have. `step` changes credentials on the server, and
    `told` says why; `refused`: what the operator itself has is not taken. `news` are for an Event.
    """

    values: Mapping[str, str] = field(repr=False)
    kept: Kept = field(default_factory=Kept)
    binding: Binding | None = field(default=None, repr=False)
    check: CheckResult | None = None
    step: Action | None = None
    told: Verdict | None = None
    refused: bool = False
    status: Mapping[str, Any] = field(default_factory=dict)
    news: str = ""

    def steps(self, first: Modify | None, changeable: bool, asked: frozenset[tuple[str, str]]) -> tuple[Action, ...]:
        """With its own step behind `first`; a call to AWS waits for its turn, and for what was asked a moment ago."""
        found = (first,) if first is not None else ()
        waits = isinstance(self.step, Modify) and (found or not changeable or self.step.asked <= asked)
        return found if self.step is None or waits else (*found, self.step)

    def over(self, told: Verdict) -> Verdict:
        """What is told of credentials under way, unless something more pressing is."""
        pressing = told.status != "True" and told.reason != Reason.MODIFYING
        return told if self.told is None or self.told.reason != Reason.MODIFYING or pressing else self.told

    def waits(self, otherwise: Verdict) -> Verdict:
        """What is told of an object that the application has no login for."""
        if self.told is None:
            return otherwise
        passing = self.told.reason == Reason.MODIFYING
        return replace(self.told, reason=Reason.PROGRESSING) if passing else self.told


class Keeper(Protocol):
    """Keeps the credentials of one kind of object."""

    def makers(self) -> Mapping[str, Callable[[], str]]:
        """What the credentials Secret has to have, and how it is made up."""

    def known(self, bound: Mapping[str, str]) -> dict[str, str]:
        """What the application's binding tells of it."""

    async def look(self, seat: Seat) -> Access:
        """Looks, and changes nothing. Raises ReconcileError."""

    def register(self, executor: Executor) -> None:
        """Register what executes its own steps."""
