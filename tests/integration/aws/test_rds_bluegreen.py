"""Blue/green deployments: a major upgrade beside the database, then in its place."""

from __future__ import annotations

from typing import Any

import asyncpg
import pytest

from tests.aws.emulator import Emulator
from tests.integration.aws.databases import NAME, available, connect, created, described, query
from tests.integration.aws.support import TAGS, refused, until


def deployment(rds: Any, identifier: str) -> Any:
    return rds.describe_blue_green_deployments(BlueGreenDeploymentIdentifier=identifier)["BlueGreenDeployments"][0]


def reached(rds: Any, identifier: str, status: str) -> Any:
    return until(lambda: one if (one := deployment(rds, identifier))["Status"] == status else None, 60)


def logical(rds: Any) -> None:
    for number in ("16", "17"):
        own = {"DBParameterGroupName": f"own-{number}"}
        rds.create_db_parameter_group(**own, DBParameterGroupFamily=f"postgres{number}", Description="own")
        rds.modify_db_parameter_group(
            **own,
            Parameters=[
                {"ParameterName": "rds.logical_replication", "ParameterValue": "1", "ApplyMethod": "pending-reboot"}
            ],
        )


async def test_a_major_upgrade_takes_the_place_of_the_old_version(rds: Any, quick: Emulator) -> None:
    logical(rds)
    instance = created(rds, EngineVersion="16.10", DBParameterGroupName="own-16")
    assert await query(instance, "first-password", "show wal_level") == "logical"
    connection = await connect(instance)
    await connection.execute("create table scan (code text)")
    ask = {"BlueGreenDeploymentName": "to-17", "Source": instance["DBInstanceArn"], "TargetEngineVersion": "17.6"}
    refused("InvalidParameterCombination", rds.create_blue_green_deployment, **ask)
    with quick.standstill():
        made = rds.create_blue_green_deployment(
            **ask, TargetDBParameterGroupName="own-17", TargetDBInstanceClass="db.t4g.small"
        )["BlueGreenDeployment"]
        identifier = made["BlueGreenDeploymentIdentifier"]
        assert made["Status"] == "PROVISIONING"
        refused("BlueGreenDeploymentAlreadyExistsFault", rds.create_blue_green_deployment, **ask)
        switch = {"BlueGreenDeploymentIdentifier": identifier}
        refused("InvalidBlueGreenDeploymentStateFault", rds.switchover_blue_green_deployment, **switch)
    made = reached(rds, identifier, "AVAILABLE")
    assert {task["Status"] for task in made["Tasks"]} == {"COMPLETED"}
    green = described(rds, made["Target"])
    assert (green["EngineVersion"], green["DBInstanceClass"], green["TagList"]) == ("17.6", "db.t4g.small", TAGS)
    assert green["DBInstanceIdentifier"].startswith("kind-default-demo-green-")

    await connection.execute("insert into scan values ('late')")
    with quick.standstill():
        answer = rds.switchover_blue_green_deployment(**switch)["BlueGreenDeployment"]
        assert answer["Status"] == "SWITCHOVER_IN_PROGRESS"
    after = reached(rds, identifier, "SWITCHOVER_COMPLETED")
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        await connection.fetchval("select 1")
    new, old = available(rds), available(rds, "kind-default-demo-old1")
    assert (after["Source"], after["Target"]) == (old["DBInstanceArn"], new["DBInstanceArn"])
    assert (new["EngineVersion"], old["EngineVersion"]) == ("17.6", "16.10")
    assert new["Endpoint"] == instance["Endpoint"]
    assert new["DbiResourceId"] == green["DbiResourceId"]
    assert await query(new, "first-password", "select code from scan") == "late"
    await query(new, "first-password", "insert into scan values ('later')")
    assert await query(old, "first-password", "select count(*) from scan") == 1
    refused("InvalidParameterCombination", rds.delete_blue_green_deployment, **switch, DeleteTarget=True)
    rds.delete_blue_green_deployment(**switch)
    refused("BlueGreenDeploymentNotFoundFault", rds.switchover_blue_green_deployment, **switch)


def test_what_can_not_be_a_source_and_a_deployment_given_up(rds: Any, quick: Emulator) -> None:
    instance = created(rds, EngineVersion="16.4")
    ask = {"BlueGreenDeploymentName": "next", "Source": instance["DBInstanceArn"]}
    refused("SourceDatabaseNotSupportedFault", rds.create_blue_green_deployment, **ask, TargetEngineVersion="17.6")
    refused("InvalidParameterCombination", rds.create_blue_green_deployment, **ask, TargetEngineVersion="15.14")
    with quick.standstill():
        made = rds.create_blue_green_deployment(**ask, TargetEngineVersion="16.10")["BlueGreenDeployment"]
        identifier = {"BlueGreenDeploymentIdentifier": made["BlueGreenDeploymentIdentifier"]}
        refused("InvalidBlueGreenDeploymentStateFault", rds.delete_blue_green_deployment, **identifier)
    reached(rds, made["BlueGreenDeploymentIdentifier"], "AVAILABLE")
    named = {"Name": "blue-green-deployment-name", "Values": ["next"]}
    assert len(rds.describe_blue_green_deployments(Filters=[named])["BlueGreenDeployments"]) == 1
    rds.delete_blue_green_deployment(**identifier, DeleteTarget=True)
    until(lambda: len(rds.describe_db_instances()["DBInstances"]) == 1, 30)
    assert described(rds)["EngineVersion"] == "16.4"
    assert rds.describe_blue_green_deployments()["BlueGreenDeployments"] == []
    rds.modify_db_instance(**NAME, BackupRetentionPeriod=0, ApplyImmediately=True)
    available(rds)
    refused("SourceDatabaseNotSupportedFault", rds.create_blue_green_deployment, **ask)
