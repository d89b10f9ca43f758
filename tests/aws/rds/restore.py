"""New DB instances with the data of a snapshot, or of a moment of another instance."""

from __future__ import annotations

from typing import Any

from moto.core.utils import utcnow
from moto.rds.models import RDSBackend

from tests.aws.estate import Estate, Origin
from tests.aws.patch import put
from tests.aws.rds import moments
from tests.aws.rds.errors import OPERATIONAL, combination, found, state, wrong
from tests.aws.rds.instances import check_class, make
from tests.aws.rds.snapshots import taken
from tests.aws.rds.storage import STRIPED
from tests.backing import PostgresServer

# Servers that all instances share are there already, with whatever is in them.
_WHAT_ALL_SHARE = Origin(lambda server: None)
# What a new instance has from the one its data comes from, unless the request says otherwise.
_INHERITED = (
    "allocated_storage",
    "auto_minor_version_upgrade",
    "backup_retention_period",
    "db_instance_class",
    "engine",
    "engine_version",
    "iops",
    "kms_key_id",
    "master_username",
    "preferred_backup_window",
    "preferred_maintenance_window",
    "storage_encrypted",
    "storage_throughput",
    "storage_type",
)
_ASKED = (
    *("allocated_storage", "auto_minor_version_upgrade", "availability_zone", "backup_retention_period"),
    *("ca_certificate_identifier", "copy_tags_to_snapshot", "db_instance_class", "db_parameter_group_name"),
    *("db_subnet_group_name", "deletion_protection", "enable_iam_database_authentication", "iops"),
    *("max_allocated_storage", "multi_az", "preferred_backup_window", "publicly_accessible", "storage_throughput"),
    *("storage_type", "tags", "vpc_security_group_ids", "enable_cloudwatch_logs_exports", "kms_key_id"),
    *("enable_performance_insights", "performance_insights_kms_key_id", "performance_insights_retention_period"),
    *("database_insights_mode", "monitoring_interval", "monitoring_role_arn"),
)


def inherited(operation: str, source: Any, asked: Any, known: tuple[str, ...]) -> dict[str, Any]:
    """The parameters of an instance that is made from `source`; `known` are those of the request that name sources."""
    for name in asked:
        if name not in (*_ASKED, *known) and asked[name] is not None:
            raise NotImplementedError(f"{operation} with {name}")
    given = {name: getattr(source, name) for name in _INHERITED}
    chosen = {name: asked[name] for name in asked if name in _ASKED and asked[name] is not None}
    small = given["storage_type"] == "gp3" and given["allocated_storage"] < STRIPED
    if small or chosen.get("storage_type", given["storage_type"]) != given["storage_type"]:
        given["iops"] = given["storage_throughput"] = None
    check_class(chosen.get("db_instance_class", given["db_instance_class"]))
    size = chosen.get("allocated_storage")
    if size is not None and size < given["allocated_storage"]:
        raise wrong("The allocated storage size can't be less than the source snapshot or backup size.")
    return {**given, **chosen}


def _kept(estate: Estate, backend: Any, snapshot: Any) -> Origin:
    """The data of a snapshot; of an automated one, from the log of its instance."""
    if estate.settings.backing == "shared":
        return _WHAT_ALL_SHARE
    copy: PostgresServer | None = snapshot.__dict__.get("copy")
    if copy is not None:
        return Origin(copy.copy_into)
    instance = backend.databases.get(snapshot.db_instance_identifier)
    if instance is None or instance.status not in OPERATIONAL:
        raise NotImplementedError(f"restoring {snapshot.db_snapshot_identifier}, whose instance is gone or not at rest")
    return moments.moment(estate, instance, snapshot.created)


def install(estate: Estate) -> None:
    def restore_db_instance_from_db_snapshot(self: Any, from_snapshot_id: str, overrides: Any) -> Any:
        snapshot = taken(self, from_snapshot_id)
        if snapshot.status != "available":
            raise wrong(
                f"Snapshot {from_snapshot_id} is not in the available state: {snapshot.status}.",
                "InvalidDBSnapshotState",
            )
        known = ("db_instance_identifier", "db_snapshot_identifier", "engine", "license_model", "port")
        given = inherited("RestoreDBInstanceFromDBSnapshot", snapshot.database, overrides, known)
        given["engine_version"] = snapshot.engine_version
        given["db_instance_identifier"] = overrides["db_instance_identifier"]
        return make(estate, self, given, _kept(estate, self, snapshot))

    def restore_db_instance_to_point_in_time(
        self: Any, source_db_identifier: str | None, target_db_identifier: str, overrides: Any
    ) -> Any:
        if not source_db_identifier:
            raise NotImplementedError("RestoreDBInstanceToPointInTime without SourceDBInstanceIdentifier")
        source = found(self.databases, source_db_identifier)
        at, latest = overrides.get("restore_time"), overrides.get("use_latest_restorable_time")
        if bool(at) == bool(latest):
            raise combination("Specify either RestoreTime or UseLatestRestorableTime.")
        if not source.backup_retention_period:
            raise wrong(
                f"Point-in-time restore is not enabled for {source_db_identifier}: its backup retention period is 0.",
                "PointInTimeRestoreNotEnabled",
            )
        if source.status not in OPERATIONAL:
            raise state(f"Database instance is not in available state: {source_db_identifier} is {source.status}.")
        if at and not source.instance_create_time <= at <= utcnow():
            raise wrong(
                f"The specified time {at} is not between the earliest and the latest restorable time.",
                "InvalidRestoreFault",
            )
        known = (
            *("source_db_instance_identifier", "target_db_instance_identifier", "restore_time"),
            *("use_latest_restorable_time", "engine", "license_model", "port"),
        )
        given = inherited("RestoreDBInstanceToPointInTime", source, overrides, known)
        given["db_instance_identifier"] = target_db_identifier
        shared = estate.settings.backing == "shared"
        return make(estate, self, given, _WHAT_ALL_SHARE if shared else moments.moment(estate, source, at))

    put(RDSBackend, restore_db_instance_from_db_snapshot)
    put(RDSBackend, restore_db_instance_to_point_in_time)
