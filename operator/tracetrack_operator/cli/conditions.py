"""Conditions as a person wants them: the ones that matter, oldest trouble first. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..engine.objects import Object

DRILL = "DrillPassed"
READY = "Ready"


def of(obj: Object) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (obj.get("status") or {}).get("conditions") or []
    return found


def one(obj: Object, type_: str) -> dict[str, Any] | None:
    return next((condition for condition in of(obj) if condition["type"] == type_), None)


def word(condition: Mapping[str, Any] | None) -> str:
    """The state in one word."""
    if condition is None:
        return "not looked at yet"
    return "Ready" if condition["status"] == "True" else str(condition["reason"])


def since(condition: Mapping[str, Any] | None) -> str | None:
    return condition.get("lastTransitionTime") if condition is not None else None


def stale(obj: Object) -> bool:
    """Whether the operator hasn't yet told what it makes of the present spec."""
    generation: int = obj["metadata"].get("generation", 0)
    told: int = (obj.get("status") or {}).get("observedGeneration", 0)
    return told < generation


def wrong(obj: Object) -> list[dict[str, Any]]:
    """Those that aren't True, without Ready where it only repeats another; the oldest first.

    That no restore drill is through yet holds nothing up.
    """
    found = [
        condition
        for condition in of(obj)
        if condition["status"] != "True" and (condition["type"], condition["status"]) != (DRILL, "Unknown")
    ]
    others = {(condition["reason"], condition.get("message")) for condition in found if condition["type"] != READY}
    reasons = {reason for reason, _ in others}
    kept = [condition for condition in found if condition["type"] != READY or condition["reason"] not in reasons]
    return sorted(kept, key=lambda condition: str(condition.get("lastTransitionTime", "")))
