"""What follows from what RDS shows of an instance and its read replicas."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import botocore.session
import pytest

from tests.unit.operator.cloud.test_rds import ITEM, WORKING
from tests.unit.operator.deployment.factory import owner
from tracetrack_operator.api import TraceTrackDeployment
from tracetrack_operator.api.replicas import ReadReplica
from tracetrack_operator.database.lag import in_steps
from tracetrack_operator.database.rds import RDS
from tracetrack_operator.database.rds.facts import RDSFacts
from tracetrack_operator.database.rds.provider import NAMING, ModifyInstance
from tracetrack_operator.database.rds.replicas.actions import AdoptReplica, CreateReplica, ModifyReplica, RemoveReplica
from tracetrack_operator.database.rds.replicas.fields import TABLE, created_with, declared
from tracetrack_operator.database.rds.replicas.found import Replica, all_of, identifier
from tracetrack_operator.database.rds.replicas.outcome import Source, outcome
from tracetrack_operator.dependencies.binding import DatabaseBinding
from tracetrack_operator.dependencies.checks import CheckResult
from tracetrack_operator.dependencies.cloud.access import Access
from tracetrack_operator.dependencies.protocol import Dependency, Scope
from tracetrack_operator.engine.plan import Disruption
from tracetrack_operator.manifests.parent import Parent
from tracetrack_operator.settings import Settings

NAME = "kind-shop-demo-reports"
TAGS = [
    {"Key": "tracetrack.io/uid", "Value": "uid-demo"},
    {"Key": "tracetrack.io/replica", "Value": "reports"},
]
EARLIER = [
    *({"Key": f"tracetrack.io/{key}", "Value": value} for key, value in (("uid", "before"), ("cluster", "kind"))),
    *({"Key": f"tracetrack.io/{key}", "Value": value} for key, value in (("namespace", "shop"), ("name", "demo"))),
    {"Key": "tracetrack.io/replica", "Value": "reports"},
]
OTHERS = [{"Key": "tracetrack.io/uid", "Value": "theirs"}, {"Key": "tracetrack.io/name", "Value": "theirs"}]
PRIMARY = {**ITEM, "ReadReplicaDBInstanceIdentifiers": [NAME], "PubliclyAccessible": False}
FOLLOWING: dict[str, Any] = {
    **{key: ITEM[key] for key in ITEM if key not in ("BackupRetentionPeriod", "DeletionProtection")},
    "DBInstanceIdentifier": NAME,
    "DBInstanceArn": f"arn:aws:rds:eu-west-1:111122223333:db:{NAME}",
    "MultiAZ": False,
    "ReadReplicaSourceDBInstanceIdentifier": "kind-shop-demo",
    "Endpoint": {"Address": "reports.rds", "Port": 5432},
    "TagList": TAGS,
}
SEEN = {
    "instanceClass": "db.t4g.medium",
    "multiAZ": False,
    "engineVersion": "17",
    "allocatedStorageGiB": 50,
    "storageType": "gp3",
    "performanceInsights": False,
}
BINDING = DatabaseBinding("rds", "reports.rds", 5432, "tracetrack", "tracetrack_a", "pw-secret")
REPORTS = Replica("reports", NAME, ReadReplica(name="reports"), FOLLOWING, BINDING, CheckResult(True, lag=0.4))


def desired(
    *replicas: Replica,
    item: dict[str, Any] | None = PRIMARY,
    rds: dict[str, Any] | None = None,
    annotations: dict[str, str] | None = None,
    **spec: Any,
) -> Dependency:
    obj = owner({"database": {"provider": "RDS", "rds": rds or {}}, **spec}, annotations=annotations or {})
    nothing: Any = None
    provider = RDS(nothing, nothing, nothing, nothing, nothing, Settings())
    facts = replace(WORKING, item=item, access=Access({}, binding=WORKING.binding))
    scope = Scope(obj, Parent.of(obj), TraceTrackDeployment.parse(obj).spec, {})
    return provider.desired(scope, RDSFacts.of(facts, replicas=replicas))


def remembered(found: Dependency) -> Any:
    (manifest,) = found.manifests
    return json.loads(manifest["metadata"]["annotations"]["tracetrack.io/agreed"])


def bound(found: Dependency) -> str:
    assert isinstance(found.binding, DatabaseBinding)
    return found.binding.data().get("replica-host", "")


def told(found: Dependency) -> tuple[str, str, str]:
    assert found.replicas is not None
    return found.replicas.status, found.replicas.reason, found.replicas.message


def test_a_missing_one_is_created_as_the_primary_but_for_what_it_has_of_its_own() -> None:
    wanted = ReadReplica(name="reports", instance_class="db.r8g.large", availability_zone="eu-west-1b")
    found = desired(
        replace(REPORTS, wanted=wanted, item=None, binding=None, check=None),
        rds={"securityGroupIds": ["sg-1"], "performanceInsights": True},
        item={**PRIMARY, "VpcSecurityGroups": [{"VpcSecurityGroupId": "sg-1", "Status": "active"}]},
    )
    step = found.steps[-1]
    assert isinstance(step, CreateReplica)
    model = botocore.session.get_session().get_service_model("rds")
    shape: Any = model.operation_model("CreateDBInstanceReadReplica").input_shape
    assert step.parameters.keys() <= shape.members.keys()
    assert {key: value for key, value in step.parameters.items() if key != "Tags"} == {
        "DBInstanceIdentifier": NAME,
        "SourceDBInstanceIdentifier": "kind-shop-demo",
        "DBInstanceClass": "db.r8g.large",
        "MultiAZ": False,
        "AvailabilityZone": "eu-west-1b",
        "VpcSecurityGroupIds": ["sg-1"],
        "EnablePerformanceInsights": True,
        "PubliclyAccessible": False,
        "AutoMinorVersionUpgrade": True,
        "CopyTagsToSnapshot": True,
    }
    assert [tag["Value"] for tag in step.parameters["Tags"]] == ["uid-demo", "kind", "shop", "demo", "reports"]
    assert remembered(found)["replicas"]["reports"]["instanceClass"] == "db.r8g.large"
    assert told(found)[1] == "Progressing"
    assert found.verdict.status == "True", "the database serves without it"
    assert found.details["readyReadReplicas"] == "0/1"


def test_a_plan_for_what_is_not_there_yet_tells_of_its_replicas() -> None:
    for item in (None, {**PRIMARY, "DBInstanceStatus": "creating"}):
        found = desired(item=item, rds={"readReplicas": [{"name": "reports", "instanceClass": "db.r8g.large"}]})
        assert not any(isinstance(step, CreateReplica) for step in found.steps)
        (later,) = found.later
        assert isinstance(later, CreateReplica)
        assert later.parameters["DBInstanceClass"] == "db.r8g.large"
        assert told(found)[1:] == ("Progressing", f"Made once their primary is there: Read replica {NAME}.")
        assert found.details["readyReadReplicas"] == "0/1"


@pytest.mark.parametrize(
    ("item", "words"),
    [
        ({"BackupRetentionPeriod": 0}, "once DB instance kind-shop-demo has automatic backups"),
        ({"DBInstanceStatus": "modifying"}, "once DB instance kind-shop-demo is available, not modifying"),
        ({"MasterUserSecret": {"SecretArn": "a"}}, "once RDS doesn't keep the master's password any more"),
    ],
)
def test_it_waits_for_what_rds_demands_of_the_primary(item: dict[str, Any], words: str) -> None:
    found = desired(replace(REPORTS, item=None, binding=None, check=None), item={**PRIMARY, **item})
    assert not any(isinstance(step, CreateReplica) for step in found.steps)
    assert told(found)[1] == "Progressing"
    assert words in told(found)[2]


def test_one_that_serves_is_told_and_bound() -> None:
    found = desired(replace(REPORTS, agreed=SEEN))
    assert told(found) == ("True", "Ready", f"Read replica {NAME} serves at reports.rds:5432.")
    assert found.details["readReplicas"] == [
        {
            "name": "reports",
            "identifier": NAME,
            "state": "available",
            "endpoint": "reports.rds:5432",
            "size": "db.t4g.medium",
            "serving": True,
            "lagSeconds": 0,
        }
    ]
    assert found.details["readyReadReplicas"] == "1/1"
    assert bound(found) == "reports.rds"
    assert found.sync is not None
    assert found.sync.status == "True", found.sync.message
    assert f"Read replica {NAME} is as declared." in found.sync.message
    assert not found.steps


def test_the_first_by_name_that_serves_is_bound() -> None:
    other = DatabaseBinding("rds", "archive.rds", 5432, "tracetrack", "tracetrack_a", "pw-secret")
    item = {**FOLLOWING, "DBInstanceIdentifier": "kind-shop-demo-archive"}
    archive = Replica("archive", "kind-shop-demo-archive", ReadReplica(name="archive"), item, other, CheckResult(True))
    assert bound(desired(archive, REPORTS)) == "archive.rds"
    refused = CheckResult(False, "EndpointUnreachable", "No answer.")
    found = desired(replace(archive, check=refused), REPORTS)
    assert bound(found) == "reports.rds"
    assert told(found)[:2] == ("False", "EndpointUnreachable")
    assert found.details["readyReadReplicas"] == "1/2"


@pytest.mark.parametrize(
    ("replica", "reason", "words"),
    [
        (replace(REPORTS, check=CheckResult(True, lag=150.0)), "ReplicaLagging", "is more than 120 s behind"),
        (
            replace(REPORTS, item={**FOLLOWING, "ReadReplicaSourceDBInstanceIdentifier": None}),
            "ReplicaPromoted",
            "left untouched",
        ),
        (replace(REPORTS, item={**FOLLOWING, "DBInstanceStatus": "storage-full"}), "Failed", "is storage-full"),
        (
            replace(REPORTS, item={**FOLLOWING, "DBInstanceStatus": "creating"}, binding=None, check=None),
            "Progressing",
            "is creating",
        ),
        (replace(REPORTS, item={**FOLLOWING, "TagList": OTHERS}), "OwnershipConflict", "belongs to ?/theirs"),
        (replace(REPORTS, item={**FOLLOWING, "TagList": []}), "AdoptionRequired", f"tracetrack.io/adopt={NAME}"),
        (
            replace(REPORTS, item={**FOLLOWING, "TagList": [], "ReadReplicaSourceDBInstanceIdentifier": "another"}),
            "OwnershipConflict",
            "belongs to nothing this operator made",
        ),
    ],
)
def test_one_that_does_not_serve_is_not_bound_and_says_why(replica: Replica, reason: str, words: str) -> None:
    found = desired(replica)
    assert told(found)[:2] == ("False", reason)
    assert words in told(found)[2]
    assert bound(found) == ""
    assert not [step for step in found.steps if not isinstance(step, ModifyReplica)]
    assert found.verdict.status == "True", "the database serves without it"


@pytest.mark.parametrize(("tags", "annotations"), [(EARLIER, {}), ([], {"tracetrack.io/adopt": f"other,{NAME}"})])
def test_it_is_adopted_with_its_primary_or_by_a_persons_word(
    tags: list[dict[str, str]], annotations: dict[str, str]
) -> None:
    found = desired(replace(REPORTS, item={**FOLLOWING, "TagList": tags}), annotations=annotations)
    (step,) = found.steps
    assert isinstance(step, AdoptReplica)
    assert step.parameters["ResourceName"] == FOLLOWING["DBInstanceArn"]
    assert {"Key": "tracetrack.io/replica", "Value": "reports"} in step.parameters["Tags"]


def test_another_class_waits_for_an_approval_and_an_online_change_does_not() -> None:
    wanted = ReadReplica(name="reports", instance_class="db.r8g.large")
    item = {**FOLLOWING, "CopyTagsToSnapshot": False, "PubliclyAccessible": False}
    seen = {**SEEN, "copyTagsToSnapshot": True}
    found = desired(replace(REPORTS, wanted=wanted, item=item, agreed=seen), maintenanceWindow="sun:02:00-sun:03:00")
    (step,) = found.steps
    assert isinstance(step, ModifyReplica)
    assert (step.disruption, step.parameters) == (
        Disruption.ONLINE,
        {"DBInstanceIdentifier": NAME, "CopyTagsToSnapshot": True, "ApplyImmediately": True},
    )
    (held,) = found.held
    assert (held.change, held.disruption) == ("instanceClass db.t4g.medium → db.r8g.large (reboot)", Disruption.REBOOT)
    assert found.details["approval"] == held.token
    assert "reports: instanceClass db.t4g.medium → db.r8g.large (reboot)" in found.details["pendingChanges"]
    assert found.sync is not None
    assert found.sync.reason == "AwaitingApproval"
    approved = desired(
        replace(REPORTS, wanted=wanted, item=item, agreed=seen),
        maintenanceWindow="sun:02:00-sun:03:00",
        annotations={"tracetrack.io/approve": held.token},
    )
    (step,) = approved.steps
    assert isinstance(step, ModifyReplica)
    assert step.parameters["DBInstanceClass"] == "db.r8g.large"
    assert bound(found) == "reports.rds", "it serves as it is"


def test_a_hands_change_is_only_told_under_report() -> None:
    seen = {**SEEN, "copyTagsToSnapshot": True}
    found = desired(
        replace(REPORTS, item={**FOLLOWING, "CopyTagsToSnapshot": False}, agreed=seen), driftPolicy="Report"
    )
    assert not found.steps
    assert found.sync is not None
    assert found.sync.reason == "Drifted"
    assert found.measures["reported"] == 1


def test_more_differences_than_the_status_takes_are_counted() -> None:
    names = [f"r{number}" for number in range(5)]
    seen = {"copyTagsToSnapshot": True}
    item = {
        **FOLLOWING,
        "DBInstanceClass": "db.x2g.large",
        "MultiAZ": True,
        "AllocatedStorage": 20,
        "StorageType": "gp2",
    }
    item |= {"PubliclyAccessible": True, "AutoMinorVersionUpgrade": False, "CopyTagsToSnapshot": False, "Iops": 9000}
    item |= {"PerformanceInsightsEnabled": True, "CACertificateIdentifier": "old", "StorageThroughput": 900}
    item |= {"PreferredMaintenanceWindow": "mon:02:00-mon:03:00", "EngineVersion": "17.1", "MaxAllocatedStorage": 90}
    replicas = [
        replace(REPORTS, name=name, identifier=f"kind-shop-demo-{name}", wanted=ReadReplica(name=name), item=item)
        for name in names
    ]
    rds = {
        "caCertificateIdentifier": "new",
        "storageIops": 12000,
        "storageThroughputMiBps": 500,
        "engineVersion": "17.2",
    }
    found = desired(*(replace(each, agreed=seen) for each in replicas), rds={**rds, "allocatedStorageGiB": 400})
    told = found.details["pendingChanges"]
    assert len(told) == 50
    assert told[-1].startswith("and ")
    assert told[-1].endswith(" more")


def test_another_zone_is_refused_with_the_way_to_do_it() -> None:
    wanted = ReadReplica(name="reports", availability_zone="eu-west-1c")
    found = desired(replace(REPORTS, wanted=wanted, item={**FOLLOWING, "AvailabilityZone": "eu-west-1a"}, agreed=SEEN))
    assert found.sync is not None
    assert found.sync.reason == "ReplaceRequired"
    assert "another replica with that zone under readReplicas" in found.sync.message
    assert not found.steps


def test_one_that_is_not_declared_any_more_is_deleted_without_a_copy() -> None:
    found = desired(replace(REPORTS, wanted=None, check=None))
    (step,) = found.steps
    assert isinstance(step, RemoveReplica)
    assert step.parameters == {"DBInstanceIdentifier": NAME, "SkipFinalSnapshot": True}
    assert (step.uid, step.primary, step.disruption) == ("uid-demo", "kind-shop-demo", Disruption.DELETE)
    assert bound(found) == ""
    assert "replicas" not in remembered(found)
    going = desired(replace(REPORTS, wanted=None, check=None, item={**FOLLOWING, "DBInstanceStatus": "deleting"}))
    assert not going.steps


def test_protection_by_hand_is_respected() -> None:
    found = desired(replace(REPORTS, wanted=None, check=None, item={**FOLLOWING, "DeletionProtection": True}))
    assert not found.steps
    assert told(found)[:2] == ("False", "DeletionProtected")
    assert "--no-deletion-protection" in told(found)[2]


def test_backups_are_switched_off_only_once_the_replicas_are_gone() -> None:
    gone = replace(REPORTS, wanted=None, check=None)
    window = {"maintenanceWindow": "mon:11:00-mon:13:00"}
    found = desired(gone, rds={"backupRetentionDays": 0}, **window)
    assert [type(step) for step in found.steps] == [RemoveReplica]
    after = desired(rds={"backupRetentionDays": 0}, item={**PRIMARY, "ReadReplicaDBInstanceIdentifiers": []}, **window)
    assert [type(step) for step in after.steps] == [ModifyInstance]


def test_replicas_get_a_minor_version_before_their_primary() -> None:
    window = {"maintenanceWindow": "mon:11:00-mon:13:00"}
    seen = {**SEEN, "engineVersion": "17.6"}
    found = desired(replace(REPORTS, agreed=seen), rds={"engineVersion": "17.7"}, **window)
    assert [type(step) for step in found.steps] == [ModifyReplica]
    upgraded = replace(REPORTS, agreed=seen, item={**FOLLOWING, "EngineVersion": "17.7"})
    assert [type(step) for step in desired(upgraded, rds={"engineVersion": "17.7"}, **window).steps] == [ModifyInstance]


def test_a_primary_that_is_about_to_change_gives_its_replica_afterwards() -> None:
    missing = replace(REPORTS, item=None, binding=None, check=None)
    found = desired(missing, item={**PRIMARY, "BackupRetentionPeriod": 3})
    assert [type(step) for step in found.steps] == [ModifyInstance]
    assert [type(step) for step in found.later] == [CreateReplica]


def test_a_major_version_is_the_primarys_affair() -> None:
    values = declared(ReadReplica(name="r"), {**_declared(), "engineVersion": "18"}, PRIMARY, FOLLOWING)
    assert values["engineVersion"] is None


def test_storage_follows_a_primary_that_has_grown_by_itself() -> None:
    assert (
        declared(ReadReplica(name="r"), _declared(), {**PRIMARY, "AllocatedStorage": 75}, None)["allocatedStorageGiB"]
        == 75
    )


def test_a_limit_of_storage_is_given_only_where_there_is_one() -> None:
    values = declared(ReadReplica(name="r"), _declared(), PRIMARY, None)
    assert "MaxAllocatedStorage" not in created_with(values)
    assert created_with({**values, "maxAllocatedStorageGiB": 200})["MaxAllocatedStorage"] == 200


def _declared() -> dict[str, Any]:
    obj = owner({"database": {"provider": "RDS", "rds": {}}})
    nothing: Any = None
    provider = RDS(nothing, nothing, nothing, nothing, nothing, Settings())
    return provider.declared(Scope(obj, Parent.of(obj), TraceTrackDeployment.parse(obj).spec, {}))


def test_the_table_has_what_is_declared() -> None:
    assert {field.name for field in TABLE} == declared(ReadReplica(name="r"), _declared(), PRIMARY, None).keys()


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({}, ["reports"]),
        ({"DBInstanceIdentifier": "kind-shop-demo-reports-green-1a2b3c"}, []),
        ({"TagList": OTHERS}, []),
        ({"TagList": TAGS[:1]}, []),
        ({"ReadReplicaSourceDBInstanceIdentifier": None}, []),
    ],
)
def test_what_counts_as_a_replica_that_was_made_for_the_owner(change: dict[str, Any], found: list[str]) -> None:
    """Anything else is never deleted: a copy of a blue/green deployment, one of somebody else's, a promoted one."""
    item = {**FOLLOWING, **change}
    name = str(item["DBInstanceIdentifier"])
    primary = {**PRIMARY, "ReadReplicaDBInstanceIdentifiers": [name]}
    assert [each for each, wanted in all_of([], primary, "uid-demo", {name: item}) if wanted is None] == found


def test_identifiers_are_bounded() -> None:
    assert identifier("kind-shop-demo", "reports") == NAME
    long = identifier("a" * 60, "reports")
    assert len(long) <= 63
    assert long != identifier("a" * 60, "archive")


@pytest.mark.parametrize(("seconds", "step"), [(0.0, 0), (9.9, 0), (10.0, 10), (61, 60), (119, 60), (1e6, 86400)])
def test_lag_is_told_in_steps(seconds: float, step: int) -> None:
    assert in_steps(seconds) == step


def test_none_is_made_amid_an_upgrade() -> None:
    missing = replace(REPORTS, item=None, binding=None, check=None)
    source = Source(NAMING, owner({}), Parent.of(owner({})), None, "kind", PRIMARY, {}, upgrading=True)
    nothing: Any = None
    found = outcome(source, missing, nothing)
    assert found.steps == ()
    assert found.ready is not None
    assert "once the upgrade of DB instance kind-shop-demo is done" in found.ready.message
