"""Status conditions by the Kubernetes API conventions."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

Status = Literal["True", "False", "Unknown"]
READY = "Ready"
MAX_MESSAGE = 4096


@dataclass(frozen=True)
class Transition:
    """A condition that changed its status or reason: what an Event is made of."""

    type: str
    status: Status
    reason: str
    message: str


class Conditions:
    """The conditions of one object in one reconcile, against the ones it had before.

    `lastTransitionTime` moves only when a status changes, so an unchanged object gives an unchanged list.
    """

    def __init__(self, previous: Iterable[Mapping[str, Any]], generation: int) -> None:
        self._previous = {str(c["type"]): dict(c) for c in previous}
        self._generation = generation
        self._current: dict[str, dict[str, Any]] = {}

    def true(self, type_: str, reason: str, message: str = "") -> None:
        self._set(type_, "True", reason, message)

    def false(self, type_: str, reason: str, message: str) -> None:
        self._set(type_, "False", reason, message)

    def unknown(self, type_: str, reason: str, message: str) -> None:
        self._set(type_, "Unknown", reason, message)

    def keep(self, condition: Mapping[str, Any]) -> None:
        """Carry a condition over as it was found earlier, with the generation it was found for."""
        self._current[str(condition["type"])] = dict(condition)

    def __contains__(self, type_: str) -> bool:
        return type_ in self._current

    def is_true(self, type_: str) -> bool:
        return type_ in self._current and self._current[type_]["status"] == "True"

    def roll_up(self, parts: Iterable[str], reason: str = "Ready", message: str = "") -> None:
        """Set `Ready`: True when all of `parts` are, else the first part that is not, with its reason and message."""
        for part in parts:
            condition = self._current.get(part)
            if condition is None:
                self.unknown(READY, "NotYetKnown", f"{part} has not been determined yet.")
                return
            if condition["status"] != "True":
                status: Status = "Unknown" if condition["status"] == "Unknown" else "False"
                self._set(READY, status, condition["reason"], condition["message"])
                return
        self.true(READY, reason, message)

    def to_list(self) -> list[dict[str, Any]]:
        """The list for `status.conditions`, `Ready` first."""
        return sorted(self._current.values(), key=lambda c: (c["type"] != READY, c["type"]))

    def transitions(self) -> list[Transition]:
        changed = []
        for type_, condition in self._current.items():
            before = self._previous.get(type_)
            if before is None or (before.get("status"), before.get("reason")) != (
                condition["status"],
                condition["reason"],
            ):
                changed.append(Transition(type_, condition["status"], condition["reason"], condition["message"]))
        return changed

    def _set(self, type_: str, status: Status, reason: str, message: str) -> None:
        before = self._previous.get(type_)
        moved = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        if before is not None and before.get("status") == status:
            moved = before.get("lastTransitionTime", moved)
        self._current[type_] = {
            "type": type_,
            "status": status,
            "reason": reason,
            "message": message[:MAX_MESSAGE],
            "observedGeneration": self._generation,
            "lastTransitionTime": moved,
        }
