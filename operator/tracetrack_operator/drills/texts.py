"""How drills are told of. Pure."""

from __future__ import annotations

from typing import Any

from ..dependencies.protocol import Verdict
from .record import PASSED, Record, told


def age(seconds: int | None) -> str:
    """A span of time, to two digits or so."""
    if seconds is None:
        return "an unknown time"
    if seconds < 120:
        return f"{seconds} s"
    if seconds < 7200:
        return f"{seconds // 60} min"
    return f"{seconds // 3600} h" if seconds < 172800 else f"{seconds // 86400} days"


def verdict(record: Record, invalid: str, coming: str) -> Verdict:
    """The condition; `invalid` is what is wrong with the schedule, `coming` the time of the next run."""
    if invalid:
        return Verdict.not_ready("DrillScheduleInvalid", invalid)
    following = f" The next one: {coming}." if coming else ""
    last, run = record.last, record.current
    if last is None and run is not None:
        return Verdict("Unknown", "DrillRunning", f"The first restore drill runs since {told(run.started)}.")
    if last is None:
        how = following or " Ask for one with: kubectl tracetrack drill, or set spec.database.drill.schedule."
        return Verdict("Unknown", "DrillNotRun", f"No restore drill has run so far.{how}")
    when = f"Restore drill of {told(last.started)}"
    if last.result == PASSED:
        return Verdict.ready(f"{when}: {last.message}{following}", "DrillPassed")
    return Verdict.not_ready("DrillFailed", f"{when}: {last.message} The database itself is not concerned.{following}")


def status(record: Record, coming: str, step: str, problem: str) -> dict[str, Any]:
    """`drill` of the status."""
    run, last = record.current, record.last
    found: dict[str, Any] = {
        "lastRun": last.status() if last is not None else None,
        "running": {"startedAt": told(run.started), "snapshot": run.snapshot, "step": step[:500]} if run else None,
        "nextRun": coming,
        "problem": problem[:1000],
    }
    return {key: value for key, value in found.items() if value}
