"""Databases and caches in AWS as the spec, people and the calendar change them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.aws.emulator import Emulator
from tests.integration.operator.conftest import eventually
from tests.integration.operator.deployments import Shop
from tests.integration.operator.test_deployment_aws import ELASTICACHE, RDS, group, instance, shop

__all__ = ["shop"]


def rds(**fields: Any) -> dict[str, Any]:
    return {"provider": "RDS", "rds": {**RDS["rds"], **fields}}


def status(shop: Shop) -> dict[str, Any]:
    found: dict[str, Any] = shop.get("tracetrackdeployments", "demo")["status"]["database"]
    return found


def modifications(aws: Emulator) -> list[dict[str, Any]]:
    return [call["params"] for call in aws.calls("rds") if call["operation"] == "ModifyDBInstance"]


def made(shop: Shop, aws: Emulator, **spec: Any) -> str:
    shop.deploy(**{"database": RDS, "deletionPolicy": "Delete", **spec})
    shop.wait("DatabaseReady", "True", timeout=60)
    shop.wait("Synced", "True", timeout=60)
    return f"test-{shop.namespace}-demo"


def annotate(shop: Shop, **annotations: str) -> None:
    words = [f"tracetrack.io/{key}={value}" for key, value in annotations.items()]
    shop.control_plane.kubectl("annotate", "--overwrite", "-n", shop.namespace, "ttd/demo", *words)


def test_what_is_online_is_changed_at_once_and_in_one_call(shop: Shop, aws: Emulator) -> None:
    name = made(shop, aws)
    shop.change("tracetrackdeployments", "demo", database=rds(backupRetentionDays=14, backupWindow="20:00-20:30"))
    shop.wait("Synced", "True", timeout=60)
    found = instance(aws, name)
    assert found is not None
    assert (found["BackupRetentionPeriod"], found["PreferredBackupWindow"]) == (14, "20:00-20:30")
    assert len(modifications(aws)) == 1
    assert "pendingChanges" not in status(shop)


def test_a_restart_waits_until_it_is_approved(shop: Shop, aws: Emulator) -> None:
    name = made(shop, aws)
    shop.change("tracetrackdeployments", "demo", database=rds(instanceClass="db.r8g.large", backupRetentionDays=10))
    told = shop.wait("Synced", "False", "AwaitingApproval", "instanceClass db.t4g.medium → db.r8g.large (reboot)")
    eventually(lambda: (instance(aws, name) or {})["BackupRetentionPeriod"] == 10)
    token = status(shop)["approval"]
    assert f"tracetrack.io/approve={token}" in told["message"]
    assert shop.conditions()["DatabaseReady"]["status"] == "True"
    assert (instance(aws, name) or {})["DBInstanceClass"] == "db.t4g.medium"
    assert not any("DBInstanceClass" in call for call in modifications(aws))
    annotate(shop, approve=token)
    shop.wait("Synced", "True", timeout=60)
    assert (instance(aws, name) or {})["DBInstanceClass"] == "db.r8g.large"
    assert status(shop)["size"] == "db.r8g.large"
    assert len(modifications(aws)) == 2


def test_in_the_maintenance_window_a_restart_needs_nobody(shop: Shop, aws: Emulator) -> None:
    now = datetime.now(UTC)
    window = "-".join(f"{moment:%a:%H:%M}".lower() for moment in (now - timedelta(hours=1), now + timedelta(hours=2)))
    # The one that AWS picks may overlap with a window of this hour, which AWS refuses.
    backups = "-".join(f"{now + timedelta(hours=hours):%H:%M}" for hours in (10, 11))
    name = made(shop, aws, database=rds(backupWindow=backups))
    changed = rds(backupWindow=backups, instanceClass="db.r8g.large")
    shop.change("tracetrackdeployments", "demo", database=changed, maintenanceWindow=window)
    shop.wait("Synced", "True", timeout=60)
    assert (instance(aws, name) or {})["DBInstanceClass"] == "db.r8g.large"


def test_what_would_be_another_instance_is_refused_with_the_way_to_do_it(shop: Shop, aws: Emulator) -> None:
    made(shop, aws)
    refused = rds(engineVersion="18", majorUpgrade={"strategy": "Refuse"})
    shop.change("tracetrackdeployments", "demo", database=refused)
    told = shop.wait("Synced", "False", "ReplaceRequired", "engineVersion can't be changed from 17.6 to 18 in place")
    assert "kubectl patch ttd demo --type merge -p" in told["message"]
    assert '"majorUpgrade":{"strategy":"BlueGreen"}' in told["message"]
    assert shop.conditions()["Ready"]["reason"] != "ReplaceRequired", "what serves goes on serving"
    assert modifications(aws) == []


def test_what_somebody_has_left_for_the_window_is_set_off_by_no_change_of_ours(shop: Shop, aws: Emulator) -> None:
    name, client = made(shop, aws), aws.client("rds")
    authority = (instance(aws, name) or {})["CACertificateIdentifier"]
    client.modify_db_instance(DBInstanceIdentifier=name, CACertificateIdentifier="rds-ca-ecc384-g1")
    shop.change("tracetrackdeployments", "demo", database=rds(backupRetentionDays=14))
    eventually(lambda: (instance(aws, name) or {})["BackupRetentionPeriod"] == 14)
    shop.wait("Synced", "True")
    found = instance(aws, name) or {}
    assert (found["CACertificateIdentifier"], found["PendingModifiedValues"]) == (authority, {})
    client.modify_db_instance(DBInstanceIdentifier=name, EnableIAMDatabaseAuthentication=True)
    shop.change("tracetrackdeployments", "demo", database=rds(backupRetentionDays=21))
    shop.wait("Synced", "False", "AwaitingApproval", "AWS has IAMDatabaseAuthenticationEnabled pending")
    assert (instance(aws, name) or {})["BackupRetentionPeriod"] == 14
    client.modify_db_instance(DBInstanceIdentifier=name, EnableIAMDatabaseAuthentication=False)
    shop.wait("Synced", "True", timeout=60)
    assert (instance(aws, name) or {})["BackupRetentionPeriod"] == 21


@pytest.mark.parametrize("policy", ["Correct", "Report"])
def test_what_a_person_changed_in_aws_is_told_or_set_back(shop: Shop, aws: Emulator, policy: str) -> None:
    name = made(shop, aws, driftPolicy=policy)
    aws.client("rds").modify_db_instance(
        DBInstanceIdentifier=name, BackupRetentionPeriod=1, DeletionProtection=True, ApplyImmediately=True
    )
    if policy == "Report":
        told = shop.wait("Synced", "False", "Drifted", "backupRetentionDays 1 → 7 (online)")
        assert "deletionProtection true → false" in told["message"]
        assert (instance(aws, name) or {})["BackupRetentionPeriod"] == 1
        annotate(shop, approve=status(shop)["approval"])
    eventually(lambda: (instance(aws, name) or {})["BackupRetentionPeriod"] == 7)
    shop.wait("Synced", "True")
    messages = eventually(lambda: [event["message"] for event in shop.events("DriftCorrected")])
    assert any("backupRetentionDays 1 → 7 (online), changed by hand" in message for message in messages)
    assert any("deletionProtection true → false" in message for message in messages)


def begun_by_hand(aws: Emulator, name: str) -> None:
    client = aws.client("rds")
    client.create_db_instance(
        DBInstanceIdentifier=name,
        DBInstanceClass="db.t4g.large",
        Engine="postgres",
        EngineVersion="17.6",
        AllocatedStorage=30,
        StorageType="gp3",
        StorageEncrypted=True,
        DBName="warehouse",
        MasterUsername="owner",
        MasterUserPassword="made-by-hand",
    )


def by_hand(aws: Emulator, name: str) -> None:
    begun_by_hand(aws, name)
    client = aws.client("rds")
    eventually(
        lambda: (
            client.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0]["DBInstanceStatus"] == "available"
        )
    )


def as_it_is(aws: Emulator, name: str) -> dict[str, Any]:
    return {key: value for key, value in (instance(aws, name) or {}).items() if key != "LatestRestorableTime"}


def test_an_instance_made_by_hand_is_adopted_step_by_step(shop: Shop, aws: Emulator) -> None:
    by_hand(aws, "warehouse-1")
    before = as_it_is(aws, "warehouse-1")
    shop.deploy(database=rds(instanceIdentifier="warehouse-1"), deletionPolicy="Retain")
    told = shop.wait(
        "DatabaseReady", "False", "AdoptionRequired", "kubectl annotate ttd demo tracetrack.io/adopt=warehouse-1"
    )
    assert "instanceClass db.t4g.large → db.t4g.medium (reboot)" in told["message"]
    assert as_it_is(aws, "warehouse-1") == before
    annotate(shop, adopt="warehouse-1")
    shop.wait("DatabaseReady", "False", "AuthenticationFailed")
    told = shop.wait("Synced", "False", "AwaitingApproval", "masterUserPassword")
    assert modifications(aws) == []
    annotate(shop, approve=status(shop)["approval"])
    shop.wait("DatabaseReady", "True", timeout=60)
    shop.wait("Synced", "True", timeout=60)
    binding = shop.secret("demo-database-binding")
    assert (binding["username"], binding["database"]) == ("tracetrack_a", "warehouse")
    assert (instance(aws, "warehouse-1") or {})["DBInstanceClass"] == "db.t4g.medium"


def test_an_instance_seen_only_when_its_creation_was_refused_is_not_changed_either(shop: Shop, aws: Emulator) -> None:
    aws.stale({"rds:DescribeDBInstances": 300})
    begun_by_hand(aws, "warehouse-3")
    shop.deploy(database=rds(instanceIdentifier="warehouse-3"), deletionPolicy="Retain")
    annotate(shop, adopt="warehouse-3")

    def answers() -> list[str | None]:
        """To the creations of this one, but that by hand: what an earlier test left may be made anew meanwhile."""
        made = aws.calls("rds", "CreateDBInstance")
        ours = [call for call in made if call["params"]["DBInstanceIdentifier"] == "warehouse-3"][1:]
        return [call["error"] for call in ours if call["status"]]

    eventually(answers)
    assert set(answers()) == {"DBInstanceAlreadyExists"}
    aws.stale({})
    shop.wait("Synced", "False", "AwaitingApproval", "backupRetentionDays 1 → 7 (online)", timeout=90)
    assert modifications(aws) == []


def test_an_instance_that_is_bound_is_used_and_left_alone(shop: Shop, aws: Emulator) -> None:
    by_hand(aws, "warehouse-2")
    before = as_it_is(aws, "warehouse-2")
    bound = {
        "management": "Bound",
        "instanceIdentifier": "warehouse-2",
        "credentialsSecretRef": {"name": "login"},
    }
    shop.deploy(database={"provider": "RDS", "rds": bound}, deletionPolicy="Delete")
    shop.wait("DatabaseReady", "False", "SecretInvalid", "login")
    shop.put_secret("login", {"username": "owner", "password": "made-by-hand"})
    shop.wait("DatabaseReady", "True")
    assert shop.secret("demo-database-binding")["username"] == "owner"
    shop.delete("tracetrackdeployments", "demo")
    eventually(lambda: shop.find("tracetrackdeployments", "demo") is None)
    assert as_it_is(aws, "warehouse-2") == before
    assert any("left untouched" in event["message"] for event in shop.events("CleanedUp"))


def test_an_answer_that_is_lost_is_no_second_change(shop: Shop, aws: Emulator) -> None:
    name = made(shop, aws)
    aws.faults.add("rds", "ModifyDBInstance", kind="lost", times=1)
    shop.change("tracetrackdeployments", "demo", database=rds(backupRetentionDays=21))
    shop.wait("Synced", "True", timeout=60)
    assert (instance(aws, name) or {})["BackupRetentionPeriod"] == 21


def test_a_growth_that_rds_does_not_take_yet_keeps_nothing_else_from_being_made(shop: Shop, aws: Emulator) -> None:
    name = made(shop, aws, database=rds(maxAllocatedStorageGiB=30))
    shop.change("tracetrackdeployments", "demo", database=rds(allocatedStorageGiB=40, maxAllocatedStorageGiB=100))
    eventually(lambda: (instance(aws, name) or {})["AllocatedStorage"] == 40)
    shop.wait("Synced", "True", timeout=60)
    grown = rds(allocatedStorageGiB=80, maxAllocatedStorageGiB=100, backupRetentionDays=14)
    shop.change("tracetrackdeployments", "demo", database=grown)
    eventually(lambda: (instance(aws, name) or {})["BackupRetentionPeriod"] == 14)
    refused = "AWS refuses to change DB instance"
    shop.wait("Synced", "False", "AwsInvalidRequest", f"{refused} {name}: allocatedStorageGiB 40 → 80 (online)")
    assert shop.conditions()["DatabaseReady"]["status"] == "True"
    aws.clock(storage_cooldown_seconds=0)
    shop.wait("Synced", "True", timeout=60)
    assert (instance(aws, name) or {})["AllocatedStorage"] == 80


def test_a_cache_gets_replicas_and_other_nodes_and_is_told_what_its_parameters_wait_for(
    shop: Shop, aws: Emulator
) -> None:
    def change(**fields: Any) -> None:
        shop.change("tracetrackdeployments", "demo", cache={"provider": "ElastiCache", "elasticache": fields})

    def told_of() -> dict[str, Any]:
        return dict(shop.get("tracetrackdeployments", "demo")["status"]["cache"])

    def found() -> dict[str, Any]:
        return group(aws, told_of()["identifier"]) or {}

    shop.deploy(cache=ELASTICACHE)
    shop.wait("CacheReady", "True", timeout=60)
    change(replicas=1)
    shop.wait("Synced", "True", timeout=60)
    one = found()
    assert (len(one["MemberClusters"]), one["AutomaticFailover"], one["MultiAZ"]) == (2, "enabled", "enabled")
    calls = [
        call["operation"] for call in aws.calls("elasticache") if not call["operation"].startswith(("Desc", "List"))
    ]
    assert calls == ["CreateReplicationGroup", "IncreaseReplicaCount", "ModifyReplicationGroup"]
    change(replicas=2, nodeType="cache.r7g.large")
    shop.wait("Synced", "False", "AwaitingApproval", "nodeType cache.t4g.micro → cache.r7g.large (reboot)")
    eventually(lambda: len(found()["MemberClusters"]) == 3)
    annotate(shop, approve=told_of()["approval"])
    shop.wait("Synced", "True", timeout=60)
    assert found()["CacheNodeType"] == "cache.r7g.large"
    client, name = aws.client("elasticache"), {"CacheParameterGroupName": "shop-8"}
    client.create_cache_parameter_group(**name, CacheParameterGroupFamily="valkey8", Description="shop")
    static = [{"ParameterName": "databases", "ParameterValue": "32"}]
    client.modify_cache_parameter_group(**name, ParameterNameValues=static)
    change(replicas=1, parameterGroupName="shop-8")
    told = shop.wait("Synced", "False", "ParametersPending", "shop-8 wait for a restart", timeout=60)
    assert told["message"].count("reboot-cache-cluster") == len(found()["MemberClusters"]) == 2
