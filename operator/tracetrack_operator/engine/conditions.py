"""Status conditions by the Kubernetes API conventions."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from .guide import NO_GUIDE, Guide

Status = Literal["True", "False", "Unknown"]
READY = "Ready"
MAX_MESSAGE = 4096


@dataclass(frozen=True)
class Transition:
    """A condition that changed its status or reason, which was True before if it `held`: what an Event is made of."""

    type: str
    status: Status
    reason: str
    message: str
    held: bool = False


class Conditions:
    """The conditions of one object in one reconcile, against the ones it had before.

    `lastTransitionTime` moves only when a status changes, so an unchanged object gives an unchanged list.
    """

    def __init__(self, previous: Iterable[Mapping[str, Any]], generation: int) -> None:
        self._previous = {str(c["type"]): dict(c) for c in previous}
        self._generation = generation
        self._current: dict[str, dict[str, Any]] = {}
        self._kept: set[str] = set()

    def true(self, type_: str, reason: str, message: str = "") -> None:
        self._set(type_, "True", reason, message)

    def false(self, type_: str, reason: str, message: str) -> None:
        self._set(type_, "False", reason, message)

    def unknown(self, type_: str, reason: str, message: str) -> None:
        self._set(type_, "Unknown", reason, message)

    def keep(self, condition: Mapping[str, Any]) -> None:
        """Carry a condition over as it was found earlier, with the generation it was found for."""
        type_ = str(condition["type"])
        self._current[type_] = dict(condition)
        self._kept.add(type_)

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

    def to_list(self, guide: Guide = NO_GUIDE) -> list[dict[str, Any]]:
        """The list for `status.conditions`, `Ready` first; what isn't True tells where its reason is explained."""
        ordered = sorted(self._current.values(), key=lambda c: (c["type"] != READY, c["type"]))
        return [condition if condition["type"] in self._kept else _told(condition, guide) for condition in ordered]

    def transitions(self) -> list[Transition]:
        changed = []
        for type_, condition in self._current.items():
            before = self._previous.get(type_)
            if before is None or (before.get("status"), before.get("reason")) != (
                condition["status"],
                condition["reason"],
            ):
                held = before is not None and before.get("status") == "True"
                changed.append(Transition(type_, condition["status"], condition["reason"], condition["message"], held))
        return changed

    def _set(self, type_: str, status: Status, reason: str, message: str) -> None:
        before = self._previous.get(type_)
        moved = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        if before is not None and before.get("status") == status:
            moved = before.get("lastTransitionTime", moved)
        self._kept.discard(type_)
        self._current[type_] = {
            "type": type_,
            "status": status,
            "reason": reason,
            "message": message,
            "observedGeneration": self._generation,
            "lastTransitionTime": moved,
        }


def _told(condition: dict[str, Any], guide: Guide) -> dict[str, Any]:
    message: str = condition["message"]
    if condition["status"] == "True":
        return {**condition, "message": message[:MAX_MESSAGE]}
    return {**condition, "message": guide.add(message, condition["reason"], MAX_MESSAGE)}
