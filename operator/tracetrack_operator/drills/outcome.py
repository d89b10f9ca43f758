"""What a Job that looks through restored data has come to. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ..engine.objects import Object, controller_uid, uid_of
from ..kube.pods import first_problem

_TAIL = 700


@dataclass(frozen=True)
class Outcome:
    """`message` says what was wrong, with the end of the output."""

    passed: bool
    message: str = ""


def of(job: Object, pods: Iterable[Object]) -> Outcome | None:
    """None while it runs."""
    for condition in (job.get("status") or {}).get("conditions") or []:
        if condition.get("status") != "True":
            continue
        if condition["type"] == "Complete":
            return Outcome(True)
        if condition["type"] == "Failed":
            return Outcome(False, _failure(condition, [pod for pod in pods if controller_uid(pod) == uid_of(job)]))
    return None


def made(job: Object) -> datetime:
    text = job["metadata"]["creationTimestamp"]
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)


def problem(pods: Iterable[Object]) -> str:
    """What keeps the pod from running; "" when nothing does."""
    found = first_problem(pods)
    return found.message if found is not None else ""


def _failure(condition: dict[str, Any], pods: Iterable[Object]) -> str:
    ended = [end for pod in pods for end in _ends(pod) if end[1].get("exitCode")]
    if not ended:
        return f"Its look through failed: {condition.get('message') or condition.get('reason', '')}".rstrip(" :")
    name, last = max(ended, key=lambda end: str(end[1].get("finishedAt", "")))
    told = [line for line in str(last.get("message", "")).splitlines() if not line.startswith("ok ")]
    lines = " ".join(" ".join(told).split())
    tail = lines if len(lines) <= _TAIL else f"… {lines[-_TAIL:]}"
    return f"tracetrack {name} ended with exit code {last['exitCode']}{f': {tail}' if tail else ''}".rstrip(".") + "."


def _ends(pod: Object) -> list[tuple[str, dict[str, Any]]]:
    status = pod.get("status") or {}
    containers = [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]
    found = [(each["name"], (each.get("state") or {}).get("terminated")) for each in containers]
    return [(name, terminated) for name, terminated in found if terminated]
