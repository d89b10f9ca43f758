"""ModifyDBInstance: what applies at once, what waits, and for what."""

from __future__ import annotations

import time
from typing import Any

import asyncpg
import pytest

from tests.aws.emulator import Emulator, EmulatorError
from tests.integration.aws.databases import NAME, available, connect, created, described, query
from tests.integration.aws.support import refused, until

NOW = {"ApplyImmediately": True}


def test_what_needs_no_window_applies_at_once(rds: Any, quick: Emulator) -> None:
    created(rds)
    rds.modify_db_instance(
        **NAME,
        BackupRetentionPeriod=14,
        PreferredBackupWindow="02:00-02:30",
        PreferredMaintenanceWindow="Sun:04:00-Sun:05:00",
        CopyTagsToSnapshot=False,
        DeletionProtection=True,
        MaxAllocatedStorage=100,
        AutoMinorVersionUpgrade=False,
        EnablePerformanceInsights=True,
        VpcSecurityGroupIds=["sg-0123456789abcdef0"],
        CloudwatchLogsExportConfiguration={"EnableLogTypes": ["postgresql"]},
    )
    instance = described(rds)
    assert instance["DBInstanceStatus"] == "available"
    assert instance["PendingModifiedValues"] == {}
    assert instance["BackupRetentionPeriod"] == 14
    assert (instance["PreferredBackupWindow"], instance["PreferredMaintenanceWindow"]) == (
        "02:00-02:30",
        "sun:04:00-sun:05:00",
    )
    assert (instance["CopyTagsToSnapshot"], instance["DeletionProtection"]) == (False, True)
    assert (instance["MaxAllocatedStorage"], instance["AutoMinorVersionUpgrade"]) == (100, False)
    assert (instance["PerformanceInsightsEnabled"], instance["PerformanceInsightsRetentionPeriod"]) == (True, 7)
    assert instance["EnabledCloudwatchLogsExports"] == ["postgresql"]
    assert instance["VpcSecurityGroups"] == [{"VpcSecurityGroupId": "sg-0123456789abcdef0", "Status": "adding"}]
    until(lambda: described(rds)["VpcSecurityGroups"][0]["Status"] == "active")
    rds.modify_db_instance(**NAME, MaxAllocatedStorage=20)
    assert "MaxAllocatedStorage" not in described(rds)


def test_one_change_for_now_takes_along_all_that_wait(rds: Any, quick: Emulator) -> None:
    created(rds)
    rds.modify_db_instance(**NAME, DBInstanceClass="db.t4g.small", BackupRetentionPeriod=0)
    rds.modify_db_instance(**NAME, EnableIAMDatabaseAuthentication=True, CACertificateIdentifier="rds-ca-ecc384-g1")
    waiting = {
        "DBInstanceClass": "db.t4g.small",
        "BackupRetentionPeriod": 0,
        "IAMDatabaseAuthenticationEnabled": True,
        "CACertificateIdentifier": "rds-ca-ecc384-g1",
    }
    instance = described(rds)
    assert instance["PendingModifiedValues"] == waiting
    assert (instance["DBInstanceClass"], instance["BackupRetentionPeriod"]) == ("db.t4g.micro", 1)
    assert instance["IAMDatabaseAuthenticationEnabled"] is False
    answer = rds.modify_db_instance(**NAME, MultiAZ=True, **NOW)["DBInstance"]
    assert answer["PendingModifiedValues"] == {**waiting, "MultiAZ": True}
    instance = available(rds)
    assert instance["PendingModifiedValues"] == {}
    assert (instance["DBInstanceClass"], instance["BackupRetentionPeriod"]) == ("db.t4g.small", 0)
    assert (instance["IAMDatabaseAuthenticationEnabled"], instance["MultiAZ"]) == (True, True)
    assert instance["CACertificateIdentifier"] == instance["CertificateDetails"]["CAIdentifier"] == "rds-ca-ecc384-g1"
    assert instance["SecondaryAvailabilityZone"] == "eu-central-1b"
    assert "LatestRestorableTime" not in instance


def test_asking_for_the_present_value_withdraws_a_pending_one(rds: Any, quick: Emulator) -> None:
    created(rds)
    rds.modify_db_instance(**NAME, DBInstanceClass="db.t4g.small", AllocatedStorage=40, BackupRetentionPeriod=0)
    rds.modify_db_instance(**NAME, DBInstanceClass="db.t4g.micro", AllocatedStorage=20)
    assert described(rds)["PendingModifiedValues"] == {"BackupRetentionPeriod": 0}
    rds.modify_db_instance(**NAME, BackupRetentionPeriod=5)
    instance = described(rds)
    assert (instance["PendingModifiedValues"], instance["BackupRetentionPeriod"]) == ({}, 5)


def test_no_state_ends_while_the_clock_stands_still(rds: Any, quick: Emulator) -> None:
    created(rds)
    with quick.standstill():
        rds.modify_db_instance(**NAME, DBInstanceClass="db.t4g.small", **NOW)
        time.sleep(1)
        assert described(rds)["DBInstanceStatus"] == "modifying"
    assert available(rds)["DBInstanceClass"] == "db.t4g.small"
    with quick.standstill():
        rds.modify_db_instance(**NAME, DBInstanceClass="db.t4g.micro", **NOW)
        quick.reset()
        created(rds)


def test_the_maintenance_window_applies_what_waits(rds: Any, quick: Emulator) -> None:
    created(rds, EngineVersion="16.4")
    assert quick.maintenance("rds") == []
    rds.modify_db_instance(**NAME, DBInstanceClass="db.t4g.small")
    with quick.standstill():
        assert quick.maintenance("rds", "kind-default-demo") == ["kind-default-demo"]
        assert described(rds)["DBInstanceStatus"] == "modifying"
        refused("InvalidDBInstanceState", rds.modify_db_instance, **NAME, DeletionProtection=True)
    assert available(rds)["DBInstanceClass"] == "db.t4g.small"
    with quick.standstill():
        assert quick.maintenance("rds", minor_versions=True) == ["kind-default-demo"]
        assert described(rds)["DBInstanceStatus"] == "upgrading"
    assert available(rds)["EngineVersion"] == "16.10"
    with pytest.raises(EmulatorError, match="another"):
        quick.maintenance("rds", "another")


async def test_a_new_class_or_version_drops_connections_and_other_changes_do_not(rds: Any, quick: Emulator) -> None:
    connection = await connect(created(rds, EngineVersion="17.4"))
    rds.modify_db_instance(**NAME, MultiAZ=True, AllocatedStorage=30, EnableIAMDatabaseAuthentication=True, **NOW)
    available(rds)
    assert await connection.fetchval("select 1") == 1
    for change in ({"DBInstanceClass": "db.t4g.small"}, {"EngineVersion": "17.5"}):
        rds.modify_db_instance(**NAME, **change, **NOW)
        instance = available(rds)
        assert change.items() <= instance.items()
        with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
            await connection.fetchval("select 1")
        connection = await connect(instance)
    await connection.close()


def test_versions_only_go_up_and_majors_when_allowed(rds: Any, quick: Emulator) -> None:
    created(rds, EngineVersion="15.8")
    targets = rds.describe_db_engine_versions(Engine="postgres", EngineVersion="15.8")["DBEngineVersions"][0]
    assert targets["DBParameterGroupFamily"] == "postgres15"
    offered = {target["EngineVersion"]: target["IsMajorVersionUpgrade"] for target in targets["ValidUpgradeTarget"]}
    assert (offered["15.14"], offered["17.6"]) == (False, True)
    assert "15.7" not in offered
    refused("InvalidParameterCombination", rds.modify_db_instance, **NAME, EngineVersion="15.7")
    refused("InvalidParameterCombination", rds.modify_db_instance, **NAME, EngineVersion="14.19")
    assert "AllowMajorVersionUpgrade" in refused(
        "InvalidParameterCombination", rds.modify_db_instance, **NAME, EngineVersion="17.6"
    )
    refused(
        "InvalidParameterCombination",
        rds.modify_db_instance,
        **NAME,
        EngineVersion="17.1",
        AllowMajorVersionUpgrade=True,
    )
    rds.modify_db_instance(**NAME, EngineVersion="17", AllowMajorVersionUpgrade=True)
    instance = described(rds)
    assert (instance["EngineVersion"], instance["PendingModifiedValues"]) == ("15.8", {"EngineVersion": "17.6"})
    rds.modify_db_instance(**NAME, **NOW)
    instance = available(rds)
    assert instance["EngineVersion"] == "17.6"
    assert instance["DBParameterGroups"] == [
        {"DBParameterGroupName": "default.postgres17", "ParameterApplyStatus": "in-sync"}
    ]


def test_a_custom_parameter_group_must_be_replaced_at_a_major_upgrade(rds: Any, quick: Emulator) -> None:
    for number in ("16", "17"):
        rds.create_db_parameter_group(
            DBParameterGroupName=f"own-{number}", DBParameterGroupFamily=f"postgres{number}", Description="own"
        )
    created(rds, EngineVersion="16.10", DBParameterGroupName="own-16")
    upgrade = {"EngineVersion": "17.6", "AllowMajorVersionUpgrade": True}
    assert "own-16" in refused("InvalidParameterCombination", rds.modify_db_instance, **NAME, **upgrade)
    refused("InvalidParameterCombination", rds.modify_db_instance, **NAME, **upgrade, DBParameterGroupName="own-16")
    rds.modify_db_instance(**NAME, **upgrade, DBParameterGroupName="own-17", **NOW)
    assert described(rds)["DBParameterGroups"][0]["DBParameterGroupName"] == "own-16"
    assert available(rds)["DBParameterGroups"] == [
        {"DBParameterGroupName": "own-17", "ParameterApplyStatus": "in-sync"}
    ]


async def test_storage_grows_by_a_tenth_at_least_and_then_rests(rds: Any, aws: Emulator) -> None:
    aws.clock(modify_seconds=0.3, optimize_seconds=3)
    instance = created(rds)
    assert (instance["StorageType"], instance["Iops"], instance["StorageThroughput"]) == ("gp3", 3000, 125)
    refused("InvalidParameterCombination", rds.modify_db_instance, **NAME, AllocatedStorage=10, **NOW)
    rds.modify_db_instance(**NAME, AllocatedStorage=21)
    assert described(rds)["PendingModifiedValues"] == {"AllocatedStorage": 22}
    rds.modify_db_instance(**NAME, **NOW)
    instance = until(lambda: one if (one := described(rds))["DBInstanceStatus"] == "storage-optimization" else None)
    assert instance["AllocatedStorage"] == 22
    assert await query(instance, "first-password", "select 1") == 1
    more = {**NAME, "AllocatedStorage": 40}
    assert "being optimized" in refused("InvalidParameterCombination", rds.modify_db_instance, **more)
    rds.modify_db_instance(**NAME, DeletionProtection=True, AllocatedStorage=22)
    assert described(rds)["DeletionProtection"] is True
    available(rds)
    assert "being optimized" in refused("InvalidParameterCombination", rds.modify_db_instance, **more)
    aws.clock(storage_cooldown_seconds=0)
    rds.modify_db_instance(**more)
    assert described(rds)["PendingModifiedValues"] == {"AllocatedStorage": 40}


def test_the_performance_of_gp3_can_be_chosen_from_400_gib_on(rds: Any, quick: Emulator) -> None:
    created(rds)
    assert "less than 400" in refused("InvalidParameterCombination", rds.modify_db_instance, **NAME, Iops=3000)
    both = "both the storage size and iops"
    assert both in refused("InvalidParameterCombination", rds.modify_db_instance, **NAME, AllocatedStorage=400)
    rds.modify_db_instance(**NAME, AllocatedStorage=400, Iops=12000, **NOW)
    instance = available(rds)
    assert (instance["Iops"], instance["StorageThroughput"]) == (12000, 500)
    for wrong in ({"Iops": 5000}, {"Iops": 70000}, {"StorageThroughput": 5000}, {"StorageThroughput": 3500}):
        refused("InvalidParameterCombination", rds.modify_db_instance, **NAME, **wrong)
    rds.modify_db_instance(**NAME, Iops=16000, StorageThroughput=1000, **NOW)
    instance = available(rds)
    assert (instance["Iops"], instance["StorageThroughput"]) == (16000, 1000)
    rds.modify_db_instance(**NAME, StorageType="io1", Iops=2000, **NOW)
    instance = available(rds)
    assert (instance["StorageType"], instance["Iops"]) == ("io1", 2000)
    assert both in refused("InvalidParameterCombination", rds.modify_db_instance, **NAME, AllocatedStorage=500)


def test_a_modification_that_rds_would_refuse_changes_nothing(rds: Any, quick: Emulator) -> None:
    before = created(rds)
    for code, wrong in (
        ("InvalidParameterValue", {"DBInstanceClass": "t4g.small"}),
        ("InvalidParameterValue", {"BackupRetentionPeriod": 36}),
        ("InvalidParameterValue", {"PreferredMaintenanceWindow": "wed:13:00-wed:14:00"}),
        ("InvalidParameterCombination", {"MaxAllocatedStorage": 10}),
        ("InvalidParameterCombination", {"MaxAllocatedStorage": 21}),
        ("InvalidParameterCombination", {"RotateMasterUserPassword": True, "ApplyImmediately": True}),
        ("CertificateNotFound", {"CACertificateIdentifier": "rds-ca-2019"}),
        ("DBParameterGroupNotFound", {"DBParameterGroupName": "another"}),
    ):
        refused(code, rds.modify_db_instance, **NAME, DeletionProtection=True, **wrong)
    after = described(rds)
    for instance in (before, after):
        instance.pop("LatestRestorableTime")
    assert after == before


async def test_a_reboot_restarts_the_server_and_fails_over_only_with_two_zones(rds: Any, quick: Emulator) -> None:
    refused("DBInstanceNotFound", rds.reboot_db_instance, **NAME)
    instance = created(rds)
    started = await query(instance, "first-password", "select pg_postmaster_start_time()")
    refused("InvalidParameterCombination", rds.reboot_db_instance, **NAME, ForceFailover=True)
    with quick.standstill():
        assert rds.reboot_db_instance(**NAME)["DBInstance"]["DBInstanceStatus"] == "rebooting"
        refused("InvalidDBInstanceState", rds.reboot_db_instance, **NAME)
    instance = available(rds)
    assert await query(instance, "first-password", "select pg_postmaster_start_time()") > started
    rds.modify_db_instance(**NAME, MultiAZ=True, **NOW)
    zones = available(rds)
    rds.reboot_db_instance(**NAME, ForceFailover=True)
    assert available(rds)["AvailabilityZone"] == zones["SecondaryAvailabilityZone"]
