"""What has to be there in AWS before an object is made, or before fields of it are changed."""

from __future__ import annotations

from dataclasses import dataclass

from ...engine.plan import Action
from ..protocol import Verdict


@dataclass(frozen=True)
class Prior:
    """`steps` are to be made in order, one at a time, and `holds` names the fields that wait for them; a field is held
    without a step while AWS is at work. `problem` keeps all of it from being done.
    """

    steps: tuple[Action, ...] = ()
    holds: frozenset[str] = frozenset()
    problem: Verdict | None = None

    @property
    def waits(self) -> bool:
        """Whether the object itself can't be made yet."""
        return bool(self.steps or self.holds)
