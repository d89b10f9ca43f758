"""The master's password kept and rotated by RDS, with a real PostgreSQL behind the endpoint."""

from __future__ import annotations

import json
from typing import Any

import asyncpg
import pytest

from tests.aws.emulator import Emulator
from tests.integration.operator.conftest import eventually
from tests.integration.operator.deployments import Shop
from tests.integration.operator.test_deployment_aws import RDS, instance, shop
from tests.integration.operator.test_rotation import ROTATE, annotate, connect

__all__ = ["shop"]
BY_RDS: dict[str, Any] = {**RDS, "rds": {**RDS["rds"], "masterCredentials": "ManagedByRDS"}}


def kept(aws: Emulator, name: str) -> str:
    """The password in the secret that RDS keeps."""
    found = instance(aws, name)
    assert found is not None
    answer = aws.client("secretsmanager").get_secret_value(SecretId=found["MasterUserSecret"]["SecretArn"])
    return str(json.loads(answer["SecretString"])["password"])


def next_login(shop: Shop, request: str, user: str) -> dict[str, str]:
    annotate(shop, ROTATE, request)
    eventually(lambda: shop.secret("demo-database-binding")["username"] == user, 60)
    binding = shop.secret("demo-database-binding")
    assert connect(binding, "select current_user") == "tracetrack_owner"
    return binding


def test_logins_are_made_through_it_whatever_rds_makes_of_it_and_it_can_be_taken_back(
    shop: Shop, aws: Emulator
) -> None:
    shop.deploy(database=BY_RDS, deletionPolicy="Delete")
    shop.wait("DatabaseReady", "True", timeout=90)
    shop.wait("Synced", "True", timeout=30)
    name, rds = f"test-{shop.namespace}-demo", aws.client("rds")
    (made,) = aws.calls("rds", "CreateDBInstance")
    assert "MasterUserPassword" not in made["params"]
    status = lambda: shop.get("tracetrackdeployments", "demo")["status"]["database"]  # noqa: E731
    assert status()["masterSecretStatus"] == "active"
    first = kept(aws, name)
    binding = shop.secret("demo-database-binding")
    master = {**binding, "username": "tracetrack"}
    assert first not in json.dumps([shop.list("secrets"), shop.get("tracetrackdeployments", "demo")])
    with pytest.raises(asyncpg.InvalidPasswordError):
        connect({**master, "password": shop.secret("demo-database-credentials")["password"]}, "select 1")

    rds.modify_db_instance(DBInstanceIdentifier=name, RotateMasterUserPassword=True, ApplyImmediately=True)
    rds.get_waiter("db_instance_available").wait(DBInstanceIdentifier=name, WaiterConfig={"Delay": 1})
    assert kept(aws, name) != first
    next_login(shop, "one", "tracetrack_b")
    modified = [call["params"] for call in aws.calls("rds", "ModifyDBInstance")]
    assert not [each for each in modified if "MasterUserPassword" in each], "it is RDS's to change"

    shop.change("tracetrackdeployments", "demo", database={"rds": {"masterCredentials": "Generated"}})
    eventually(lambda: "MasterUserSecret" not in (instance(aws, name) or {}), 60)
    shop.wait("Synced", "True", timeout=60)
    assert "masterSecretStatus" not in status()
    own = {**master, "password": shop.secret("demo-database-credentials")["password"]}
    assert connect(own, "select current_user") == "tracetrack"
    next_login(shop, "two", "tracetrack_a")

    shop.change("tracetrackdeployments", "demo", database={"rds": {"masterCredentials": "ManagedByRDS"}})
    eventually(lambda: status().get("masterSecretStatus") == "active", 60)
    shop.wait("Synced", "True", timeout=60)
    with pytest.raises(asyncpg.InvalidPasswordError):
        connect(own, "select 1")
    binding = next_login(shop, "three", "tracetrack_b")
    told = json.dumps([shop.get("tracetrackdeployments", "demo"), *shop.list("events")])
    assert not [each for each in (kept(aws, name), binding["password"], own["password"]) if each in told]
