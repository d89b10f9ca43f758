"""What a drill asks of AWS, what it leaves alone, and that nothing else waits for it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from tests.unit.operator.deployment.factory import REPOSITORY, dependency, observed, owner
from tests.unit.operator.drills.test_decide import BEGAN, IDLE, PRIMARY, RUN, RUNNING, scratch
from tests.unit.operator.engine.objects import RecordingKube
from tracetrack_operator.api import TraceTrackDeployment
from tracetrack_operator.aws.errors import AwsAlreadyExists, AwsInvalid, AwsNotFound, AwsThrottled
from tracetrack_operator.database.rds import RDS
from tracetrack_operator.dependencies.binding import DatabaseBinding
from tracetrack_operator.dependencies.checks import CheckResult, Checks
from tracetrack_operator.dependencies.generated import GeneratedSecrets
from tracetrack_operator.dependencies.protocol import Dependency, Scope, Verdict
from tracetrack_operator.deployment import status
from tracetrack_operator.deployment.desired import desired
from tracetrack_operator.deployment.execute import PlanRunner
from tracetrack_operator.deployment.plan import Plan, make_plan
from tracetrack_operator.drills import calls, manifests
from tracetrack_operator.drills.actions import RemoveScratch, RestoreScratch
from tracetrack_operator.drills.calls import DrillCalls
from tracetrack_operator.drills.conductor import Drill, Drills
from tracetrack_operator.drills.decide import Call, Decision, Facts
from tracetrack_operator.engine.cache import ObjectCache
from tracetrack_operator.engine.errors import ReconcileError, RetryableError, WaitingError
from tracetrack_operator.engine.objects import Object
from tracetrack_operator.manifests.parent import Parent
from tracetrack_operator.settings import Settings

SPEC: dict[str, Any] = {"database": {"provider": "RDS", "drill": {}}}
NETWORK = {
    "DBInstanceClass": "db.r8g.large",
    "EngineVersion": "17.6",
    "DBSubnetGroup": {"DBSubnetGroupName": "private"},
    "VpcSecurityGroups": [{"VpcSecurityGroupId": "sg-2"}, {"VpcSecurityGroupId": "sg-1"}],
    "DBParameterGroups": [{"DBParameterGroupName": "tuned-17"}],
    "CACertificateIdentifier": "rds-ca-rsa2048-g1",
}


def scope(**drill: Any) -> Scope:
    obj = owner({"database": {"provider": "RDS", "drill": drill}})
    return Scope(obj, Parent.of(obj), TraceTrackDeployment.parse(obj).spec, {})


def facts(**changes: Any) -> Facts:
    return replace(
        Facts(BEGAN, "uid-demo", "kind-shop-demo-drill", timedelta(hours=3), primary={**PRIMARY, **NETWORK}), **changes
    )


def test_the_instance_is_where_and_as_the_database_is_in_one_zone_and_without_backups() -> None:
    action = calls.of(Decision(RUNNING, Call.RESTORE), facts(), scope(), "kind", None, None)
    assert isinstance(action, RestoreScratch)
    given = dict(action.parameters)
    tags = {tag["Key"]: tag["Value"] for tag in given.pop("Tags")}
    assert tags == {
        "tracetrack.io/uid": "uid-demo",
        "tracetrack.io/cluster": "kind",
        "tracetrack.io/namespace": "shop",
        "tracetrack.io/name": "demo",
        "tracetrack.io/drill": "2026-11-22T03:00:00Z",
    }
    assert given == {
        "DBInstanceIdentifier": "kind-shop-demo-drill",
        "DBSnapshotIdentifier": "latest",
        "DBInstanceClass": "db.r8g.large",
        "DBSubnetGroupName": "private",
        "VpcSecurityGroupIds": ["sg-1", "sg-2"],
        "DBParameterGroupName": "tuned-17",
        "CACertificateIdentifier": "rds-ca-rsa2048-g1",
        "MultiAZ": False,
        "PubliclyAccessible": False,
        "DeletionProtection": False,
        "AutoMinorVersionUpgrade": False,
        "CopyTagsToSnapshot": False,
        "BackupRetentionPeriod": 0,
    }


def test_of_an_older_major_version_the_parameter_group_is_not_taken() -> None:
    older = RUNNING.begun(replace(RUN, engine="16.9"), "")
    action = calls.of(Decision(older, Call.RESTORE), facts(), scope(), "kind", "db.t4g.micro", None)
    assert action is not None
    assert "DBParameterGroupName" not in action.parameters
    assert action.parameters["DBInstanceClass"] == "db.t4g.micro"


def test_the_password_is_shown_to_nobody() -> None:
    binding = DatabaseBinding("rds", "host", 5432, "tracetrack", "master", "pw-drill")
    action = calls.of(Decision(RUNNING, Call.OPEN), facts(), scope(), "kind", None, binding)
    assert action is not None
    assert action.parameters["MasterUserPassword"] == "pw-drill"
    assert "pw-drill" not in repr(action) + action.describe()


class FakeAws:
    """Answers with `failure`, if there is one, and with these snapshots."""

    def __init__(self, failure: ReconcileError | None = None, snapshots: tuple[dict[str, Any], ...] = ()) -> None:
        self.failure = failure
        self.snapshots = snapshots
        self.calls: list[str] = []

    async def call(self, service: str, operation: str, /, **parameters: Any) -> dict[str, Any]:
        self.calls.append(operation)
        if self.failure:
            raise self.failure
        return {}

    async def pages(self, service: str, operation: str, items: str, /, **_: Any) -> AsyncIterator[dict[str, Any]]:
        self.calls.append(operation)
        for each in self.snapshots:
            yield each


class FakeInventory:
    def __init__(self, **items: Any) -> None:
        self.items = items

    async def db_instances(self, *_: Any) -> dict[str, Any]:
        return self.items

    def expire(self, *_: Any) -> None:
        return None


def made_by(aws: FakeAws, live: dict[str, Any] | None = None) -> DrillCalls:
    async def described(*_: Any) -> dict[str, Any] | None:
        return live

    given: Any = aws
    inventory: Any = FakeInventory()
    return DrillCalls(given, inventory, described, lambda uid: None)


RESTORE = calls.of(Decision(RUNNING, Call.RESTORE), facts(), scope(), "kind", None, None)
REMOVE = calls.remove_scratch(facts(item=scratch(uid="uid-demo")), None)


@pytest.mark.parametrize(
    ("failure", "final"),
    [
        (AwsInvalid("InvalidParameterValue", "no such class"), True),
        (AwsNotFound("DBSnapshotNotFound", "AwsNotFound", "gone"), True),
        (AwsThrottled("Throttling", "AwsThrottled", "later"), False),
    ],
)
async def test_what_aws_never_does_ends_the_drill(failure: ReconcileError, final: bool) -> None:
    done = made_by(FakeAws(failure))
    assert isinstance(RESTORE, RestoreScratch)
    with pytest.raises(type(failure)):
        await done.restore(RESTORE)
    noted = done.problem("uid-demo", RUNNING)
    assert (noted.text, noted.final) == (str(failure), final)
    assert not done.problem("uid-demo", IDLE).final, "a later drill is another one"


async def test_one_that_was_made_by_a_call_whose_answer_was_lost_is_no_problem() -> None:
    done = made_by(FakeAws(AwsAlreadyExists("DBInstanceAlreadyExists", "AwsAlreadyExists", "there")))
    assert isinstance(RESTORE, RestoreScratch)
    await done.restore(RESTORE)
    assert not done.problem("uid-demo", RUNNING).text


@pytest.mark.parametrize(
    ("live", "deleted"),
    [
        (scratch(uid="uid-demo"), True),
        (scratch(uid="another"), False),
        (scratch(uid="uid-demo", began=""), False),
        (None, False),
    ],
)
async def test_only_a_drills_own_instance_is_deleted(live: dict[str, Any] | None, deleted: bool) -> None:
    aws = FakeAws()
    await made_by(aws, live).remove(REMOVE)
    assert aws.calls == (["delete_db_instance"] if deleted else [])


def drills(aws: FakeAws, check: CheckResult = CheckResult(True), **items: Any) -> Drills:  # noqa: B008
    async def checked(_: Any) -> CheckResult:
        return check

    given: Any = aws
    kube: Any = RecordingKube()
    inventory: Any = FakeInventory(**items)
    generated, checks, settings = GeneratedSecrets(kube, ObjectCache()), Checks(checked), Settings()
    rds = RDS(given, kube, inventory, generated, checks, settings)
    return Drills(given, inventory, rds, generated, checks, settings, lambda: BEGAN + timedelta(minutes=20))


def primary(**item: Any) -> Dependency:
    return Dependency("RDS", Verdict.ready("It runs."), item={**PRIMARY, **NETWORK, "DbiResourceId": "db-1", **item})


async def test_the_latest_snapshot_is_one_of_this_instance_that_is_available() -> None:
    at = datetime(2026, 11, 1, tzinfo=UTC)
    later = at + timedelta(days=2)
    one = {"Status": "available", "DbiResourceId": "db-1", "EngineVersion": "17.6"}
    aws = FakeAws(
        snapshots=(
            {**one, "DBSnapshotIdentifier": "old", "SnapshotCreateTime": at},
            {**one, "DBSnapshotIdentifier": "latest", "SnapshotCreateTime": at + timedelta(days=1)},
            {**one, "DBSnapshotIdentifier": "made", "SnapshotCreateTime": later, "Status": "creating"},
            {
                **one,
                "DBSnapshotIdentifier": "before",
                "SnapshotCreateTime": later,
                "DbiResourceId": "x",
            },
        )
    )
    seen = scope()
    record = manifests.record_config(seen.parent, replace(IDLE, schedule="", honoured=""))
    asked = {**seen.owner, "metadata": {**seen.owner["metadata"], "annotations": {"tracetrack.io/drill": "1"}}}
    found = await drills(aws).look(
        replace(seen, owner=asked, children={("ConfigMap", "demo-drill"): record}), primary()
    )
    assert [step.describe() for step in found.steps] == [
        "restore DB snapshot latest to DB instance kind-shop-demo-drill"
    ]
    assert found.record is not None
    assert found.record.current is not None
    assert [each["kind"] for each in found.manifests] == ["ConfigMap"]


async def test_while_nothing_is_due_nothing_is_asked_of_aws() -> None:
    aws = FakeAws()
    found = await drills(aws).look(scope(), primary())
    assert aws.calls == []
    assert (found.steps, found.status, found.look_again) == ((), {}, None)
    assert found.verdict is not None
    assert found.verdict.reason == "DrillNotRun"


async def test_the_job_is_left_as_it_was_made_whatever_the_spec_says_now() -> None:
    seen = scope()
    record = manifests.record_config(seen.parent, replace(RUNNING, schedule=""))
    item = {**scratch(uid="uid-demo"), "MasterUsername": "tracetrack", "Endpoint": {"Address": "h", "Port": 5433}}
    conductor = drills(FakeAws(), **{"kind-shop-demo-drill": item})
    first = await conductor.look(replace(seen, children={("ConfigMap", "demo-drill"): record}), primary())
    made = {(each["kind"], each["metadata"]["name"]): each for each in first.manifests}
    job = made["Job", f"demo-drill-{int(BEGAN.timestamp())}"]
    pod = job["spec"]["template"]["spec"]
    assert [each["command"] for each in (*pod["initContainers"], *pod["containers"])] == [
        ["tracetrack", "migrate"],
        ["tracetrack", "check"],
    ]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["automountServiceAccountToken"] is False
    assert {each["securityContext"]["readOnlyRootFilesystem"] for each in pod["containers"]} == {True}
    assert made["NetworkPolicy", "demo-drill"]["spec"]["egress"][1]["ports"] == [{"port": 5433, "protocol": "TCP"}]
    live = {**job, "metadata": {**job["metadata"], "creationTimestamp": "2026-11-22T03:12:00Z", "uid": "uid-job"}}
    children = {("ConfigMap", "demo-drill"): record, ("Job", job["metadata"]["name"]): live}
    second = await conductor.look(replace(seen, children=children), primary())
    assert "Job" not in {each["kind"] for each in second.manifests}
    assert second.kept


async def test_a_deleted_owner_waits_for_the_instance_of_its_drill_only() -> None:
    aws = FakeAws()
    conductor = drills(aws, **{"kind-shop-demo-drill": scratch("deleting", uid="uid-demo")})
    with pytest.raises(WaitingError, match="kind-shop-demo-drill of a restore drill is being deleted"):
        await conductor.delete(scope().owner)
    await drills(aws, **{"kind-shop-demo-drill": scratch(uid="another")}).delete(scope().owner)
    await drills(aws).delete(scope().owner)
    assert aws.calls == []


RECORD = manifests.record_config(Parent.of(owner()), IDLE)


def plan(drill: Drill, **changes: Any) -> tuple[Plan, Any]:
    seen = observed(owner(SPEC), drill=drill, database=dependency(None), cache=dependency(None), **changes)
    return make_plan(seen, desired(seen, REPOSITORY), needs_finalizer=False), seen


def test_what_a_drill_needs_comes_last_of_all_and_by_itself() -> None:
    assert RESTORE is not None
    found, _ = plan(Drill(manifests=(RECORD,), steps=(RESTORE,)))
    assert [action.describe() for action in found.aside] == [
        "apply ConfigMap shop/demo-drill (missing)",
        "restore DB snapshot latest to DB instance kind-shop-demo-drill",
    ]
    assert list(found)[-2:] == list(found.aside)


async def test_whatever_fails_the_instance_goes_and_a_drill_that_fails_is_nobody_elses_failure() -> None:
    aws = FakeAws()
    doer: Any = SimpleNamespace(register=made_by(aws, scratch(uid="uid-demo")).register)
    kube = RecordingKube()
    context: Any = SimpleNamespace(kube=kube, cache=ObjectCache())
    kube.failure = RetryableError("Forbidden", "no")
    found, seen = plan(Drill(steps=(REMOVE,)))
    _, errors = await PlanRunner(context, [doer]).run(found, seen)
    assert "app" in errors
    assert aws.calls == ["delete_db_instance"]

    kube.failure, aws.failure = None, RetryableError("AwsAccessDenied", "no")
    verdict = Verdict.not_ready("DrillFailed", "…")
    found, seen = plan(Drill(manifests=(RECORD,), steps=(REMOVE,), verdict=verdict))
    _, errors = await PlanRunner(context, [doer]).run(found, seen)
    assert errors == {"drill": aws.failure}
    conditions = {each["type"]: each for each in status.conditions(seen, Plan(), errors).to_list()}
    assert conditions["DrillPassed"]["reason"] == "DrillFailed"
    assert conditions["Ready"]["reason"] != "AwsAccessDenied"


def test_what_could_not_be_found_out_is_left_as_it_was_told() -> None:
    before = {"type": "DrillPassed", "status": "True", "reason": "DrillPassed", "message": "fine"}
    before["lastTransitionTime"] = "2026-11-22T03:20:00Z"
    told: Object = {"conditions": [before], "database": {"drill": {"nextRun": "tomorrow"}}}
    failed = Drill(kept=True, error=RetryableError("AwsThrottled", "later"))
    seen = observed({**owner(SPEC), "status": told}, drill=failed)
    assert before in status.conditions(seen, Plan(), {}).to_list()
    assert status.fields(seen)["database"]["drill"] == {"nextRun": "tomorrow"}
    job = {"kind": "Job", "metadata": {"name": "demo-drill-1", "labels": seen.parent.labels("drill")}}
    seen = replace(seen, children={("Job", "demo-drill-1"): job})
    assert ("Job", "demo-drill-1") in desired(seen, REPOSITORY).kept


def test_a_remove_names_what_it_removes() -> None:
    assert isinstance(REMOVE, RemoveScratch)
    assert REMOVE.parameters == {
        "DBInstanceIdentifier": "kind-shop-demo-drill",
        "SkipFinalSnapshot": True,
        "DeleteAutomatedBackups": True,
    }
