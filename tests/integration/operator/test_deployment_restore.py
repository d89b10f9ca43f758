"""A new database that begins with what another one held."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

import asyncpg
import pytest

from tests.aws.emulator import Emulator
from tests.integration.operator.conftest import eventually
from tests.integration.operator.deployments import Shop
from tests.integration.operator.test_deployment_aws import instance, shop
from tests.integration.operator.test_deployment_changes import by_hand, rds

__all__ = ["shop"]

SOURCE = "warehouse-3"


def run(host: str, port: int, user: str, password: str, database: str, statement: str) -> Any:
    """The single value that the statement gives."""

    async def ask() -> Any:
        unchecked = ssl.create_default_context()
        unchecked.check_hostname, unchecked.verify_mode = False, ssl.CERT_NONE
        connection = await asyncpg.connect(
            host=host, port=port, user=user, password=password, database=database, ssl=unchecked
        )
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close()

    return asyncio.run(ask())


@pytest.fixture
def source(shop: Shop, aws: Emulator) -> dict[str, Any]:
    """An instance of somebody's with a bag in it, and a snapshot from before the bag was lost."""
    client = aws.client("rds")
    by_hand(aws, SOURCE)
    made = instance(aws, SOURCE)
    assert made is not None
    at = made["Endpoint"]["Address"], made["Endpoint"]["Port"], "owner", "made-by-hand", "warehouse"
    run(*at, "create table lost as select 'SB00001' as bag")
    client.create_db_snapshot(DBInstanceIdentifier=SOURCE, DBSnapshotIdentifier="before")
    eventually(
        lambda: (
            client.describe_db_snapshots(DBSnapshotIdentifier="before")["DBSnapshots"][0]["Status"] == "available"
            and (instance(aws, SOURCE) or {})["DBInstanceStatus"] == "available"
        ),
        90,
    )
    run(*at, "delete from lost")
    return made


def test_from_a_snapshot_with_the_specs_settings_and_a_password_of_its_own(
    shop: Shop, aws: Emulator, source: dict[str, Any]
) -> None:
    wanted = rds(allocatedStorageGiB=30, backupRetentionDays=9, databaseName="warehouse")
    wanted = {**wanted, "restoreFrom": {"snapshotIdentifier": "before"}}
    shop.deploy(database=wanted, deletionPolicy="Delete")
    shop.wait("DatabaseReady", "True", timeout=120)
    shop.wait("Synced", "True", timeout=120)
    name = f"test-{shop.namespace}-demo"
    made = instance(aws, name)
    assert made is not None
    assert (made["DBInstanceClass"], made["BackupRetentionPeriod"]) == ("db.t4g.medium", 9)
    binding = shop.secret("demo-database-binding")
    assert (binding["username"], binding["database"]) == ("tracetrack_a", "warehouse")
    login = binding["host"], int(binding["port"]), binding["username"], binding["password"], "warehouse"
    assert run(*login, "select bag from lost") == "SB00001"
    calls = [call["operation"] for call in aws.calls("rds")]
    assert calls.count("RestoreDBInstanceFromDBSnapshot") == 1
    # One that is there already is none the wiser.
    shop.change("tracetrackdeployments", "demo", database={"restoreFrom": {"snapshotIdentifier": "another"}})
    shop.wait("DatabaseReady", "True")
    assert [call["operation"] for call in aws.calls("rds")].count("RestoreDBInstanceFromDBSnapshot") == 1


def test_what_there_is_no_snapshot_of_is_told(shop: Shop, aws: Emulator) -> None:
    shop.deploy(database={**rds(), "restoreFrom": {"snapshotIdentifier": "nowhere"}}, deletionPolicy="Delete")
    told = shop.wait("DatabaseReady", "False", "RestoreSourceNotFound", timeout=60)
    assert "nowhere" in told["message"]
