"""How databases and caches in AWS end: one by one, and with their namespace."""

from __future__ import annotations

import json
from typing import Any

from tests.aws.emulator import Emulator
from tests.integration.operator.conftest import eventually
from tests.integration.operator.deployments import EMBEDDED, Shop
from tests.integration.operator.test_deployment_aws import ELASTICACHE, RDS, group, instance, shop
from tests.integration.operator.test_deployment_changes import made, rds

__all__ = ["shop"]


def gone(shop: Shop) -> None:
    eventually(lambda: shop.find("tracetrackdeployments", "demo") is None, 60)


def test_a_protected_instance_is_deleted_once_it_no_longer_is(shop: Shop, aws: Emulator) -> None:
    name = made(shop, aws, database=rds(deletionProtection=True))
    shop.delete("tracetrackdeployments", "demo")
    told = shop.wait("Ready", "False", "DeletionProtected")
    assert "kubectl patch ttd demo" in told["message"]
    assert (instance(aws, name) or {})["DeletionProtection"] is True
    shop.change("tracetrackdeployments", "demo", database=rds(deletionProtection=False))
    eventually(lambda: shop.find("tracetrackdeployments", "demo") is None, 60)
    assert instance(aws, name) is None


def test_one_that_aws_makes_no_copy_of_waits_until_none_is_asked_for(shop: Shop, aws: Emulator) -> None:
    name = made(shop, aws, deletionPolicy="Snapshot")
    aws.trouble(name, "storage-full")
    shop.delete("tracetrackdeployments", "demo")
    told = shop.wait("Ready", "False", "FinalSnapshotRefused", "Cannot create a snapshot")
    assert '"deletionPolicy":"Delete"' in told["message"]
    shop.change("tracetrackdeployments", "demo", deletionPolicy="Delete")
    gone(shop)
    assert instance(aws, name) is None


def test_one_just_made_that_aws_does_not_show_yet_goes_all_the_same(shop: Shop, aws: Emulator) -> None:
    aws.stale({"rds:DescribeDBInstances": 1.5})
    shop.deploy(database=RDS, deletionPolicy="Delete")
    eventually(lambda: aws.calls("rds", "CreateDBInstance"), interval=0.02)
    shop.delete("tracetrackdeployments", "demo")
    gone(shop)
    aws.stale({})
    eventually(lambda: instance(aws, f"test-{shop.namespace}-demo") is None, 10)


def test_a_namespace_goes_and_what_nobody_can_be_asked_about_stays(shop: Shop, aws: Emulator) -> None:
    name = f"test-{shop.namespace}"
    shop.deploy(database=rds(deletionProtection=True), cache=ELASTICACHE, deletionPolicy="Snapshot")
    shop.deploy("full", database=RDS, deletionPolicy="Snapshot")
    shop.deploy("kept", database=EMBEDDED["database"], cache=ELASTICACHE, deletionPolicy="Retain")
    of = {"demo": "DatabaseReady", "full": "DatabaseReady", "kept": "CacheReady"}
    for deployment, type_ in (*of.items(), ("demo", "CacheReady")):
        shop.wait(type_, "True", name=deployment, timeout=60)
    aws.trouble(f"{name}-full", "storage-full")
    saved: dict[str, Any] = {
        each: shop.secret(f"{each}-{type_.removesuffix('Ready').lower()}-credentials") for each, type_ in of.items()
    }
    shop.control_plane.kubectl("delete", "namespace", shop.namespace, "--timeout=90s")
    assert (instance(aws, f"{name}-demo") or {})["DBInstanceStatus"] == "available"
    assert (instance(aws, f"{name}-full") or {})["DBInstanceStatus"] == "storage-full"
    assert group(aws, f"{name}-kept") is not None
    assert group(aws, f"{name}-demo") is None
    vault = aws.client("secretsmanager")
    for each, type_ in of.items():
        secret = f"tracetrack/test/{shop.namespace}/{each}/{type_.removesuffix('Ready').lower()}"
        found = json.loads(vault.get_secret_value(SecretId=secret)["SecretString"])
        assert found == {**saved[each], "host": found["host"]}
