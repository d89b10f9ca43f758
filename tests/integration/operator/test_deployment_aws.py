"""Providers RDS and ElastiCache against the emulated AWS, with a real PostgreSQL and Redis behind the endpoints."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.aws.emulator import Emulator
from tests.backing import RedisServer
from tests.cluster.controlplane import ControlPlane
from tests.integration.operator.conftest import eventually
from tests.integration.operator.deployments import Shop
from tests.integration.operator.process import OperatorProcess

RDS: dict[str, Any] = {
    "provider": "RDS",
    "rds": {"allocatedStorageGiB": 20, "multiAZ": False, "deletionProtection": False},
}
ELASTICACHE: dict[str, Any] = {"provider": "ElastiCache", "elasticache": {"replicas": 0}}


@pytest.fixture
def shop(control_plane: ControlPlane, namespace: str, operator: OperatorProcess, aws: Emulator) -> Iterator[Shop]:
    """A namespace whose deployments are gone before the next test empties the emulator."""
    shop = Shop(control_plane, namespace)
    yield shop
    aws.faults.clear()
    for item in shop.list("tracetrackdeployments"):
        name = item["metadata"]["name"]
        if not item["metadata"].get("deletionTimestamp"):
            shop.delete("tracetrackdeployments", name)
        eventually(lambda name=name: shop.find("tracetrackdeployments", name) is None, 90)


def instance(aws: Emulator, name: str) -> dict[str, Any] | None:
    for found in aws.client("rds").describe_db_instances()["DBInstances"]:
        if found["DBInstanceIdentifier"] == name:
            return dict(found)
    return None


def group(aws: Emulator, name: str) -> dict[str, Any] | None:
    for found in aws.client("elasticache").describe_replication_groups()["ReplicationGroups"]:
        if found["ReplicationGroupId"] == name:
            return dict(found)
    return None


def tags_of(item: dict[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in item["TagList"]}


def test_made_awaited_bound_and_deleted_with_a_final_snapshot(shop: Shop, aws: Emulator) -> None:
    made = shop.deploy(database=RDS, cache=ELASTICACHE)
    uid, name = made["metadata"]["uid"], f"test-{shop.namespace}-demo"
    shop.wait("DatabaseReady", "False", "Progressing", f"DB instance {name}")
    assert shop.get("tracetrackdeployments", "demo")["metadata"]["finalizers"] == ["tracetrack.io/cleanup"]
    eventually(lambda: shop.pods("app"), 60)
    shop.run()
    found = instance(aws, name)
    assert found is not None
    assert tags_of(found) == {
        "tracetrack.io/uid": uid,
        "tracetrack.io/cluster": "test",
        "tracetrack.io/namespace": shop.namespace,
        "tracetrack.io/name": "demo",
    }
    binding, credentials = shop.secret("demo-database-binding"), shop.secret("demo-database-credentials")
    assert (binding["provider"], binding["sslmode"]) == ("rds", "verify-full")
    assert binding["port"] == str(found["Endpoint"]["Port"])
    assert (binding["username"], binding["password"]) == ("tracetrack_a", credentials["password-a"])
    assert "BEGIN CERTIFICATE" in binding["ca.crt"]
    cache = shop.secret("demo-cache-binding")
    assert (cache["provider"], cache["tls"]) == ("elasticache", "true")
    status = shop.get("tracetrackdeployments", "demo")["status"]
    assert status["database"]["state"] == "available"
    calls = [call["operation"] for call in aws.calls("rds")]
    assert calls.count("CreateDBInstance") == 1

    shop.delete("tracetrackdeployments", "demo")
    eventually(lambda: shop.find("tracetrackdeployments", "demo") is None, 90)
    assert instance(aws, name) is None
    assert group(aws, name[:40]) is None
    snapshots = aws.client("rds").describe_db_snapshots(DBSnapshotIdentifier=f"{name}-final-{uid[:8]}")["DBSnapshots"]
    assert [snapshot["Status"] for snapshot in snapshots] == ["available"]
    (kept,) = aws.client("elasticache").describe_snapshots(ReplicationGroupId=name[:40])["Snapshots"]
    assert (kept["SnapshotName"], kept["SnapshotStatus"]) == (f"{name}-final-{uid[:8]}", "available")
    told = eventually(lambda: shop.events("CleanedUp"))
    assert any(f"{name}-final-{uid[:8]}" in event["message"] for event in told)


def test_a_lost_answer_is_no_second_instance(shop: Shop, aws: Emulator) -> None:
    aws.faults.add("rds", "CreateDBInstance", kind="lost", times=None)
    shop.deploy(database=RDS, deletionPolicy="Delete")
    name = f"test-{shop.namespace}-demo"
    eventually(lambda: instance(aws, name))
    aws.faults.clear()
    shop.wait("DatabaseReady", "True", timeout=60)
    assert len(aws.client("rds").describe_db_instances()["DBInstances"]) == 1
    shop.delete("tracetrackdeployments", "demo")
    eventually(lambda: shop.find("tracetrackdeployments", "demo") is None, 90)
    assert instance(aws, name) is None
    assert aws.client("rds").describe_db_snapshots()["DBSnapshots"] == []


def test_somebody_elses_instance_is_refused_and_left_alone(shop: Shop, aws: Emulator) -> None:
    name = f"test-{shop.namespace}-demo"
    aws.client("rds").create_db_instance(
        DBInstanceIdentifier=name,
        DBInstanceClass="db.t4g.medium",
        Engine="postgres",
        AllocatedStorage=20,
        MasterUsername="other",
        MasterUserPassword="other-password",
        Tags=[
            {"Key": "tracetrack.io/uid", "Value": "another-uid"},
            {"Key": "tracetrack.io/namespace", "Value": "elsewhere"},
            {"Key": "tracetrack.io/name", "Value": "theirs"},
            {"Key": "tracetrack.io/cluster", "Value": "other"},
        ],
    )
    shop.deploy(database=RDS, deletionPolicy="Delete")
    told = shop.wait("DatabaseReady", "False", "OwnershipConflict", "elsewhere/theirs in cluster other", timeout=80)
    assert "spec.database.rds.instanceIdentifier" in told["message"]
    shop.delete("tracetrackdeployments", "demo")
    eventually(lambda: shop.find("tracetrackdeployments", "demo") is None, 90)
    assert instance(aws, name) is not None
    aws.client("rds").delete_db_instance(DBInstanceIdentifier=name, SkipFinalSnapshot=True)


def test_what_is_retained_stays_and_is_told(shop: Shop, aws: Emulator) -> None:
    shop.deploy(database=RDS, deletionPolicy="Retain")
    name = f"test-{shop.namespace}-demo"
    shop.wait("DatabaseReady", "True", timeout=60)
    shop.delete("tracetrackdeployments", "demo")
    eventually(lambda: shop.find("tracetrackdeployments", "demo") is None, 60)
    assert instance(aws, name) is not None
    told = eventually(lambda: shop.events("CleanedUp"))
    assert f"DB instance {name} is kept" in told[0]["message"]


def test_what_aws_refuses_is_told_with_the_remedy(shop: Shop, aws: Emulator) -> None:
    aws.faults.add("rds", "CreateDBInstance", kind="error", code="AccessDenied", status=403, times=None)
    shop.deploy(database=RDS, deletionPolicy="Delete")
    shop.wait("DatabaseReady", "False", "AwsAccessDenied", "IAM policy")
    aws.faults.clear()
    shop.wait("DatabaseReady", "True", timeout=90)


def test_a_deleted_password_comes_back_and_is_never_made_up(shop: Shop, aws: Emulator) -> None:
    shop.deploy(database=RDS, deletionPolicy="Delete")
    shop.wait("DatabaseReady", "True", timeout=60)
    before = shop.secret("demo-database-credentials")
    shop.delete("secrets", "demo-database-credentials")
    eventually(lambda: shop.find("secrets", "demo-database-credentials"), 10)
    assert shop.secret("demo-database-credentials") == before
    assert shop.secret("demo-database-binding")["password"] == before["password-a"]


def test_an_external_cache_beside_a_made_database(shop: Shop, aws: Emulator) -> None:
    with RedisServer() as redis:
        shop.put_secret("my-redis", {"host": redis.host, "port": str(redis.port), "password": redis.password})
        external = {"provider": "External", "external": {"secretRef": {"name": "my-redis"}}}
        shop.deploy(database=RDS, cache=external, deletionPolicy="Delete")
        shop.wait("CacheReady", "True")
        shop.wait("DatabaseReady", "True", timeout=60)
