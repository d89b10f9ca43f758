from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.aws.emulator import Emulator
from tests.integration.aws.databases import CREATE, NAME, available, described, query
from tests.integration.aws.support import TAGS, refused, until


async def test_an_instance_becomes_available_and_is_a_postgresql(rds: Any, aws: Emulator, tmp_path: Path) -> None:
    with aws.standstill():
        made = rds.create_db_instance(**CREATE)["DBInstance"]
        assert made["DBInstanceStatus"] == "creating"
        assert "Endpoint" not in made
        assert made["EngineVersion"].startswith("17.")
        assert made["TagList"] == TAGS
        refused("InvalidDBInstanceState", rds.modify_db_instance, **NAME, BackupRetentionPeriod=3)
    instance = available(rds)
    assert (
        await query(instance, "first-password", "select rolsuper from pg_roles where rolname = current_user") is False
    )
    assert await query(instance, "first-password", "create table scan (id int)") is None

    bundle = tmp_path / "ca.crt"
    bundle.write_text(aws.ca())
    verified = ssl.create_default_context(cafile=str(bundle))
    assert await query(instance, "first-password", "select current_database()", ssl=verified) == "tracetrack"
    with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):
        await query(instance, "first-password", "select 1", ssl=False)
    with pytest.raises(asyncpg.InvalidPasswordError):
        await query(instance, "another-password", "select 1")


async def test_a_new_master_password_is_the_one_that_works(rds: Any, aws: Emulator) -> None:
    rds.create_db_instance(**CREATE)
    instance = available(rds)
    with aws.standstill():
        rds.modify_db_instance(**NAME, MasterUserPassword="second-password")
        assert described(rds)["DBInstanceStatus"] == "resetting-master-credentials"
    available(rds)
    assert await query(instance, "second-password", "select 1") == 1
    with pytest.raises(asyncpg.InvalidPasswordError):
        await query(instance, "first-password", "select 1")


async def test_a_change_waits_for_the_window_unless_it_is_asked_for_now(rds: Any, aws: Emulator) -> None:
    rds.create_db_instance(**CREATE)
    available(rds)
    rds.modify_db_instance(**NAME, DBInstanceClass="db.t4g.small", BackupRetentionPeriod=7)
    instance = described(rds)
    assert instance["DBInstanceStatus"] == "available"
    assert instance["DBInstanceClass"] == "db.t4g.micro"
    assert instance["PendingModifiedValues"] == {"DBInstanceClass": "db.t4g.small"}
    assert instance["BackupRetentionPeriod"] == 7
    with aws.standstill():
        rds.modify_db_instance(**NAME, DBInstanceClass="db.t4g.small", ApplyImmediately=True)
        assert described(rds)["DBInstanceStatus"] == "modifying"
    instance = available(rds)
    assert instance["DBInstanceClass"] == "db.t4g.small"
    assert instance["PendingModifiedValues"] == {}


async def test_deletion_takes_the_final_snapshot_that_was_asked_for(rds: Any, aws: Emulator) -> None:
    rds.create_db_instance(**CREATE)
    instance = available(rds)
    assert "FinalDBSnapshotIdentifier" in refused("InvalidParameterCombination", rds.delete_db_instance, **NAME)
    refused(
        "InvalidParameterCombination",
        rds.delete_db_instance,
        **NAME,
        SkipFinalSnapshot=True,
        FinalDBSnapshotIdentifier="final",
    )
    with aws.standstill():
        deleted = rds.delete_db_instance(**NAME, FinalDBSnapshotIdentifier="final")["DBInstance"]
        assert deleted["DBInstanceStatus"] == "deleting"
        refused("InvalidDBInstanceState", rds.delete_db_instance, **NAME, SkipFinalSnapshot=True)
        refused("DBInstanceAlreadyExists", rds.create_db_instance, **CREATE)

    def snapshot() -> Any:
        found = rds.describe_db_snapshots(DBSnapshotIdentifier="final")["DBSnapshots"][0]
        return found if found["Status"] == "available" else None

    assert until(snapshot)["TagList"] == TAGS
    until(lambda: not rds.describe_db_instances()["DBInstances"])
    refused("DBInstanceNotFound", rds.describe_db_instances, **NAME)
    with pytest.raises(OSError, match=r"refused|Connect call failed"):
        await query(instance, "first-password", "select 1")


def test_protection_and_tags_and_snapshots(rds: Any, aws: Emulator) -> None:
    with aws.standstill():
        arn = rds.create_db_instance(**CREATE, DeletionProtection=True)["DBInstance"]["DBInstanceArn"]
        refused("InvalidDBInstanceState", rds.create_db_snapshot, **NAME, DBSnapshotIdentifier="early")
    available(rds)
    refused("InvalidParameterCombination", rds.delete_db_instance, **NAME, SkipFinalSnapshot=True)
    rds.add_tags_to_resource(ResourceName=arn, Tags=[{"Key": "site", "Value": "lucknow"}])
    assert len(rds.list_tags_for_resource(ResourceName=arn)["TagList"]) == 2
    with aws.standstill():
        assert rds.create_db_snapshot(**NAME, DBSnapshotIdentifier="manual")["DBSnapshot"]["Status"] == "creating"
        refused("DBSnapshotAlreadyExists", rds.create_db_snapshot, **NAME, DBSnapshotIdentifier="manual")


def test_a_subnet_group_is_created_and_must_exist(rds: Any, aws: Emulator) -> None:
    subnets = [subnet["SubnetId"] for subnet in aws.client("ec2").describe_subnets()["Subnets"]]
    rds.create_db_subnet_group(DBSubnetGroupName="demo", DBSubnetGroupDescription="demo", SubnetIds=subnets[:2])
    assert rds.describe_db_subnet_groups(DBSubnetGroupName="demo")["DBSubnetGroups"][0]["VpcId"]
    refused("DBSubnetGroupNotFoundFault", rds.create_db_instance, **CREATE, DBSubnetGroupName="other")


@pytest.mark.parametrize(
    ("code", "wrong"),
    [
        ("InvalidParameterValue", {"MasterUserPassword": "short"}),
        ("InvalidParameterValue", {"MasterUserPassword": "with/slash/es"}),
        ("InvalidParameterValue", {"MasterUsername": "admin"}),
        ("InvalidParameterValue", {"DBInstanceClass": "t4g.micro"}),
        ("InvalidParameterValue", {"AllocatedStorage": 5}),
        ("InvalidParameterCombination", {"EngineVersion": "9.6"}),
    ],
)
def test_what_rds_would_refuse_is_refused(rds: Any, code: str, wrong: dict[str, Any]) -> None:
    refused(code, rds.create_db_instance, **{**CREATE, **wrong})
    assert rds.describe_db_instances()["DBInstances"] == []


def test_pages_are_within_the_limits_of_rds(rds: Any) -> None:
    refused("InvalidParameterValue", rds.describe_db_instances, MaxRecords=5)
    assert rds.describe_db_instances(MaxRecords=20)["DBInstances"] == []
