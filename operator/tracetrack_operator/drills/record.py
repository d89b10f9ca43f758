"""What is known of the drills of one deployment, kept in a ConfigMap beside it. Pure.

A drill is recorded before its instance is asked for, and its outcome before that instance is removed: whoever comes
after a killed operator goes on from there.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Self

from ..engine.objects import Object

KEY = "record.json"
PASSED, FAILED = "Passed", "Failed"
MESSAGE = 1000
_FORMAT = "%Y-%m-%dT%H:%M:%SZ"


def told(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):{_FORMAT}}"


def parsed(text: str) -> datetime:
    """Raises ValueError."""
    return datetime.strptime(text, _FORMAT).replace(tzinfo=UTC)


@dataclass(frozen=True)
class Run:
    """One drill, under way or over.

    `taken` is when its snapshot was, `engine` that one's version; `rto` in seconds, None where nothing answered.
    """

    started: datetime
    snapshot: str = ""
    taken: datetime | None = None
    engine: str = ""
    finished: datetime | None = None
    rto: int | None = None
    result: str = ""
    message: str = ""

    @property
    def rpo(self) -> int | None:
        """Age of the snapshot when the drill began, in seconds."""
        return max(0, round((self.started - self.taken).total_seconds())) if self.taken is not None else None

    def ended(self, now: datetime, result: str, message: str, rto: int | None = None) -> Run:
        return replace(self, finished=now, result=result, message=message[:MESSAGE], rto=rto)

    def status(self) -> dict[str, Any]:
        """`lastRun` of the status."""
        found = {
            "startedAt": told(self.started),
            "finishedAt": told(self.finished) if self.finished is not None else None,
            "snapshot": self.snapshot or None,
            "rtoSeconds": self.rto,
            "rpoSeconds": self.rpo,
            "result": self.result or None,
            "message": self.message or None,
        }
        return {key: value for key, value in found.items() if value is not None}

    def data(self) -> dict[str, Any]:
        more = {"takenAt": told(self.taken) if self.taken is not None else "", "engine": self.engine}
        return {**self.status(), **{key: value for key, value in more.items() if value}}

    @classmethod
    def of(cls, data: dict[str, Any]) -> Self:
        """Raises ValueError, KeyError or TypeError for what is none."""
        rto = data.get("rtoSeconds")
        return cls(
            started=parsed(data["startedAt"]),
            snapshot=str(data.get("snapshot", "")),
            taken=parsed(data["takenAt"]) if data.get("takenAt") else None,
            engine=str(data.get("engine", "")),
            finished=parsed(data["finishedAt"]) if data.get("finishedAt") else None,
            rto=int(rto) if rto is not None else None,
            result=str(data.get("result", "")),
            message=str(data.get("message", "")),
        )


@dataclass(frozen=True)
class Record:
    """`since` is when the `schedule` was first seen; `honoured` the request that was granted last.

    `current` is under way, `last` is over, `passed` is when the last good one was over.
    """

    schedule: str
    since: datetime
    honoured: str = ""
    current: Run | None = None
    last: Run | None = None
    passed: datetime | None = None

    def begun(self, run: Run, request: str) -> Record:
        return replace(self, current=run, honoured=request or self.honoured)

    def ended(self, run: Run) -> Record:
        passed = run.finished if run.result == PASSED else self.passed
        return replace(self, current=None, last=run, passed=passed)

    def scheduled(self, schedule: str, now: datetime) -> Record:
        """By another schedule nothing is overdue."""
        return self if schedule == self.schedule else replace(self, schedule=schedule, since=now)

    def text(self) -> str:
        found = {
            "schedule": self.schedule,
            "since": told(self.since),
            "honoured": self.honoured or None,
            "current": self.current.data() if self.current is not None else None,
            "last": self.last.data() if self.last is not None else None,
            "passedAt": told(self.passed) if self.passed is not None else None,
        }
        return json.dumps({key: value for key, value in found.items() if value is not None}, sort_keys=True)

    @classmethod
    def of(cls, child: Object | None) -> Self | None:
        """None for no ConfigMap, and for one that somebody has spoilt."""
        try:
            data = json.loads((child or {})["data"][KEY])
            runs = {key: Run.of(data[key]) for key in ("current", "last") if data.get(key)}
            passed = parsed(data["passedAt"]) if data.get("passedAt") else None
            since, honoured = parsed(data["since"]), str(data.get("honoured", ""))
            return cls(str(data["schedule"]), since, honoured, passed=passed, **runs)
        except (ValueError, KeyError, TypeError, AttributeError):
            return None
