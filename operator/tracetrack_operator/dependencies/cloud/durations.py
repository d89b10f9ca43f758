"""How long a change took, from its call until AWS had it done. It is told in the status; nothing is decided by it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from .actions import CloudCall

FORMAT = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True)
class Begun:
    """A call that was made."""

    operation: str
    disruption: str
    at: datetime

    def told(self) -> dict[str, Any]:
        return {"operation": self.operation, "disruption": self.disruption, "startedAt": f"{self.at:{FORMAT}}"}


class Changes:
    """The last call for each owner, until the status tells how long it took."""

    def __init__(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._clock = clock
        self._begun: dict[str, Begun] = {}

    def now(self) -> datetime:
        return self._clock()

    def begin(self, uid: str, action: CloudCall, at: datetime) -> None:
        self._begun[uid] = Begun(action.operation, str(action.disruption), at)

    def of(self, uid: str, told: Mapping[str, Any]) -> Begun | None:
        """`told` is what the status says of the last change."""
        begun = self._begun.get(uid)
        if begun is not None and "seconds" in told and told.get("startedAt", "") >= begun.told()["startedAt"]:
            del self._begun[uid]
            return None
        return begun


def last_change(told: Mapping[str, Any], begun: Begun | None, done: bool, now: datetime) -> dict[str, Any]:
    """What the status shall tell of the last change; {} when none is known. Pure.

    A change that an operator before this one began goes on from what the status tells.
    """
    current = dict(told)
    if begun is not None and begun.told()["startedAt"] > current.get("startedAt", ""):
        repeated = "seconds" not in current and current.get("operation") == begun.operation
        current = current if repeated else begun.told()
    if current and done and "seconds" not in current:
        started = datetime.strptime(current["startedAt"], FORMAT).replace(tzinfo=UTC)
        current["seconds"] = max(0, round((now - started).total_seconds()))
    return current
