"""The next step of a major upgrade, from what AWS and the database show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.unit.operator.cloud.test_rds import ITEM, WORKING, desired
from tracetrack_operator.api.cloud import DriftPolicy
from tracetrack_operator.api.deployment import DeletionPolicy
from tracetrack_operator.api.rds import MajorUpgrade
from tracetrack_operator.cli.bill import Database
from tracetrack_operator.database.inspection import Inspection
from tracetrack_operator.database.rds.facts import RDSFacts
from tracetrack_operator.database.rds.fields import TABLE
from tracetrack_operator.database.rds.upgrade.case import Case, Upgrade
from tracetrack_operator.database.rds.upgrade.decide import decide
from tracetrack_operator.database.rds.upgrade.facts import UpgradeFacts, deployment_name, is_former, is_green
from tracetrack_operator.database.rds.upgrade.needs import problems, target
from tracetrack_operator.database.rds.upgrade.steps import Steps
from tracetrack_operator.dependencies.cloud.access import Access
from tracetrack_operator.dependencies.cloud.fields import Difference, Item, Origin
from tracetrack_operator.dependencies.cloud.sync import Rules
from tracetrack_operator.dependencies.cloud.window import Window
from tracetrack_operator.dependencies.rotation import Kept, Schedule
from tracetrack_operator.engine.plan import Disruption

NAME = "kind-shop-demo"
ARN = "arn:aws:rds:eu-west-1:111122223333:db:"
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
TAGS = {"tracetrack.io/uid": "uid-demo", "tracetrack.io/cluster": "kind"}
TAG_LIST = [{"Key": "tracetrack.io/uid", "Value": "uid-demo"}]
BLUE: Item = {**ITEM, "EngineVersion": "16.10", "DBParameterGroups": [{"DBParameterGroupName": "own-16"}]}
FIT = Inspection("logical", databases=3, slots=20, workers=4)
TARGETS = ("16.11", "17.5", "17.6", "18.1")
WANTED = Difference(
    next(each for each in TABLE if each.name == "engineVersion"), "16.10", "17", Origin.SPEC, Disruption.SWITCHOVER
)
STEPS = Steps("DB instance kind-shop-demo", NAME, "eu-west-1", TAGS)
GREEN, OLD = f"{NAME}-green-abc123", f"{NAME}-old1"


def instance(name: str, version: str, status: str = "available", **more: Any) -> dict[str, Any]:
    described = {"DBInstanceIdentifier": name, "DBInstanceArn": ARN + name, "TagList": TAG_LIST}
    return {**described, "EngineVersion": version, "DBInstanceStatus": status, **more}


def deployment(status: str, **more: Any) -> dict[str, Any]:
    over = status == "SWITCHOVER_COMPLETED"
    return {
        "BlueGreenDeploymentIdentifier": "bgd-1",
        "BlueGreenDeploymentName": f"{NAME}-to-17",
        "Status": status,
        "Source": ARN + (OLD if over else NAME),
        "Target": ARN + (NAME if over else GREEN),
        "TagList": TAG_LIST,
        "CreateTime": NOW - timedelta(hours=1),
        **more,
    }


def marked(at: datetime) -> dict[str, Any]:
    tag = {"Key": "tracetrack.io/superseded-at", "Value": f"{at:%Y-%m-%dT%H:%M:%SZ}"}
    return instance(OLD, "16.10", TagList=[*TAG_LIST, tag])


def rules(*approvals: str, window: str = "", now: datetime = NOW) -> Rules:
    found = Window.parse(window) if window else None
    return Rules("demo", 3, DriftPolicy.CORRECT, frozenset(approvals), found, window, now)


def case(seen: UpgradeFacts | None = None, wanted: Difference | None = WANTED, **more: Any) -> Case:
    seen = seen or UpgradeFacts(targets=TARGETS, inspection=FIT)
    given = {"group": "own-17", "options": MajorUpgrade(), "policy": DeletionPolicy.SNAPSHOT, "rules": rules(), **more}
    return Case("DB instance kind-shop-demo", NAME, given.pop("item", BLUE), seen, wanted, steps=STEPS, **given)


def approved(found: Case) -> Case:
    return replace(found, rules=replace(found.rules, approvals=frozenset({found.token(WANTED)})))


def step(found: Upgrade) -> tuple[str, Mapping[str, Any]]:
    assert found.step is not None
    return found.step.operation, found.step.parameters


def under_way(status: str, green: str = "17.6", **more: Any) -> UpgradeFacts:
    beside = {GREEN: instance(GREEN, green)}
    return UpgradeFacts((deployment(status),), beside, 0, TARGETS, "", more.get("inspection", FIT))


def test_it_waits_for_an_approval_or_the_window() -> None:
    found = decide(case())
    assert found.step is None
    assert found.told is not None
    assert found.told.reason == "AwaitingApproval"
    assert f"tracetrack.io/approve={found.token}" in found.told.message
    assert (found.attempts, found.state["state"]) == (None, "AwaitingApproval")
    (held,) = found.held
    assert held.change.startswith("engineVersion 16.10 → 17 (switchover): a green instance of 17.6 is made beside it")
    assert (held.token, held.disruption) == (found.token, Disruption.SWITCHOVER)


def test_approved_it_is_begun_with_our_tags_and_the_group_of_the_new_version() -> None:
    found = decide(approved(case()))
    operation, parameters = step(found)
    assert operation == "create_blue_green_deployment"
    assert parameters["BlueGreenDeploymentName"] == f"{NAME}-to-17"
    assert parameters["Source"] == ARN + NAME
    assert (parameters["TargetEngineVersion"], parameters["TargetDBParameterGroupName"]) == ("17.6", "own-17")
    assert {"Key": "tracetrack.io/uid", "Value": "uid-demo"} in parameters["Tags"]
    assert found.attempts == 0, "that one may be there is remembered before it is asked for"
    assert [each.operation for each in found.later] == [
        "switchover_blue_green_deployment",
        "add_tags_to_resource",
        "delete_blue_green_deployment",
        "delete_db_instance",
    ]
    assert [each.reason for each in found.news] == ["UpgradeStarted"]


def test_without_a_group_it_is_the_default_one_of_the_new_version() -> None:
    assert step(decide(approved(case(group=None))))[1]["TargetDBParameterGroupName"] == "default.postgres17"


@pytest.mark.parametrize(
    ("now", "seen", "operation"),
    [
        (datetime(2026, 11, 23, 1, tzinfo=UTC), UpgradeFacts(targets=TARGETS, inspection=FIT), None),
        (
            datetime(2026, 11, 23, 8, 1, tzinfo=UTC),
            UpgradeFacts(targets=TARGETS, inspection=FIT),
            "create_blue_green_deployment",
        ),
        (datetime(2026, 11, 23, 19, tzinfo=UTC), under_way("AVAILABLE"), None),
        (datetime(2026, 11, 23, 20, 30, tzinfo=UTC), under_way("AVAILABLE"), "switchover_blue_green_deployment"),
    ],
)
def test_it_is_made_hours_before_the_window_and_switched_over_in_it(
    now: datetime, seen: UpgradeFacts, operation: str | None
) -> None:
    given = case(seen, rules=rules(window="mon:20:00-mon:21:00", now=now))
    found = decide(given)
    assert (found.step.operation if found.step is not None else None) == operation
    adopted = decide(replace(given, wanted=replace(WANTED, origin=Origin.UNKNOWN)))
    assert adopted.step is None, "what was never seen as declared waits for a person"


def test_switched_over_with_the_timeout_that_is_declared() -> None:
    options = MajorUpgrade(switchover_timeout_seconds=60)
    found = decide(approved(case(under_way("AVAILABLE"), options=options)))
    assert step(found) == (
        "switchover_blue_green_deployment",
        {"BlueGreenDeploymentIdentifier": "bgd-1", "SwitchoverTimeout": 60},
    )
    assert found.step is not None
    assert found.step.disruption is Disruption.SWITCHOVER
    assert (found.attempts, found.alone) == (1, True)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"facts": under_way("AVAILABLE", inspection=replace(FIT, lag=17 * 1024 * 1024))}, "is 17 MiB behind"),
        ({"facts": under_way("AVAILABLE", inspection=Inspection(problem="No answer."))}, "can't be told: No answer."),
        ({"facts": replace(under_way("AVAILABLE"), beside={})}, "is not shown yet"),
        ({"facts": replace(under_way("AVAILABLE"), beside={GREEN: instance(GREEN, "17.6", "modifying")})}, "modifying"),
        ({"facts": under_way("PROVISIONING", green="16.10")}, "is being made beside 16.10"),
        ({"facts": under_way("SWITCHOVER_IN_PROGRESS")}, "is being switched over"),
        ({"facts": under_way("AVAILABLE"), "quiet": False}, "what else is being changed"),
        ({"quiet": False}, "what else is being changed"),
        ({"asked": frozenset({("upgrade", "17.6")})}, "is being made"),
        (
            {"facts": under_way("AVAILABLE"), "asked": frozenset({("switchover", "bgd-1")})},
            "is being switched over to 17.6",
        ),
    ],
)
def test_what_it_waits_for_is_told(changes: dict[str, Any], words: str) -> None:
    found = decide(approved(replace(case(), **changes)))
    assert found.step is None
    assert found.told is not None
    assert found.told.reason == "Modifying"
    assert words in found.told.message


@pytest.mark.parametrize("status", ["AVAILABLE", "SWITCHOVER_FAILED", "INVALID_CONFIGURATION"])
def test_taken_back_it_is_removed_with_its_green_instance(status: str) -> None:
    found = decide(case(under_way(status), None))
    assert step(found) == (
        "delete_blue_green_deployment",
        {"BlueGreenDeploymentIdentifier": "bgd-1", "DeleteTarget": True},
    )
    assert found.attempts == 0, "remembered until it is seen to be gone"
    for waits in ("PROVISIONING", "DELETING"):
        assert decide(case(under_way(waits), None)).step is None
    other = replace(WANTED, wanted="18")
    assert step(decide(case(under_way(status), other)))[0] == "delete_blue_green_deployment"
    exact = replace(WANTED, wanted="17.6")
    assert step(decide(case(under_way("AVAILABLE", "17.5"), exact)))[0] == "delete_blue_green_deployment"


def test_gone_and_no_longer_wanted_nothing_is_kept_of_it() -> None:
    assert decide(case(UpgradeFacts(attempts=1), None)) == Upgrade()
    lost = case(UpgradeFacts(attempts=0), None, asked=frozenset({("upgrade", "17.6")}))
    assert decide(lost).attempts == 0, "it may not be described yet"


def test_a_failed_switchover_is_tried_again_only_when_that_is_approved_each_time() -> None:
    seen = replace(under_way("SWITCHOVER_FAILED"), attempts=1)
    seen = replace(seen, deployments=({**seen.deployments[0], "StatusDetails": "Too slow."},))
    first = case(seen)
    found = decide(approved(first))
    assert found.step is None
    assert found.told is not None
    assert found.told.reason == "UpgradeFailed"
    assert "has failed: Too slow." in found.told.message
    again = replace(first, rules=rules(found.token))
    assert step(decide(again))[0] == "switchover_blue_green_deployment"
    assert decide(again).attempts == 2
    later = replace(again, facts=replace(seen, attempts=2))
    assert decide(later).step is None, "the approval was for one try"
    assert decide(later).token != found.token
    third = replace(again, facts=replace(under_way("AVAILABLE"), attempts=3))
    assert decide(third).step is None
    assert step(decide(replace(third, rules=rules(decide(third).token))))[0] == "switchover_blue_green_deployment"
    rolled_back = replace(later, facts=replace(under_way("AVAILABLE"), attempts=2))
    assert step(decide(rolled_back))[0] == "switchover_blue_green_deployment", "killed before the call"


def test_a_green_instance_that_failed_is_made_anew_when_that_is_approved() -> None:
    first = case(under_way("INVALID_CONFIGURATION"))
    token = decide(first).token
    found = decide(replace(first, rules=rules(token)))
    assert step(found)[0] == "delete_blue_green_deployment"
    assert found.attempts == 1
    gone = case(UpgradeFacts(attempts=1, targets=TARGETS, inspection=FIT), rules=rules(token))
    assert step(decide(gone))[0] == "create_blue_green_deployment"


def test_once_over_the_former_one_is_marked_before_the_deployment_is_forgotten() -> None:
    new = {**BLUE, "EngineVersion": "17.6"}
    over = UpgradeFacts((deployment("SWITCHOVER_COMPLETED"),), {OLD: instance(OLD, "16.10")}, 1)
    found = decide(case(over, None, item=new))
    operation, parameters = step(found)
    assert (operation, parameters["ResourceName"]) == ("add_tags_to_resource", ARN + OLD)
    assert {"Key": "tracetrack.io/superseded-at", "Value": "2026-11-23T12:00:00Z"} in parameters["Tags"]
    assert [each.reason for each in found.news] == ["SwitchedOver"]
    assert (found.state["fromVersion"], found.state["toVersion"]) == ("16.10", "17.6")
    stale = decide(case(replace(over, beside={GREEN: instance(GREEN, "17.6")}), None, item=new))
    assert stale.step is None, "instances as they were called before"
    then = decide(case(replace(over, beside={OLD: marked(NOW)}), None, item=new))
    assert step(then) == ("delete_blue_green_deployment", {"BlueGreenDeploymentIdentifier": "bgd-1"})


@pytest.mark.parametrize(
    ("hours", "policy", "serving", "operation", "words"),
    [
        (23, DeletionPolicy.SNAPSHOT, True, None, "(16.10) is kept until 2026-11-23T13:00Z"),
        (24, DeletionPolicy.SNAPSHOT, True, "delete_db_instance", "is being deleted"),
        (24, DeletionPolicy.RETAIN, True, "delete_db_instance", "is being deleted"),
        (24, DeletionPolicy.DELETE, True, "delete_db_instance", "is being deleted"),
        (24, DeletionPolicy.SNAPSHOT, False, None, "until the application can connect to the new one"),
    ],
)
def test_the_former_one_goes_after_its_time(
    hours: int, policy: DeletionPolicy, serving: bool, operation: str | None, words: str
) -> None:
    seen = UpgradeFacts(beside={OLD: marked(NOW - timedelta(hours=hours))})
    new = {**BLUE, "EngineVersion": "17.6"}
    found = decide(case(seen, None, item=new, policy=policy, serving=serving))
    assert words in found.note
    assert (found.step.operation if found.step is not None else None) == operation
    assert (found.state["formerInstance"], found.state["state"]) == (OLD, "SwitchedOver")
    if found.step is not None:
        copy = None if policy is DeletionPolicy.DELETE else f"{NAME}-pg16-final-uid-demo"
        assert found.step.parameters.get("FinalDBSnapshotIdentifier") == copy
        assert found.step.parameters["SkipFinalSnapshot"] is (copy is None)


def test_an_instance_put_aside_by_somebody_else_is_left_alone() -> None:
    seen = UpgradeFacts(beside={OLD: instance(OLD, "16.10")})
    assert decide(case(seen, None)) == Upgrade(beside=(seen.beside[OLD],))


@pytest.mark.parametrize(
    ("item", "seen", "wanted", "group", "words"),
    [
        ({"BackupRetentionPeriod": 0}, {}, "17", None, "automatic backups are off"),
        ({"MasterUserSecret": {"SecretArn": "a"}}, {}, "17", None, "managed by RDS"),
        ({"ReadReplicaDBInstanceIdentifiers": ["r1"]}, {}, "17", None, "read replicas (r1)"),
        ({"EngineVersion": "15.3"}, {}, "17", None, "set engineVersion to 15.4 or a later 15 first"),
        ({}, {}, "17.9", None, "AWS does not upgrade 16.10 to 17.9: name one of 17.5, 17.6, 18.1"),
        ({}, {}, "17", "own-16", "name one of the family postgres17"),
        ({}, {"foreign": "by-hand"}, "17", None, "by-hand is not ours"),
        ({}, {"inspection": replace(FIT, wal_level="replica")}, "17", None, "family postgres16 with rds.logical_rep"),
        ({}, {"inspection": replace(FIT, slots=3)}, "17", None, "max_replication_slots is 3"),
        ({}, {"inspection": replace(FIT, workers=2)}, "17", None, "max_logical_replication_workers is 2"),
        (
            {},
            {"inspection": replace(FIT, unidentified=("public.loose",))},
            "17",
            None,
            "public.loose can't be followed",
        ),
        ({}, {"inspection": replace(FIT, large_objects=True)}, "17", None, "large objects"),
        ({}, {"inspection": Inspection(problem="No answer.")}, "17", None, "could not be looked into: No answer."),
    ],
)
def test_what_is_missing_is_told_before_anything_is_begun(
    item: dict[str, Any], seen: dict[str, Any], wanted: str, group: str | None, words: str
) -> None:
    facts = UpgradeFacts(**{"targets": TARGETS, "inspection": FIT, **seen})
    (found,) = problems({**BLUE, **item}, facts, wanted, group)
    assert words in found
    blocked = decide(approved(case(facts, replace(WANTED, wanted=wanted), item={**BLUE, **item}, group=group)))
    assert blocked.step is None
    assert blocked.told is not None
    assert blocked.told.reason == "UpgradeBlocked"


def test_nothing_is_missing_of_what_is_fit() -> None:
    assert problems(BLUE, UpgradeFacts(targets=TARGETS, inspection=FIT), "17", "own-17") == []
    assert target(TARGETS, "17") == "17.6"
    assert target(TARGETS, "17.5") == "17.5"
    assert target(("17.9", "17.10"), "17") == "17.10"


def test_names() -> None:
    assert deployment_name("a" * 63, "17.6") == deployment_name("a" * 63, "17")
    assert len(deployment_name("a" * 63, "17")) <= 60
    assert is_green(NAME, GREEN)
    assert is_former(NAME, OLD)
    assert not is_former(NAME, f"{NAME}-older")
    assert not is_former(f"{NAME}x", OLD)
    assert not is_former("kind", OLD)
    assert is_green("a" * 60, f"{'a' * 50}-green-abc123"), "cut off to make room"
    assert not is_green("a" * 60, f"{'a' * 30}-green-abc123")


BEGUN = RDSFacts(
    **{
        **vars(WORKING),
        "item": {**BLUE, "DBParameterGroups": []},
        "agreed": {**WORKING.agreed, "engineVersion": "16"},
        "access": Access({}, Kept(since=NOW)),
    },
    upgrade=under_way("PROVISIONING", "16.10"),
)


def test_no_other_call_is_made_while_the_green_instance_is() -> None:
    found = desired(BEGUN, {"engineVersion": "17", "backupRetentionDays": 9, "parameterGroupName": "own-17"})
    assert found.steps == ()
    assert "modify_db_instance" in str(found.later[0])
    assert found.sync is not None
    assert found.sync.reason == "Modifying"
    assert "parameterGroupName" not in str(found.details["pendingChanges"]), "it goes with the version"
    (secret,) = found.manifests
    assert secret["metadata"]["annotations"]["tracetrack.io/upgrading"] == "0"
    assert found.details["upgrade"]["since"] == "2026-11-23T11:00:00Z"


def test_the_logins_stay_as_they_are_when_the_green_instance_was_made() -> None:
    asked = Schedule(NOW, timedelta(0), timedelta(days=1), "now")
    given = Kept(since=NOW - timedelta(days=2))
    assert asked.due(given)
    assert not asked.resting(given).due(given)
    kept = Kept.of({"metadata": {"annotations": {"tracetrack.io/upgrading": "2"}}}, "")
    assert kept.attempts == 2
    assert kept.annotations()["tracetrack.io/upgrading"] == "2"
    assert kept.begun("now").attempts == 2


def test_what_else_is_told_stands_beside_it() -> None:
    found = desired(
        replace(BEGUN, upgrade=UpgradeFacts(targets=TARGETS, inspection=replace(FIT, wal_level="replica"))),
        {"engineVersion": "17", "instanceClass": "db.r8g.large"},
    )
    assert found.sync is not None
    assert found.sync.reason == "AwaitingApproval"
    assert "can't be upgraded from 16.10 to 17 yet" in found.sync.message
    assert found.measures["refused"] == 1


def test_the_second_instance_is_paid_for_while_it_lasts() -> None:
    shape = Database.of({"DBInstanceClass": "db.t4g.medium", "MultiAZ": True, "AllocatedStorage": 50})
    begun = shape.changed({"TargetEngineVersion": "17.6"})
    assert (begun.more, begun.changed({"SkipFinalSnapshot": False}).more) == (1, 0)
    assert shape.changed({"DeleteTarget": True}).more == 0
    assert Database.of({"Beside": [{}]}).more == 1
