"""What follows from what RDS shows of an instance."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import botocore.session
import pytest

from tests.unit.operator.deployment.factory import DATABASE, owner
from tracetrack_operator.api import TraceTrackDeployment
from tracetrack_operator.cache.elasticache.fields import TABLE as ELASTICACHE
from tracetrack_operator.database.rds import RDS
from tracetrack_operator.database.rds.fields import TABLE
from tracetrack_operator.database.rds.provider import AdoptInstance, CreateInstance, ModifyInstance
from tracetrack_operator.dependencies.checks import CheckResult
from tracetrack_operator.dependencies.cloud.access import Access
from tracetrack_operator.dependencies.cloud.facts import Facts
from tracetrack_operator.dependencies.protocol import Dependency, News, Scope
from tracetrack_operator.engine.plan import Disruption
from tracetrack_operator.manifests.parent import Parent
from tracetrack_operator.settings import Settings

SPEC: dict[str, Any] = {"database": {"provider": "RDS"}, "cache": {"provider": "Embedded"}}
OURS = {"tracetrack.io/uid": "uid-demo"}
ITEM: dict[str, Any] = {
    "DBInstanceIdentifier": "kind-shop-demo",
    "DBInstanceArn": "arn:aws:rds:eu-west-1:111122223333:db:kind-shop-demo",
    "DBInstanceStatus": "available",
    "DBInstanceClass": "db.t4g.medium",
    "Engine": "postgres",
    "EngineVersion": "17.6",
    "AllocatedStorage": 50,
    "StorageType": "gp3",
    "StorageEncrypted": True,
    "MultiAZ": True,
    "BackupRetentionPeriod": 7,
    "DeletionProtection": True,
    "AutoMinorVersionUpgrade": True,
    "CopyTagsToSnapshot": True,
    "PreferredMaintenanceWindow": "sun:02:00-sun:03:00",
    "LatestRestorableTime": datetime(2026, 11, 23, 11, 57, 3, tzinfo=UTC),
}
AGREED = {
    "instanceClass": "db.t4g.medium",
    "engineVersion": "17",
    "allocatedStorageGiB": 50,
    "multiAZ": True,
    "backupRetentionDays": 7,
    "deletionProtection": True,
    "storageType": "gp3",
}
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
WORKING = Facts(
    ITEM,
    OURS,
    {"username": "u", "password": "pw-secret"},
    DATABASE,
    CheckResult(True),
    "2026-01-01T00:00:00Z",
    agreed=AGREED,
    now=NOW,
)


def desired(
    facts: Facts, rds: dict[str, Any] | None = None, settings: Settings | None = None, **more: Any
) -> Dependency:
    annotations = more.pop("annotations", {})
    spec = {**SPEC, "database": {"provider": "RDS", "rds": rds or {}}, **more}
    obj = owner(spec, annotations=annotations)
    nothing: Any = None
    provider = RDS(nothing, nothing, nothing, nothing, nothing, settings or Settings())
    return provider.desired(Scope(obj, Parent.of(obj), TraceTrackDeployment.parse(obj).spec, {}), facts)


def modified(found: Dependency) -> ModifyInstance:
    (step,) = found.steps
    assert isinstance(step, ModifyInstance)
    return step


def agreed(found: Dependency) -> dict[str, Any]:
    (manifest,) = found.manifests
    values: dict[str, Any] = json.loads(manifest["metadata"]["annotations"]["tracetrack.io/agreed"])
    return values


def test_what_is_missing_is_created_after_its_password_is_saved() -> None:
    found = desired(replace(WORKING, item=None, binding=None, agreed={}))
    (step,) = found.steps
    assert isinstance(step, CreateInstance)
    assert [m["metadata"]["name"] for m in found.manifests] == ["demo-database-credentials"]
    assert agreed(found)["instanceClass"] == "db.t4g.medium", "a change before the first look is a change of the spec"
    assert step.parameters["MasterUserPassword"] == "pw-secret"
    assert {"Key": "tracetrack.io/uid", "Value": "uid-demo"} in step.parameters["Tags"]
    assert step.parameters["StorageEncrypted"] is True
    assert step.parameters["PubliclyAccessible"] is False
    assert "MaxAllocatedStorage" not in step.parameters
    assert "pw-secret" not in repr(found) + step.describe()


def test_backups_can_be_off_from_the_start() -> None:
    (step,) = desired(replace(WORKING, item=None), {"backupRetentionDays": 0}).steps
    assert isinstance(step, CreateInstance)
    assert step.parameters["BackupRetentionPeriod"] == 0


def test_networks_come_from_the_spec_or_else_from_the_operator() -> None:
    settings = Settings(rds_subnet_group="private", rds_security_groups=("sg-1",))
    (step,) = desired(replace(WORKING, item=None), settings=settings).steps
    assert isinstance(step, CreateInstance)
    assert (step.parameters["DBSubnetGroupName"], step.parameters["VpcSecurityGroupIds"]) == ("private", ["sg-1"])


@pytest.mark.parametrize(
    ("facts", "status", "reason", "words"),
    [
        (WORKING, "True", "Ready", "DB instance kind-shop-demo is available at demo-database.shop.svc:5432."),
        (
            replace(WORKING, item={**ITEM, "DBInstanceStatus": "creating"}, binding=None, check=None),
            "False",
            "Progressing",
            "is creating since 2026-01-01T00:00:00Z",
        ),
        (replace(WORKING, item={**ITEM, "DBInstanceStatus": "failed"}, binding=None), "False", "Failed", "is failed"),
        (replace(WORKING, tags={}), "False", "AdoptionRequired", "kubectl annotate ttd demo tracetrack.io/adopt="),
        (
            replace(WORKING, tags={"tracetrack.io/uid": "other", "tracetrack.io/name": "theirs"}),
            "False",
            "OwnershipConflict",
            "belongs to ?/theirs",
        ),
        (
            replace(WORKING, check=CheckResult(False, "EndpointUnreachable", "No answer.")),
            "False",
            "EndpointUnreachable",
            "No answer.",
        ),
    ],
)
def test_verdicts(facts: Facts, status: str, reason: str, words: str) -> None:
    found = desired(facts)
    assert (found.verdict.status, found.verdict.reason) == (status, reason)
    assert words in found.verdict.message
    assert not found.steps
    assert (found.binding is not None) == (status == "True")
    assert found.manifests, "the credentials must never be pruned"


def test_all_as_declared() -> None:
    found = desired(WORKING)
    assert found.sync is not None
    assert (found.sync.status, found.sync.message) == ("True", "DB instance kind-shop-demo is as declared.")
    assert found.details == {
        "identifier": "kind-shop-demo",
        "version": "17.6",
        "size": "db.t4g.medium",
        "storageGiB": 50,
        "replicas": 1,
        "maintenanceWindow": "sun:02:00-sun:03:00",
        "latestRestorableTime": "2026-11-23T11:57:03Z",
    }


def test_a_change_online_is_made_at_once_in_one_call() -> None:
    found = desired(WORKING, {"backupRetentionDays": 14, "multiAZ": False})
    step = modified(found)
    assert step.parameters == {
        "DBInstanceIdentifier": "kind-shop-demo",
        "MultiAZ": False,
        "BackupRetentionPeriod": 14,
        "ApplyImmediately": True,
    }
    assert step.disruption is Disruption.ONLINE
    assert found.verdict.status == "True", "it serves on"
    assert agreed(found)["backupRetentionDays"] == 7, "agreed only once AWS has it"


def test_what_was_changed_by_hand_is_told_as_that_and_setting_it_back_is_an_event() -> None:
    """A restart waits as any other; of a change of the spec nothing of the kind is said."""
    changed = {**ITEM, "BackupRetentionPeriod": 1, "DBInstanceClass": "db.r8g.large"}
    found = desired(replace(WORKING, item=changed))
    assert found.sync is not None
    assert "instanceClass db.r8g.large → db.t4g.medium (reboot), changed by hand" in found.sync.message
    assert "backupRetentionDays 1 → 7 (online), changed by hand" in found.sync.message
    (told,) = found.events
    assert told == News(
        "DriftCorrected",
        "DB instance kind-shop-demo is set back to what is declared: backupRetentionDays 1 → 7 (online), changed by "
        "hand.",
    )
    assert desired(WORKING, {"backupRetentionDays": 14}).events == ()
    busy = desired(replace(WORKING, item={**changed, "DBInstanceStatus": "backing-up"}))
    assert (busy.steps, busy.events) == ((), ()), "nothing has been sent"


def test_a_restart_waits_and_nothing_else_sets_it_off() -> None:
    queued = {**ITEM, "PendingModifiedValues": {"DBInstanceClass": "db.r8g.large"}}
    found = desired(replace(WORKING, item=queued), {"instanceClass": "db.r8g.large", "backupRetentionDays": 14})
    assert modified(found).parameters == {
        "DBInstanceIdentifier": "kind-shop-demo",
        "DBInstanceClass": "db.t4g.medium",
        "BackupRetentionPeriod": 14,
        "ApplyImmediately": True,
    }, "AWS would apply what it has pending with anything that is applied immediately"
    assert found.sync is not None
    assert found.sync.reason == "AwaitingApproval"
    token = found.details["approval"]
    assert f"tracetrack.io/approve={token}" in found.sync.message
    approved = desired(
        replace(WORKING, item=queued), {"instanceClass": "db.r8g.large"}, annotations={"tracetrack.io/approve": token}
    )
    assert modified(approved).parameters["DBInstanceClass"] == "db.r8g.large"


def test_an_approved_restart_is_made_and_called_by_its_name() -> None:
    token = desired(WORKING, {"instanceClass": "db.r8g.large"}).details["approval"]
    step = modified(
        desired(WORKING, {"instanceClass": "db.r8g.large"}, annotations={"tracetrack.io/approve": f"00000000,{token}"})
    )
    assert step.parameters["DBInstanceClass"] == "db.r8g.large"
    assert step.disruption is Disruption.REBOOT


def test_in_the_window_of_the_spec_it_is_made_unasked() -> None:
    inside = replace(WORKING, now=datetime(2026, 11, 24, 20, 30, tzinfo=UTC))
    found = desired(inside, {"instanceClass": "db.r8g.large"}, maintenanceWindow="tue:20:00-tue:21:00")
    assert modified(found).parameters["DBInstanceClass"] == "db.r8g.large"


@pytest.mark.parametrize(
    ("rds", "item", "reason"),
    [
        ({"engineVersion": "18"}, {}, "AwaitingApproval"),
        ({"engineVersion": "18", "majorUpgrade": {"strategy": "Refuse"}}, {}, "ReplaceRequired"),
        (
            {"engineVersion": "18", "masterCredentials": "ManagedByRDS"},
            {"MasterUserSecret": {"SecretArn": "a", "SecretStatus": "active"}},
            "UpgradeBlocked",
        ),
        ({"engineVersion": "16"}, {}, "ReplaceRequired"),
        ({"kmsKeyId": "alias/mine"}, {"KmsKeyId": "arn:aws:kms:eu-west-1:1:key/k"}, "Ready"),
        ({"subnetGroupName": "other"}, {"DBSubnetGroup": {"DBSubnetGroupName": "private"}}, "ReplaceRequired"),
        ({}, {"StorageEncrypted": False}, "ReplaceRequired"),
        ({"engineVersion": "17.7"}, {}, "AwaitingApproval"),
        ({"engineVersion": "17.5"}, {}, "Ready"),
        ({"backupRetentionDays": 0}, {}, "AwaitingApproval"),
        ({"allocatedStorageGiB": 40}, {}, "Ready"),
        ({"maxAllocatedStorageGiB": 100}, {"AllocatedStorage": 80, "MaxAllocatedStorage": 100}, "Ready"),
        ({"maxAllocatedStorageGiB": 100}, {"AllocatedStorage": 100, "MaxAllocatedStorage": 100}, "Ready"),
        ({"maxAllocatedStorageGiB": 100}, {"AllocatedStorage": 110, "MaxAllocatedStorage": 110}, "Ready"),
        ({"maxAllocatedStorageGiB": 120}, {"AllocatedStorage": 100, "MaxAllocatedStorage": 100}, "AwaitingApproval"),
        ({}, {"MaxAllocatedStorage": 50}, "Ready"),
        ({}, {"DBInstanceStatus": "modifying"}, "Modifying"),
    ],
)
def test_classes(rds: dict[str, Any], item: dict[str, Any], reason: str) -> None:
    found = desired(replace(WORKING, item={**ITEM, **item}), rds)
    assert found.sync is not None
    assert found.sync.reason == reason, found.sync.message
    assert not found.steps


def test_storage_goes_in_a_call_of_its_own_and_waits_for_the_last_one() -> None:
    first = modified(desired(WORKING, {"allocatedStorageGiB": 100, "backupRetentionDays": 14}))
    assert first.parameters["AllocatedStorage"] == 100
    assert "BackupRetentionPeriod" not in first.parameters, "a refused growth must not keep the rest from being made"
    busy = {**ITEM, "DBInstanceStatus": "storage-optimization"}
    found = desired(replace(WORKING, item=busy), {"allocatedStorageGiB": 100})
    assert not found.steps
    other = modified(desired(replace(WORKING, item=busy), {"allocatedStorageGiB": 100, "backupRetentionDays": 14}))
    assert "AllocatedStorage" not in other.parameters


def test_parameters_that_wait_for_a_restart_get_one_when_it_is_time() -> None:
    groups = [{"DBParameterGroupName": "mine", "ParameterApplyStatus": "pending-reboot"}]
    facts = replace(WORKING, item={**ITEM, "DBParameterGroups": groups}, agreed={**AGREED, "parameterGroupName": None})
    waiting = desired(facts, {"parameterGroupName": "mine"})
    assert not waiting.steps
    inside = replace(facts, now=datetime(2026, 11, 29, 2, 30, tzinfo=UTC))
    step = modified(desired(inside, {"parameterGroupName": "mine"}))
    assert (step.operation, step.parameters) == ("reboot_db_instance", {"DBInstanceIdentifier": "kind-shop-demo"})
    changed = modified(desired(inside, {"parameterGroupName": "other"}))
    assert changed.operation == "modify_db_instance", "the group first, then the restart"


def test_adoption_by_annotation_then_by_approval() -> None:
    theirs = replace(WORKING, tags={}, agreed={}, binding=None, check=None, item={**ITEM, "MultiAZ": False})
    asked = desired(theirs)
    assert "multiAZ false → true" in asked.verdict.message, "what would be changed is shown before anything is"
    found = desired(theirs, annotations={"tracetrack.io/adopt": "kind-shop-demo"})
    (step,) = found.steps
    assert isinstance(step, AdoptInstance)
    assert step.parameters["ResourceName"] == ITEM["DBInstanceArn"]
    ours = desired(replace(theirs, tags=OURS, binding=DATABASE, check=CheckResult(True)))
    assert not ours.steps
    assert ours.sync is not None
    assert ours.sync.reason == "AwaitingApproval"


def test_what_was_declared_for_a_creation_in_vain_is_forgotten_before_the_adoption() -> None:
    theirs = replace(WORKING, tags={}, binding=None, check=None)
    found = desired(theirs, annotations={"tracetrack.io/adopt": "kind-shop-demo"})
    assert not found.steps
    (secret,) = found.manifests
    assert secret["metadata"]["annotations"]["tracetrack.io/agreed"] == "{}"


def test_what_an_earlier_object_of_this_name_left_behind_can_be_adopted() -> None:
    earlier = {
        "tracetrack.io/uid": "uid-gone",
        "tracetrack.io/cluster": "kind",
        "tracetrack.io/namespace": "shop",
        "tracetrack.io/name": "demo",
    }
    assert desired(replace(WORKING, tags=earlier)).verdict.reason == "AdoptionRequired"


def test_a_refused_password_is_set_anew_after_approval_only() -> None:
    refused = replace(WORKING, access=Access(WORKING.credentials, refused=True))
    found = desired(refused)
    assert not found.steps
    token = found.details["approval"]
    step = modified(desired(refused, annotations={"tracetrack.io/approve": token}))
    assert step.parameters["MasterUserPassword"] == "pw-secret"
    assert "pw-secret" not in step.describe() + repr(step)


BOUND = {
    "management": "Bound",
    "instanceIdentifier": "theirs",
    "credentialsSecretRef": {"name": "login"},
    "backupRetentionDays": 30,
}


def test_what_is_bound_is_used_and_never_changed() -> None:
    found = desired(replace(WORKING, tags={}), BOUND)
    assert found.verdict.status == "True"
    assert (found.steps, found.manifests, found.sync) == ((), (), None)
    missing = desired(replace(WORKING, item=None, binding=None), BOUND)
    assert (missing.verdict.reason, missing.steps) == ("BoundNotFound", ())


def test_every_field_of_the_table_is_declared_and_the_other_way_round() -> None:
    obj = owner(SPEC)
    nothing: Any = None
    provider = RDS(nothing, nothing, nothing, nothing, nothing, Settings())
    declared = provider.declared(Scope(obj, Parent.of(obj), TraceTrackDeployment.parse(obj).spec, {}))
    assert declared.keys() == {field.name for field in TABLE}


def test_a_class_by_values_is_one_of_those_the_page_tells() -> None:
    for field in (*TABLE, *ELASTICACHE):
        if isinstance(field.disruption, Disruption):
            assert not field.classes
            continue
        by_field: dict[str, tuple[Any, ...]] = {
            "backupRetentionDays": (0, 7, 14),
            "masterSecretKmsKeyId": ("none", "key/1", "key/2"),
            "authentication": ("Token", "Users", "UserGroup theirs"),
        }
        values = by_field.get(field.name, ("7.2", "8.0", "17.5", "17.6", "18.1"))
        found = {field.change_class(a, b) for a in values for b in values if a != b}
        assert found == set(field.classes)


@pytest.mark.parametrize(
    ("source", "operation", "parameters"),
    [
        (
            {"snapshotIdentifier": "before-the-flood"},
            "restore_db_instance_from_db_snapshot",
            {"DBInstanceIdentifier": "kind-shop-demo", "DBSnapshotIdentifier": "before-the-flood"},
        ),
        (
            {"pointInTime": {"instanceIdentifier": "prod", "time": "2026-11-23T14:05:00Z"}},
            "restore_db_instance_to_point_in_time",
            {
                "SourceDBInstanceIdentifier": "prod",
                "TargetDBInstanceIdentifier": "kind-shop-demo",
                "RestoreTime": datetime(2026, 11, 23, 14, 5, tzinfo=UTC),
            },
        ),
        (
            {"pointInTime": {"instanceIdentifier": "prod"}},
            "restore_db_instance_to_point_in_time",
            {"TargetDBInstanceIdentifier": "kind-shop-demo", "UseLatestRestorableTime": True},
        ),
    ],
)
def test_a_new_instance_begins_with_what_is_restored(
    source: dict[str, Any], operation: str, parameters: dict[str, Any]
) -> None:
    spec = {"provider": "RDS", "rds": {"backupRetentionDays": 14}, "restoreFrom": source}
    found = desired(replace(WORKING, item=None, binding=None, agreed={}), database=spec)
    (step,) = found.steps
    assert isinstance(step, CreateInstance)
    assert step.operation == operation
    assert parameters.items() <= step.parameters.items()
    assert step.parameters["DBInstanceClass"] == "db.t4g.medium"
    assert {"Key": "tracetrack.io/uid", "Value": "uid-demo"} in step.parameters["Tags"]
    model = botocore.session.get_session().get_service_model("rds")
    shape = model.operation_model("".join(w.capitalize() for w in operation.split("_")).replace("Db", "DB")).input_shape
    assert step.parameters.keys() <= shape.members.keys(), "what AWS takes with it"


def test_what_a_restore_does_not_take_is_set_afterwards_and_so_is_the_password() -> None:
    spec = {"provider": "RDS", "rds": {"backupRetentionDays": 14}, "restoreFrom": {"snapshotIdentifier": "s"}}
    begun = agreed(desired(replace(WORKING, item=None, binding=None, agreed={}), database=spec))
    made = replace(WORKING, agreed=begun, binding=None, check=None)
    before = agreed(desired(made, database=spec))
    made = replace(made, agreed=before, access=Access(WORKING.credentials, refused=True))
    first = modified(desired(made, database=spec))
    assert first.parameters["BackupRetentionPeriod"] == 14
    looked = agreed(desired(replace(made, check=None), database=spec))
    item = {**ITEM, "BackupRetentionPeriod": 14}
    second = modified(desired(replace(made, item=item, agreed=looked), database=spec))
    assert second.parameters["MasterUserPassword"] == "pw-secret"
    let_in = replace(made, item=item, binding=DATABASE, check=CheckResult(True), access=Access(WORKING.credentials))
    working = agreed(desired(let_in, database=spec))
    lost = desired(replace(made, item=item, agreed=working), database=spec)
    assert not lost.steps, "later on it takes an approval"
