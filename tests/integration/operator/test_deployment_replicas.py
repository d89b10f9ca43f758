"""Read replicas of a database in AWS, real standbys behind their endpoints, and a standby that takes over."""

from __future__ import annotations

from typing import Any

from tests.aws.emulator import Emulator
from tests.integration.operator.conftest import eventually
from tests.integration.operator.deployments import Shop
from tests.integration.operator.test_deployment_aws import instance, shop, tags_of
from tests.integration.operator.test_deployment_changes import annotate, made, rds, status

__all__ = ["shop"]


def replica(shop: Shop, name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(each for each in status(shop)["readReplicas"] if each["name"] == name)
    return found


def test_replicas_are_made_read_from_changed_and_removed_with_their_primary(shop: Shop, aws: Emulator) -> None:
    two = [{"name": "reports", "instanceClass": "db.t4g.large"}, {"name": "archive"}]
    aws.faults.add("rds", "CreateDBInstanceReadReplica", kind="lost")
    name = made(shop, aws, database=rds(readReplicas=two))
    uid = shop.get("tracetrackdeployments", "demo")["metadata"]["uid"]
    aws.faults.clear()
    shop.wait("ReplicasReady", "True", timeout=90)
    shop.wait("Synced", "True", timeout=60)
    reports, archive = instance(aws, f"{name}-reports"), instance(aws, f"{name}-archive")
    assert reports is not None
    assert archive is not None
    assert (reports["DBInstanceClass"], archive["DBInstanceClass"]) == ("db.t4g.large", "db.t4g.medium")
    assert reports["ReadReplicaSourceDBInstanceIdentifier"] == name
    assert tags_of(reports)["tracetrack.io/uid"] == uid
    assert tags_of(reports)["tracetrack.io/replica"] == "reports"
    assert status(shop)["readyReadReplicas"] == "2/2"
    assert replica(shop, "reports")["lagSeconds"] == 0
    binding = shop.secret("demo-database-binding")
    assert (binding["replica-host"], binding["replica-port"]) == (
        archive["Endpoint"]["Address"],
        str(archive["Endpoint"]["Port"]),
    )
    policy = shop.get("networkpolicies", "demo-app")["spec"]["egress"]
    ports = {port["port"] for rule in policy for port in rule["ports"]}
    assert {int(binding["port"]), int(binding["replica-port"])} <= ports

    larger = [{"name": "reports", "instanceClass": "db.t4g.xlarge"}]
    shop.change("tracetrackdeployments", "demo", database=rds(readReplicas=larger))
    told = shop.wait("Synced", "False", "AwaitingApproval", "instanceClass db.t4g.large → db.t4g.xlarge (reboot)")
    assert f"{name}-reports" in told["message"]
    eventually(lambda: instance(aws, f"{name}-archive") is None, 60)
    eventually(lambda: shop.secret("demo-database-binding").get("replica-port") == str(reports["Endpoint"]["Port"]), 60)
    assert (instance(aws, f"{name}-reports") or {})["DBInstanceClass"] == "db.t4g.large"
    annotate(shop, approve=status(shop)["approval"])
    shop.wait("Synced", "True", timeout=60)
    assert (instance(aws, f"{name}-reports") or {})["DBInstanceClass"] == "db.t4g.xlarge"
    shop.wait("ReplicasReady", "True", timeout=60)

    aws.client("rds").modify_db_instance(
        DBInstanceIdentifier=f"{name}-reports", CopyTagsToSnapshot=False, ApplyImmediately=True
    )
    eventually(lambda: (instance(aws, f"{name}-reports") or {})["CopyTagsToSnapshot"] is True, 60)

    shop.delete("tracetrackdeployments", "demo")
    eventually(lambda: shop.find("tracetrackdeployments", "demo") is None, 90)
    assert aws.client("rds").describe_db_instances()["DBInstances"] == []
    calls = [call for call in aws.calls("rds") if call["operation"] in ("DeleteDBInstance",)]
    assert [call["params"]["DBInstanceIdentifier"] for call in calls if call["status"] == 200][-1] == name
    created = [call for call in aws.calls("rds") if call["operation"] == "CreateDBInstanceReadReplica"]
    assert len([call for call in created if call["status"] == 200 or call["fault"]]) == 2


def test_what_isnt_ours_is_left_alone_and_the_database_serves(shop: Shop, aws: Emulator) -> None:
    name = f"test-{shop.namespace}-demo"
    client = aws.client("rds")
    client.create_db_instance(
        DBInstanceIdentifier=f"{name}-theirs",
        DBInstanceClass="db.t4g.medium",
        Engine="postgres",
        EngineVersion="17.6",
        AllocatedStorage=20,
        MasterUsername="owner",
        MasterUserPassword="made-by-hand",
    )
    made(shop, aws, database=rds(readReplicas=[{"name": "theirs"}, {"name": "ours"}]))
    shop.wait("ReplicasReady", "False", "OwnershipConflict", f"{name}-theirs exists and belongs to", timeout=90)
    eventually(lambda: status(shop)["readyReadReplicas"] == "1/2", 60)
    assert shop.conditions()["DatabaseReady"]["status"] == "True"
    client.promote_read_replica(DBInstanceIdentifier=f"{name}-ours")
    eventually(lambda: "replica-host" not in shop.secret("demo-database-binding"), 60)
    shop.change("tracetrackdeployments", "demo", database=rds(readReplicas=[{"name": "ours"}]))
    shop.wait("ReplicasReady", "False", "ReplicaPromoted", "left untouched", timeout=60)
    shop.delete("tracetrackdeployments", "demo")
    eventually(lambda: shop.find("tracetrackdeployments", "demo") is None, 90)
    left = {each["DBInstanceIdentifier"] for each in client.describe_db_instances()["DBInstances"]}
    assert left == {f"{name}-theirs", f"{name}-ours"}


def test_a_fail_over_is_told_with_its_zones(shop: Shop, aws: Emulator) -> None:
    name = made(shop, aws, database=rds(multiAZ=True))
    before = instance(aws, name) or {}
    eventually(lambda: '"primary"' in str(shop.get("secrets", "demo-database-credentials")["metadata"]["annotations"]))
    aws.client("rds").reboot_db_instance(DBInstanceIdentifier=name, ForceFailover=True)
    (event,) = eventually(lambda: shop.events("FailedOver"), 60)
    zones = before["AvailabilityZone"], before["SecondaryAvailabilityZone"]
    assert f"failed over from {zones[0]} to {zones[1]}" in event["message"]
    last = eventually(lambda: status(shop).get("lastFailover"))
    assert (last["from"], last["to"]) == zones
    shop.wait("DatabaseReady", "True", timeout=60)
    assert (event["type"], event["count"]) == ("Normal", 1)
