"""Master passwords: given, or made, kept and rotated by RDS in Secrets Manager."""

from __future__ import annotations

import json
from typing import Any

import asyncpg
import pytest

from tests.aws.emulator import Emulator
from tests.integration.aws.databases import CREATE, NAME, available, created, described, query
from tests.integration.aws.support import refused

MANAGED = {"MasterUserPassword": None, "ManageMasterUserPassword": True}


def kept(aws: Emulator, instance: Any) -> tuple[str, str]:
    """(user, password) in the secret that RDS keeps for an instance."""
    value = aws.client("secretsmanager").get_secret_value(SecretId=instance["MasterUserSecret"]["SecretArn"])
    secret = json.loads(value["SecretString"])
    assert set(secret) == {"username", "password"}
    return secret["username"], secret["password"]


async def test_a_managed_password_is_random_works_and_rotates(rds: Any, quick: Emulator) -> None:
    refused("InvalidParameterCombination", rds.create_db_instance, **CREATE, ManageMasterUserPassword=True)
    instance = created(rds, **MANAGED)
    assert instance["MasterUserSecret"]["SecretStatus"] == "active"
    user, first = kept(quick, instance)
    assert user == "tracetrack"
    assert len(first) == 32
    assert await query(instance, first, "select 1") == 1

    rotate = {**NAME, "RotateMasterUserPassword": True}
    assert "apply immediately" in refused("InvalidParameterCombination", rds.modify_db_instance, **rotate)
    refused("InvalidParameterCombination", rds.modify_db_instance, **NAME, MasterUserPassword="second-password")
    with quick.standstill():
        answer = rds.modify_db_instance(**rotate, ApplyImmediately=True)["DBInstance"]
        assert answer["MasterUserSecret"]["SecretStatus"] == "rotating"
    instance = available(rds)
    assert instance["MasterUserSecret"]["SecretStatus"] == "active"
    _, second = kept(quick, instance)
    assert second != first
    assert await query(instance, second, "select 1") == 1
    with pytest.raises(asyncpg.InvalidPasswordError):
        await query(instance, first, "select 1")
    secrets, arn = quick.client("secretsmanager"), instance["MasterUserSecret"]["SecretArn"]
    previous = secrets.get_secret_value(SecretId=arn, VersionStage="AWSPREVIOUS")
    assert json.loads(previous["SecretString"])["password"] == first
    assert secrets.describe_secret(SecretId=arn)["OwningService"] == "rds"


async def test_management_is_turned_on_and_off(rds: Any, quick: Emulator) -> None:
    created(rds)
    refused(
        "InvalidParameterCombination",
        rds.modify_db_instance,
        **NAME,
        ManageMasterUserPassword=True,
        MasterUserPassword="second-password",
    )
    with quick.standstill():
        answer = rds.modify_db_instance(**NAME, ManageMasterUserPassword=True)["DBInstance"]
        assert (answer["DBInstanceStatus"], answer["MasterUserSecret"]["SecretStatus"]) == (
            "resetting-master-credentials",
            "creating",
        )
        assert answer["PendingModifiedValues"] == {"MasterUserPassword": "****"}
    instance = available(rds)
    assert instance["PendingModifiedValues"] == {}
    _, password = kept(quick, instance)
    assert await query(instance, password, "select 1") == 1
    off = {**NAME, "ManageMasterUserPassword": False}
    assert "MasterUserPassword" in refused("InvalidParameterCombination", rds.modify_db_instance, **off)
    rds.modify_db_instance(**off, MasterUserPassword="third-password")
    assert "MasterUserSecret" not in described(rds)
    assert await query(available(rds), "third-password", "select 1") == 1
    arn = instance["MasterUserSecret"]["SecretArn"]
    refused("ResourceNotFoundException", quick.client("secretsmanager").get_secret_value, SecretId=arn)
