"""What people read: ages, trees, states, reasons, plans."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from tests.unit.operator.deployment.factory import owner, pod
from tracetrack_operator.cli import approve, durations, ending, plan, status, why
from tracetrack_operator.cli.errors import CliError
from tracetrack_operator.cli.look import Ending
from tracetrack_operator.cli.readonly import Noted
from tracetrack_operator.cli.text import Node, age, change, money, span, table, tree
from tracetrack_operator.deployment.deletion import End, serving
from tracetrack_operator.engine.errors import WaitingError

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
SINCE = "2026-11-23T11:00:00Z"


def condition(type_: str, value: str = "True", reason: str = "Ready", message: str = "", since: str = SINCE) -> Any:
    return {"type": type_, "status": value, "reason": reason, "message": message, "lastTransitionTime": since}


def deployment(*conditions: Any, observed: int = 3, **told: Any) -> dict[str, Any]:
    obj = owner(creationTimestamp="2026-11-20T12:00:00Z")
    return {**obj, "status": {"observedGeneration": observed, "conditions": list(conditions), **told}}


HELD = deployment(
    condition("Ready"),
    condition("Synced", "False", "AwaitingApproval", "DB instance x: instanceClass a → b (reboot) waits."),
    database={"pendingChanges": ["instanceClass a → b (reboot)"], "approval": "abc123"},
)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (431, "7m11s"),
        (1830, "30m"),
        (7200, "120m"),
        (10800, "3h"),
        (172800, "2d"),
    ],
)
def test_spans(seconds: int, text: str) -> None:
    assert span(seconds) == text


def test_ages_money_and_columns() -> None:
    assert (age(SINCE, NOW), age(None, NOW)) == ("60m", "")
    assert (money(Decimal("1234.5")), change(Decimal("-2.3")), change(Decimal(0))) == ("$1,234.50", "-$2.30", "+$0.00")
    assert table([("a", "bbb", "c"), ("aa", "b", "")]) == ["a   bbb  c", "aa  b"]
    assert table([]) == []


def test_a_tree_has_branches_and_columns() -> None:
    root = Node(("root", "1"), (Node(("one", "2"), (Node(("leaf", "3")),)), Node(("two", "4"))))
    assert tree(root) == ["root        1", "├─ one      2", "│  └─ leaf  3", "└─ two      4"]


def test_status_shows_what_it_is_made_of() -> None:
    obj = deployment(
        condition("Ready", "False", "ImageUnavailable", "Pod demo-app-1 cannot get image x."),
        condition("DatabaseReady"),
        replicas=2,
        readyReplicas=1,
        database={"state": "available", "identifier": "kind-shop-demo", "size": "db.t4g.medium", "storageGiB": 50},
        cache={"state": "available", "lastFailover": {"at": SINCE, "from": "c-001", "to": "c-002"}},
    )
    waiting = {"containerStatuses": [{"name": "app", "image": "x", "state": {"waiting": {"reason": "ErrImagePull"}}}]}
    found = status.of(obj, [pod("demo-app-1", status=waiting)], [])
    lines = status.text(found, NOW)
    assert lines[0].split() == ["shop/demo", "ImageUnavailable", "3d"]
    assert lines[1].startswith("├─ database Embedded")
    assert lines[1].endswith("available, kind-shop-demo, db.t4g.medium, 50 GiB")
    assert lines[2].endswith("available, failed over to c-002 60m ago")
    assert "1 of 2 pods ready" in lines[3]
    assert lines[4].split() == ["└─", "pod", "demo-app-1", "ImageUnavailable"]
    assert "Ready: Pod demo-app-1 cannot get image x." in lines
    assert "More: kubectl tracetrack why demo -n shop" in lines


def test_status_shows_read_replicas_and_why_one_does_not_serve() -> None:
    replica = {"identifier": "kind-shop-demo-reports", "state": "available", "size": "db.t4g.large"}
    obj = deployment(
        condition("Ready"),
        condition("ReplicasReady", "False", "ReplicaLagging", "It is more than 120 s behind."),
        database={
            "state": "available",
            "readReplicas": [
                {"name": "archive", **replica, "serving": True, "lagSeconds": 0},
                {"name": "reports", **replica, "serving": False, "lagSeconds": 120},
            ],
        },
    )
    lines = status.text(status.of(obj, [], []), NOW)
    assert lines[2].split() == [
        *("│", "├─", "replica", "archive", "Serving"),
        *("available,", "kind-shop-demo-reports,", "db.t4g.large"),
    ]
    assert lines[3].split()[4:5] == ["NotServing"]
    assert lines[3].endswith("db.t4g.large, 120 s behind or more")
    assert "ReplicasReady: ReplicaLagging for 60m. It is more than 120 s behind." in lines


def test_status_says_what_may_not_be_listed() -> None:
    found = status.of(deployment(condition("Ready")), None, None)
    assert found["fleets"] is None
    assert "You may not list pods and fleets here: they are left out." in status.text(found, NOW)


def test_why_names_condition_time_and_remedy() -> None:
    found = why.of(HELD)
    (told,) = found["conditions"]
    assert (told["type"], told["reason"], told["since"]) == ("Synced", "AwaitingApproval", SINCE)
    lines = why.text(found, NOW)
    assert lines[0] == "TraceTrackDeployment shop/demo: Synced is False for 60m: AwaitingApproval"
    assert any(line.startswith("  To do: ") for line in lines)
    assert not any("$NAME" in line or "$NS" in line for line in lines)


def test_a_drill_that_is_not_through_holds_nothing_up() -> None:
    waiting = condition("DrillPassed", "Unknown", "DrillNotRun", "No restore drill has run so far.")
    found = deployment(condition("Ready"), waiting)
    assert "nothing holds it up" in why.text(why.of(found), NOW)[0]
    assert "Restore drill: No restore drill has run so far." in status.text(status.of(found, [], []), NOW)
    failed = condition("DrillPassed", "False", "DrillFailed", "There is no DB snapshot.")
    assert why.text(why.of(deployment(condition("Ready"), failed)), NOW)[0].endswith("DrillFailed")


def test_why_leaves_out_what_only_repeats() -> None:
    down = ("False", "EndpointUnreachable", "No route.")
    found = why.of(deployment(condition("Ready", *down), condition("DatabaseReady", *down)))
    assert [each["type"] for each in found["conditions"]] == ["DatabaseReady"]
    assert why.text(why.of(deployment(condition("Ready"))), NOW) == [
        "TraceTrackDeployment shop/demo: nothing holds it up; every condition is True."
    ]
    assert "has not looked at it yet" in why.text(why.of(deployment()), NOW)[0]


def test_an_approval_is_for_what_is_told_now() -> None:
    found = approve.of(HELD)
    assert (found["tokens"], found["annotation"]) == (["abc123"], ["abc123"])
    with pytest.raises(CliError, match="Try again"):
        approve.of({**HELD, "metadata": {**HELD["metadata"], "generation": 4}})
    with pytest.raises(CliError, match="resume it first"):
        approve.of({**HELD, "spec": {**HELD["spec"], "suspend": True}})


def test_an_earlier_approval_stays_while_its_change_is_at_work() -> None:
    annotated = {**HELD, "metadata": {**HELD["metadata"], "annotations": {"tracetrack.io/approve": "0ld111"}}}
    assert approve.of(annotated)["annotation"] == ["abc123"]
    busy = {**annotated, "status": {**HELD["status"], "cache": {"pendingChanges": ["nodeType a → b (reboot)"]}}}
    assert approve.of(busy)["annotation"] == ["0ld111", "abc123"]


def test_durations_are_medians_of_what_is_done() -> None:
    def changed(part: str, seconds: int | None, disruption: str = "reboot") -> dict[str, Any]:
        last = {"operation": "modify_db_instance", "disruption": disruption, "startedAt": SINCE}
        return {"status": {part: {"lastChange": last if seconds is None else {**last, "seconds": seconds}}}}

    given = [changed("database", 300), changed("database", 100), changed("cache", 200), changed("database", None), {}]
    assert durations.seen([*given, changed("database", 5, "online")]) == {
        ("modify_db_instance", "reboot"): durations.Duration(200, 3),
        ("modify_db_instance", "online"): durations.Duration(5, 1),
    }


CALL = {
    "when": "now",
    "service": "rds",
    "operation": "modify_db_instance",
    "region": "us-east-1",
    "object": "DB instance x",
    "changes": ["instanceClass a → b (reboot)"],
    "disruption": "reboot",
    "duration": {"medianSeconds": 431, "seen": 3},
    "monthlyCostChange": None,
    "parameters": {},
}
BILL = {"monthly": "1.00", "known": "1.00", "unknown": [], "lines": [{"what": "a", "monthly": "1.00"}]}


def report(**changes: Any) -> dict[str, Any]:
    return {
        "deployment": {"namespace": "shop", "name": "demo", "generation": 1, "stored": True},
        "suspended": False,
        "kubernetes": [],
        "aws": [],
        "logins": [],
        "held": [],
        "states": [],
        "awaited": [],
        "cost": {
            "before": BILL,
            "after": BILL,
            "withHeld": BILL,
            "prices": {"dated": "2026-11", "terms": "on demand", "region": "us-east-1"},
        },
        **changes,
    }


def test_a_plan_says_class_duration_and_price_of_each_call() -> None:
    lines = plan.text(report(aws=[CALL, {**CALL, "when": "later", "duration": None, "monthlyCostChange": "-5.00"}]))
    assert "  1. rds modify_db_instance (us-east-1): DB instance x" in lines
    assert "       disruption reboot; took 7m11s (seen 3 times); price unknown" in lines
    assert "  2. rds modify_db_instance (us-east-1): DB instance x, after what comes before" in lines
    assert "       disruption reboot; no such call has been timed here; -$5.00 a month" in lines


def test_a_plan_says_what_is_held_until_when_and_by_which_token() -> None:
    held = {
        "object": "DB instance x",
        "change": "instanceClass a → b (reboot)",
        "disruption": "reboot",
        "reason": "AwaitingApproval",
        "waitsFor": "the maintenance window sun:20:00-sun:21:00 UTC",
        "until": "2026-11-29T20:00:00Z",
        "token": "abc123",
        "duration": {"medianSeconds": 95, "seen": 1},
    }
    text = "\n".join(plan.text(report(held=[held])))
    assert (
        "waits for the maintenance window sun:20:00-sun:21:00 UTC, next 2026-11-29T20:00Z; took 95s (seen once)"
        in text.replace("\n     ", " ")
    )
    assert "kubectl tracetrack approve demo -n shop (token abc123)" in text


def test_logins_that_are_to_be_made_stand_apart() -> None:
    lines = plan.text(report(logins=["make login tracetrack_a of DB instance x"]))
    assert lines[1:4] == ["", "In the database and the cache", "  make login tracetrack_a of DB instance x"]


def test_an_empty_plan_says_so_and_a_paused_one_too() -> None:
    assert "Nothing is to be done: all is as declared." in plan.text(report())
    assert any("spec.suspend is true" in line for line in plan.text(report(suspended=True, aws=[CALL])))


def test_a_deletion_tells_what_goes_what_stays_and_what_it_waits_for() -> None:
    spec = {"database": {"provider": "RDS"}, "cache": {"provider": "Embedded"}, "deletionPolicy": "Retain"}
    waits = WaitingError("DeletionProtected", "DB instance d is protected.")
    children = [{"kind": kind, "metadata": {"name": "demo-app", "namespace": "shop", "uid": kind}} for kind in KINDS]
    keep = Noted("secretsmanager", "create_secret", None, {"Name": "tracetrack/a", "SecretString": "hunter2-hunter2"})
    found = ending.of(owner(spec), Ending(serving(children), [keep], [End("database", error=waits)]), "eu-west-1")
    lines = plan.text(found)
    assert (
        lines[0] == "What a deletion of TraceTrackDeployment shop/demo would do, as it is now (deletionPolicy Retain)."
    )
    assert "  1.  delete HorizontalPodAutoscaler demo-app" in lines
    assert "  2.  delete Deployment demo-app" in lines
    assert "  1. secretsmanager create_secret (eu-west-1): tracetrack/a" in lines
    assert "  database: DB instance d is protected. (DeletionProtected)" in lines
    assert "  cache: It goes with its pod; its volume is kept." in lines
    assert "hunter2" not in str(found)
    assert [each["through"] for each in found["parts"]] == [False, True]


KINDS = ("Deployment", "Service", "HorizontalPodAutoscaler")


def test_one_that_is_being_deleted_is_told_as_such_whatever_its_spec() -> None:
    obj = {**owner(deletionTimestamp=SINCE), "spec": {"database": {"provider": "None"}}}
    found = ending.of(obj, Ending([], [], [End("database", "It is gone."), End("cache")]), "")
    assert plan.text(found)[:4] == [
        f"TraceTrackDeployment shop/demo is being deleted since {SINCE} (deletionPolicy Snapshot).",
        "",
        "What becomes of it",
        "  database: It is gone.",
    ]
    assert "  cache: nothing of it is there." in plan.text(found)
