"""Snapshots, restores and read replicas, with the data that is really in them."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from tests.aws.emulator import Emulator
from tests.integration.aws.databases import NAME, available, connect, created, described, query
from tests.integration.aws.support import TAGS, refused, until

COPY = {"DBInstanceIdentifier": "copy"}
FINAL = {"DBSnapshotIdentifier": "final"}


async def write(instance: Any, *scans: str) -> None:
    connection = await connect(instance)
    try:
        await connection.execute("create table if not exists scan (code text, at timestamptz default now())")
        await connection.executemany("insert into scan (code) values ($1)", [(scan,) for scan in scans])
    finally:
        await connection.close()


async def codes(instance: Any) -> str:
    return str(await query(instance, "first-password", "select string_agg(code, ' ' order by code) from scan"))


def snapshot(rds: Any, name: str) -> Any:
    return rds.describe_db_snapshots(DBSnapshotIdentifier=name)["DBSnapshots"][0]


def taken(rds: Any, name: str) -> Any:
    return until(lambda: one if (one := snapshot(rds, name))["Status"] == "available" else None, 60)


async def test_a_final_snapshot_brings_the_data_back_after_the_instance_is_gone(rds: Any, quick: Emulator) -> None:
    await write(created(rds), "before")
    with quick.standstill():
        rds.delete_db_instance(**NAME, FinalDBSnapshotIdentifier="final")
        refused("InvalidDBSnapshotState", rds.restore_db_instance_from_db_snapshot, **COPY, **FINAL)
    until(lambda: not rds.describe_db_instances()["DBInstances"], 60)
    kept = taken(rds, "final")
    assert (kept["PercentProgress"], kept["SnapshotType"], kept["StorageType"]) == (100, "manual", "gp3")
    refused("DBSnapshotNotFound", rds.restore_db_instance_from_db_snapshot, **COPY, DBSnapshotIdentifier="another")
    with quick.standstill():
        made = rds.restore_db_instance_from_db_snapshot(
            **COPY, **FINAL, DBInstanceClass="db.t4g.small", DeletionProtection=True, Tags=TAGS
        )["DBInstance"]
        assert (made["DBInstanceStatus"], made["DBInstanceClass"], made["DeletionProtection"]) == (
            "creating",
            "db.t4g.small",
            True,
        )
    assert (made["MasterUsername"], made["TagList"], made["MultiAZ"]) == ("tracetrack", TAGS, False)
    restored = available(rds, "copy")
    assert await codes(restored) == "before"
    await write(restored, "after")
    assert await codes(restored) == "after before"
    rds.delete_db_snapshot(**FINAL)
    refused("DBSnapshotNotFound", rds.describe_db_snapshots, **FINAL)


async def test_a_snapshot_holds_the_instance_up_and_what_was_written_before_it(rds: Any, quick: Emulator) -> None:
    instance = created(rds)
    await write(instance, "one")
    with quick.standstill():
        rds.create_db_snapshot(**NAME, DBSnapshotIdentifier="manual")
        assert described(rds)["DBInstanceStatus"] == "backing-up"
        refused("InvalidDBInstanceState", rds.modify_db_instance, **NAME, DeletionProtection=True)
        refused("InvalidDBSnapshotState", rds.delete_db_snapshot, DBSnapshotIdentifier="manual")
    available(rds)
    taken(rds, "manual")
    assert len(rds.describe_db_snapshots(**NAME, SnapshotType="manual")["DBSnapshots"]) == 1
    assert len(rds.describe_db_snapshots(**NAME)["DBSnapshots"]) == 2
    assert rds.describe_db_snapshots(DBInstanceIdentifier="another")["DBSnapshots"] == []
    await write(instance, "two")
    rds.restore_db_instance_from_db_snapshot(**COPY, DBSnapshotIdentifier="manual")
    assert await codes(available(rds, "copy")) == "one"
    assert await codes(instance) == "one two"


async def test_a_point_in_time_is_the_data_of_that_moment(rds: Any, quick: Emulator) -> None:
    instance = created(rds)
    await write(instance, "one")
    between = await query(instance, "first-password", "select clock_timestamp()")
    await asyncio.sleep(0.05)
    await write(instance, "two")
    source = {"SourceDBInstanceIdentifier": NAME["DBInstanceIdentifier"]}
    restore = rds.restore_db_instance_to_point_in_time
    late = datetime.now(UTC) + timedelta(hours=1)
    refused("InvalidRestoreFault", restore, **source, TargetDBInstanceIdentifier="copy", RestoreTime=late)
    refused("InvalidParameterCombination", restore, **source, TargetDBInstanceIdentifier="copy")
    restore(**source, TargetDBInstanceIdentifier="earlier", RestoreTime=between)
    restore(**source, TargetDBInstanceIdentifier="latest", UseLatestRestorableTime=True)
    earlier, latest = available(rds, "earlier"), available(rds, "latest")
    assert (await codes(earlier), await codes(latest)) == ("one", "one two")
    await write(earlier, "three")
    assert (await codes(earlier), await codes(instance)) == ("one three", "one two")
    again = {"SourceDBInstanceIdentifier": "earlier", "TargetDBInstanceIdentifier": "again"}
    restore(**again, UseLatestRestorableTime=True)
    assert await codes(available(rds, "again")) == "one three"
    rds.modify_db_instance(**NAME, BackupRetentionPeriod=0, ApplyImmediately=True)
    assert "LatestRestorableTime" not in available(rds)
    refused(
        "PointInTimeRestoreNotEnabled",
        restore,
        **source,
        TargetDBInstanceIdentifier="copy",
        UseLatestRestorableTime=True,
    )


async def test_a_read_replica_follows_until_it_is_promoted(rds: Any, quick: Emulator) -> None:
    instance = created(rds, BackupRetentionPeriod=0)
    replicate = {"DBInstanceIdentifier": "replica", "SourceDBInstanceIdentifier": NAME["DBInstanceIdentifier"]}
    assert "Automated backups" in refused("InvalidDBInstanceState", rds.create_db_instance_read_replica, **replicate)
    rds.modify_db_instance(**NAME, BackupRetentionPeriod=1, ApplyImmediately=True)
    available(rds)
    await write(instance, "one")
    rds.create_db_instance_read_replica(**replicate, DBInstanceClass="db.t4g.small")
    replica = available(rds, "replica")
    assert described(rds)["ReadReplicaDBInstanceIdentifiers"] == ["replica"]
    assert replica["ReadReplicaSourceDBInstanceIdentifier"] == "kind-default-demo"
    assert replica["StatusInfos"] == [{"StatusType": "read replication", "Normal": True, "Status": "replicating"}]
    assert (replica["DBInstanceClass"], replica["BackupRetentionPeriod"]) == ("db.t4g.small", 0)
    assert await codes(replica) == "one"
    await write(instance, "two")
    for _ in range(100):
        if await codes(replica) == "one two":
            break
    assert await codes(replica) == "one two"
    assert await query(replica, "first-password", "select pg_last_xact_replay_timestamp() is not null")
    lag = "select extract(epoch from replay_lag) < 60 from pg_stat_replication"
    assert await query(instance, "first-password", lag) in (True, None)
    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        await write(replica, "three")
    wrong = {"DBInstanceIdentifier": "replica", "FinalDBSnapshotIdentifier": "final"}
    refused("InvalidParameterCombination", rds.delete_db_instance, **wrong)
    refused("InvalidParameterValue", rds.modify_db_instance, **NAME, BackupRetentionPeriod=0)
    refused("InvalidDBInstanceState", rds.promote_read_replica, **NAME)

    rds.promote_read_replica(DBInstanceIdentifier="replica", BackupRetentionPeriod=3)
    replica = available(rds, "replica")
    assert "ReadReplicaSourceDBInstanceIdentifier" not in replica
    assert replica["BackupRetentionPeriod"] == 3
    assert described(rds)["ReadReplicaDBInstanceIdentifiers"] == []
    await write(replica, "three")
    assert (await codes(replica), await codes(instance)) == ("one three two", "one two")


async def test_a_replica_outlives_its_source(rds: Any, quick: Emulator) -> None:
    await write(created(rds), "one")
    rds.create_db_instance_read_replica(DBInstanceIdentifier="replica", SourceDBInstanceIdentifier="kind-default-demo")
    available(rds, "replica")
    rds.delete_db_instance(**NAME, SkipFinalSnapshot=True)
    until(lambda: len(rds.describe_db_instances()["DBInstances"]) == 1, 60)
    until(lambda: "ReadReplicaSourceDBInstanceIdentifier" not in described(rds, "replica"), 60)
    replica = available(rds, "replica")
    await write(replica, "two")
    assert await codes(replica) == "one two"
