"""What comes next in a drill, by what is there: wherever an operator was killed, the next one finds the same."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tracetrack_operator.aws.ownership import tag_list
from tracetrack_operator.dependencies.checks import CheckResult
from tracetrack_operator.drills.decide import Call, Children, Facts, Happened, decide, due, next_run
from tracetrack_operator.drills.record import FAILED, PASSED, Record, Run, told
from tracetrack_operator.drills.schedule import Schedule
from tracetrack_operator.drills.texts import verdict

SINCE = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
BEGAN = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
NOW = BEGAN + timedelta(minutes=20)
DAILY = Schedule("0 3 * * *", "UTC")
RUN = Run(BEGAN, "latest", BEGAN - timedelta(hours=1), "17.6")
LAST = replace(RUN, started=BEGAN - timedelta(days=1)).ended(BEGAN - timedelta(hours=23), PASSED, "fine", 900)
IDLE = Record("0 3 * * * UTC", SINCE, "1", last=LAST)
RUNNING = IDLE.begun(RUN, "")
PRIMARY = {"DBInstanceIdentifier": "demo", "DBInstanceStatus": "available"}
SNAPSHOT = {"DBSnapshotIdentifier": "latest", "SnapshotCreateTime": BEGAN - timedelta(hours=1), "EngineVersion": "17.6"}
REFUSED = CheckResult(False, "AuthenticationFailed", "no")


def scratch(status: str = "available", began: str = told(BEGAN), uid: str = "uid") -> dict[str, Any]:
    tags = {"tracetrack.io/uid": uid, **({"tracetrack.io/drill": began} if began else {})}
    return {"DBInstanceIdentifier": "demo-drill", "DBInstanceStatus": status, "TagList": tag_list(tags)}


def job(*conditions: str, message: str = "") -> dict[str, Any]:
    made = BEGAN + timedelta(minutes=12)
    return {
        "metadata": {"name": "demo-drill-1", "uid": "uid-job", "creationTimestamp": told(made)},
        "status": {"conditions": [{"type": each, "status": "True", "message": message} for each in conditions]},
    }


def pod(code: int, message: str, container: str = "check", at: str = "2026-11-22T03:15:00Z") -> dict[str, Any]:
    ended = {"exitCode": code, "message": message, "finishedAt": at}
    return {
        "metadata": {"name": "p", "ownerReferences": [{"controller": True, "uid": "uid-job"}]},
        "status": {"phase": "Failed", "containerStatuses": [{"name": container, "state": {"terminated": ended}}]},
    }


def facts(record: Record | None = RUNNING, **changes: Any) -> Facts:
    given = {
        "schedule": DAILY,
        "wanted": "0 3 * * * UTC",
        "request": "1",
        "primary": PRIMARY,
        **changes,
    }
    return Facts(NOW, "uid", "demo-drill", timedelta(hours=3), record, **given)


READY = {"reachable": True, "check": CheckResult(True)}


@pytest.mark.parametrize(
    ("found", "call", "children"),
    [
        (facts(), Call.RESTORE, Children.NONE),
        (facts(item=scratch("creating")), None, Children.NONE),
        (facts(item=scratch("deleting"), reachable=True, check=CheckResult(True)), None, Children.NONE),
        (facts(item=scratch(began=told(SINCE))), Call.REMOVE, Children.NONE),
        (facts(item=scratch("deleting", began=told(SINCE))), None, Children.NONE),
        (facts(item=scratch(), reachable=True, check=REFUSED), Call.OPEN, Children.BINDING),
        (facts(item=scratch("modifying"), reachable=True, check=REFUSED), None, Children.BINDING),
        (facts(item=scratch(), reachable=True, check=REFUSED, opened=True), None, Children.BINDING),
        (
            facts(item=scratch(), reachable=True, check=CheckResult(False, "EndpointUnreachable", "no answer")),
            None,
            Children.BINDING,
        ),
        (facts(item=scratch(), **READY), None, Children.ALL),
        (facts(item=scratch(), job=job(), **READY), None, Children.ALL),
    ],
    ids=range(11),
)
def test_a_drill_under_way_takes_its_next_step(found: Facts, call: Call | None, children: Children) -> None:
    decision = decide(found)
    assert (decision.call, decision.children, decision.busy) == (call, children, True)
    assert decision.record.current == RUN
    assert decision.step
    assert not decision.news


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (facts(item=scratch("incompatible-restore")), "DB instance demo-drill is incompatible-restore"),
        (facts(item=scratch(uid="another")), "was not made for a drill"),
        (facts(item=scratch(began="")), "was not made for a drill"),
        (facts(refused="AWS rds: no such class"), "no such class"),
        (
            facts(item=scratch(), job=job("Failed", message="Job was active longer than specified deadline"), **READY),
            "Job was active longer than specified deadline",
        ),
        (
            facts(item=scratch(), job=job("Failed"), pods=(pod(1, "ok  a\nFAULT b\n 1 faults"),), **READY),
            "tracetrack check ended with exit code 1: FAULT b 1 faults.",
        ),
        (
            facts(
                item=scratch(),
                job=job("Failed"),
                pods=(pod(2, "later", "migrate", "2026-11-22T03:17:00Z"), pod(2, "earlier", "migrate")),
                **READY,
            ),
            "tracetrack migrate ended with exit code 2: later.",
        ),
    ],
    ids=range(7),
)
def test_what_fails_is_recorded_before_anything_goes(found: Facts, words: str) -> None:
    decision = decide(found)
    assert (decision.call, decision.children, decision.record.current) == (None, Children.KEPT, None)
    assert decision.record.last is not None
    assert (decision.record.last.started, decision.record.last.result) == (BEGAN, FAILED)
    assert words in decision.record.last.message
    assert [each.what for each in decision.news] == [Happened.FAILED]
    assert decision.record.passed is None
    assert verdict(decision.record, "", "").reason == "DrillFailed"


def test_one_that_passes_tells_how_long_it_took_and_how_old_the_data_were() -> None:
    decision = decide(facts(item=scratch(), job=job("Complete"), **READY))
    last = decision.record.last
    assert last is not None
    assert (last.result, last.rto, last.rpo) == (PASSED, 720, 3600)
    assert decision.record.passed == NOW
    assert last.message.startswith("DB snapshot latest, 60 min old, took a login 12 min after the restore began")
    assert verdict(decision.record, "", "tomorrow").status == "True"


@pytest.mark.parametrize("item", [None, scratch("creating"), scratch()])
def test_what_takes_too_long_has_failed(item: dict[str, Any] | None) -> None:
    late = replace(facts(item=item, problem="AWS is throttled."), now=BEGAN + timedelta(hours=3))
    last = decide(late).record.last
    assert last is not None
    assert last.result == FAILED
    assert last.message.startswith("It was not through after 180 minutes: DB instance demo-drill is ")
    assert last.message.endswith("AWS is throttled.")


def test_what_is_through_at_the_last_moment_has_passed() -> None:
    late = replace(facts(item=scratch(), job=job("Complete"), **READY), now=BEGAN + timedelta(hours=3))
    last = decide(late).record.last
    assert last is not None
    assert last.result == PASSED


@pytest.mark.parametrize(
    ("item", "call"), [(scratch(), Call.REMOVE), (scratch("creating"), Call.REMOVE), (scratch("deleting"), None)]
)
def test_once_it_is_recorded_the_instance_goes(item: dict[str, Any], call: Call | None) -> None:
    over = RUNNING.ended(RUN.ended(NOW, PASSED, "fine", 720))
    decision = decide(facts(over, item=item))
    assert (decision.call, decision.children, decision.busy) == (call, Children.NONE, True)
    assert decision.record == over


@pytest.mark.parametrize("item", [scratch(uid="another"), scratch(began="")])
def test_an_idle_one_leaves_others_alone(item: dict[str, Any]) -> None:
    over = RUNNING.ended(RUN.ended(NOW, PASSED, "fine", 720))
    decision = decide(facts(over, item=item))
    assert (decision.call, decision.busy) == (None, False)


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        (facts(IDLE), True),
        (replace(facts(IDLE), now=BEGAN - timedelta(seconds=1)), False),
        (facts(IDLE, schedule=None, wanted=""), False),
        (facts(IDLE, schedule=None, wanted="", request="2"), True),
        (facts(IDLE, primary=None), False),
        (facts(RUNNING, request="2"), False),
        # Another schedule counts from when it was first seen, and so does the first one.
        (facts(IDLE, schedule=Schedule("0 2 * * *", "UTC"), wanted="0 2 * * * UTC"), False),
        (facts(None), False),
        (facts(None, request="2"), False),
    ],
    ids=range(9),
)
def test_when_a_drill_begins(found: Facts, wanted: bool) -> None:
    assert due(found) is wanted


def test_what_begins_is_recorded_with_what_asked_for_it() -> None:
    decision = decide(facts(IDLE, request="2", snapshot=SNAPSHOT))
    assert (decision.call, decision.record.honoured) == (Call.RESTORE, "2")
    run = decision.record.current
    assert run is not None
    assert (run.started, run.snapshot, run.rpo, run.engine) == (NOW, "latest", 4800, "17.6")
    assert [each.what for each in decision.news] == [Happened.STARTED]


def test_of_a_copy_counts_when_the_original_was_taken() -> None:
    copied = {**SNAPSHOT, "OriginalSnapshotCreateTime": BEGAN - timedelta(days=2)}
    run = decide(facts(IDLE, snapshot=copied)).record.current
    assert run is not None
    assert run.rpo == 2 * 86400 + 1200


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (facts(IDLE, request="2"), "There is no DB snapshot of demo"),
        (facts(IDLE, request="2", snapshot=SNAPSHOT, item=scratch(uid="another")), "was not made for a drill"),
    ],
)
def test_what_can_not_begin_has_failed_and_is_not_tried_on_and_on(found: Facts, words: str) -> None:
    decision = decide(found)
    assert decision.record.last is not None
    assert words in decision.record.last.message
    assert not due(replace(found, record=decision.record))
    following = next_run(decision.record, DAILY)
    assert following is not None
    assert following > NOW


@pytest.mark.parametrize(
    ("record", "invalid", "status", "reason"),
    [
        (Record("", SINCE), "", "Unknown", "DrillNotRun"),
        (Record("", SINCE).begun(RUN, ""), "", "Unknown", "DrillRunning"),
        (IDLE, "", "True", "DrillPassed"),
        (RUNNING, "", "True", "DrillPassed"),
        (IDLE, "spec.database.drill.schedule …", "False", "DrillScheduleInvalid"),
    ],
)
def test_the_condition_is_that_of_the_last_one_that_is_over(
    record: Record, invalid: str, status: str, reason: str
) -> None:
    told_ = verdict(record, invalid, "2026-11-29T03:00:00Z")
    assert (told_.status, told_.reason) == (status, reason)
