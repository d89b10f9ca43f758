"""From what is found to what comes next. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from ..api.conditions import Reason
from ..api.constants import DRILL
from ..aws.ownership import UID, describe_owner, tag_map
from ..database.rds.provider import NAMING
from ..dependencies.checks import CheckResult
from ..engine.objects import Object
from . import outcome
from .record import FAILED, PASSED, Record, Run, told
from .schedule import Schedule
from .texts import age

Item = Mapping[str, Any]
DELETING, AVAILABLE = "deleting", "available"


class Call(StrEnum):
    RESTORE = "restore"
    OPEN = "open"
    REMOVE = "remove"


class Children(StrEnum):
    """What of a drill is there beside its record. KEPT: whatever is."""

    NONE = "none"
    BINDING = "binding"
    ALL = "all"
    KEPT = "kept"


class Happened(StrEnum):
    STARTED = "started"
    PASSED = "passed"
    FAILED = "failed"


@dataclass(frozen=True)
class News:
    """For an Event and for the counters."""

    what: Happened
    message: str


@dataclass(frozen=True)
class Facts:
    """`name` is the scratch instance's, `item` as AWS describes it, None when there is none; `primary` the database.

    `schedule` is None where there is none or it is invalid; `wanted` its text as declared. `request` is the owner's
    annotation. `reachable`: the instance has an address; `check` is whether it takes the drill's login, `opened` that
    its password was set a moment ago. `refused`: what AWS answered that trying again won't change. `job` and `pods`
    are those of the look through. `snapshot` is the latest, looked for when a drill is due.
    """

    now: datetime
    uid: str
    name: str
    timeout: timedelta
    record: Record | None = None
    schedule: Schedule | None = None
    wanted: str = ""
    request: str = ""
    primary: Item | None = None
    item: Item | None = None
    reachable: bool = False
    check: CheckResult | None = None
    opened: bool = False
    job: Object | None = None
    pods: tuple[Object, ...] = ()
    snapshot: Item | None = None
    problem: str = ""
    refused: str = ""

    @property
    def what(self) -> str:
        return f"{NAMING.what} {self.name}"

    @property
    def state(self) -> str:
        return str((self.item or {}).get(NAMING.status_field, ""))

    @property
    def began(self) -> str:
        """The tag with the time of the drill that the scratch instance was made for; "" when it isn't ours."""
        tags = tag_map((self.item or {}).get("TagList", []))
        return tags.get(DRILL, "") if tags.get(UID) == self.uid else ""


@dataclass(frozen=True)
class Decision:
    """`step` is for the status; `busy`: look again soon."""

    record: Record
    call: Call | None = None
    children: Children = Children.NONE
    step: str = ""
    busy: bool = False
    news: tuple[News, ...] = field(default=())


def current(facts: Facts) -> Record:
    """The record, made up where there is none: a request that was there before is no request."""
    found = facts.record or Record(facts.wanted, facts.now, facts.request)
    return found.scheduled(facts.wanted, facts.now)


def next_run(record: Record, schedule: Schedule | None) -> datetime | None:
    """When the next drill begins by schedule; in the past when it is overdue."""
    if schedule is None:
        return None
    return schedule.next(max(record.since, record.last.started) if record.last is not None else record.since)


def due(facts: Facts) -> bool:
    """Whether a drill is to begin, by request or by schedule."""
    record = current(facts)
    if record.current is not None or facts.primary is None:
        return False
    if facts.request and facts.request != record.honoured:
        return True
    coming = next_run(record, facts.schedule)
    return coming is not None and coming <= facts.now


def removal(facts: Facts) -> Call | None:
    """For a scratch instance that nobody needs."""
    return Call.REMOVE if facts.began and facts.state != DELETING else None


def decide(facts: Facts) -> Decision:
    record = current(facts)
    return _idle(facts, record) if record.current is None else _running(facts, record, record.current)


def _idle(facts: Facts, record: Record) -> Decision:
    if facts.began:
        return Decision(record, removal(facts), step=f"{facts.what} is being removed", busy=True)
    if not due(facts):
        return Decision(record)
    run = Run(facts.now)
    if facts.item is not None:
        return _over(facts, record, run, FAILED, _conflict(facts))
    if facts.snapshot is None:
        name = (facts.primary or {}).get("DBInstanceIdentifier", "")
        why = f"There is no DB snapshot of {name} to restore: see that its automatic backups are on."
        return _over(facts, record, run, FAILED, why)
    taken = facts.snapshot.get("OriginalSnapshotCreateTime") or facts.snapshot["SnapshotCreateTime"]
    name, engine = facts.snapshot["DBSnapshotIdentifier"], str(facts.snapshot.get("EngineVersion", ""))
    run = replace(run, snapshot=name, taken=taken.replace(microsecond=0), engine=engine)
    news = f"DB snapshot {run.snapshot}, {age(run.rpo)} old, is being restored to {facts.what}."
    begun = record.begun(run, facts.request)
    return Decision(
        begun, Call.RESTORE, step=f"{facts.what} is about to be made", busy=True, news=(News(Happened.STARTED, news),)
    )


def _running(facts: Facts, record: Record, run: Run) -> Decision:
    if facts.refused:
        return _over(facts, record, run, FAILED, facts.refused)
    if facts.item is not None and not facts.began:
        return _over(facts, record, run, FAILED, _conflict(facts))
    decision = _step(facts, record, run)
    if decision.record.current is not None and facts.now >= run.started + facts.timeout:
        minutes = round(facts.timeout.total_seconds() / 60)
        why = f"It was not through after {minutes} minutes: {decision.step}. {facts.problem}".rstrip()
        return _over(facts, record, run, FAILED, why)
    return decision


def _step(facts: Facts, record: Record, run: Run) -> Decision:
    coming = Decision(record, busy=True)
    if facts.item is None:
        return replace(coming, call=Call.RESTORE, step=f"{facts.what} is about to be made")
    if facts.began != told(run.started):
        return replace(coming, call=removal(facts), step=f"{facts.what} of an earlier drill is being removed")
    if facts.state == DELETING:
        return replace(coming, step=f"{facts.what} is being deleted")
    if facts.state in NAMING.broken:
        return _over(facts, record, run, FAILED, f"{facts.what} is {facts.state}: see its events in AWS.")
    if not facts.reachable or facts.check is None:
        return replace(coming, step=f"{facts.what} is {facts.state}")
    coming = replace(coming, children=Children.BINDING)
    if facts.check.reason == Reason.AUTHENTICATION_FAILED:
        able = facts.state == AVAILABLE and not facts.opened
        return replace(coming, call=Call.OPEN if able else None, step=f"{facts.what} is being given its password")
    if not facts.check.ok:
        return replace(coming, step=f"{facts.what} is {facts.state}: {facts.check.message}")
    return _look_through(facts, replace(coming, children=Children.ALL), run)


def _look_through(facts: Facts, coming: Decision, run: Run) -> Decision:
    if facts.job is None:
        return replace(coming, step=f"{facts.what} is about to be looked through")
    found = outcome.of(facts.job, facts.pods)
    if found is None:
        name, problem = facts.job["metadata"]["name"], outcome.problem(facts.pods)
        return replace(coming, step=f"tracetrack check runs in Job {name}{f': {problem}' if problem else ''}")
    # The Job is made as soon as the login works, and it is there whoever looks.
    rto = max(0, round((outcome.made(facts.job) - run.started).total_seconds()))
    if found.passed:
        message = (
            f"DB snapshot {run.snapshot}, {age(run.rpo)} old, took a login {age(rto)} after the restore began, and "
            "tracetrack check found no fault in it."
        )
        return _over(facts, coming.record, run, PASSED, message, rto)
    return _over(facts, coming.record, run, FAILED, f"DB snapshot {run.snapshot}: {found.message}", rto)


def _over(facts: Facts, record: Record, run: Run, result: str, message: str, rto: int | None = None) -> Decision:
    """What is there stays until the outcome is recorded."""
    request = facts.request if record.current is None else ""
    ended = run.ended(facts.now, result, message, rto)
    happened = Happened.PASSED if result == PASSED else Happened.FAILED
    return Decision(
        record.begun(run, request).ended(ended),
        children=Children.KEPT,
        busy=True,
        news=(News(happened, message),),
    )


def _conflict(facts: Facts) -> str:
    owner = describe_owner(tag_map((facts.item or {}).get("TagList", [])))
    return (
        f"{facts.what} exists and was not made for a drill ({owner}). It is left untouched: remove or rename it, "
        "since drills need its name."
    )
