"""ModifyDBInstance: what applies at once, what waits for the maintenance window, and what either does to the server."""

from __future__ import annotations

import copy
from typing import Any

from moto.rds.models import RDSBackend, rds_backends
from moto.rds.utils import valid_preferred_maintenance_window

from tests.aws.clock import clock
from tests.aws.estate import Estate, Step
from tests.aws.patch import put
from tests.aws.rds import credentials, parameters, storage
from tests.aws.rds.errors import OPERATIONAL, combination, operational, wrong
from tests.aws.rds.instances import check_class
from tests.aws.rds.versions import major, newest, upgraded
from tests.backing import PostgresServer

# By the names of the API: the attribute that holds it.
_AT_ONCE = {
    "AutoMinorVersionUpgrade": "auto_minor_version_upgrade",
    "BackupRetentionPeriod": "backup_retention_period",
    "CopyTagsToSnapshot": "copy_tags_to_snapshot",
    "DatabaseInsightsMode": "database_insights_mode",
    "DeletionProtection": "deletion_protection",
    "EnablePerformanceInsights": "performance_insights_enabled",
    "MaxAllocatedStorage": "max_allocated_storage",
    "MonitoringInterval": "monitoring_interval",
    "MonitoringRoleArn": "monitoring_role_arn",
    "PerformanceInsightsKMSKeyId": "performance_insights_kms_key_id",
    "PerformanceInsightsRetentionPeriod": "performance_insights_retention_period",
    "PreferredBackupWindow": "preferred_backup_window",
    "PreferredMaintenanceWindow": "preferred_maintenance_window",
    "PubliclyAccessible": "publicly_accessible",
    "VpcSecurityGroupIds": "vpc_security_group_ids",
}
# By the names of PendingModifiedValues: the attribute, the state meanwhile, whether the server restarts.
_DEFERRED = {
    "BackupRetentionPeriod": ("backup_retention_period", "modifying", False),
    "CACertificateIdentifier": ("ca_certificate_identifier", "modifying", False),
    "IAMDatabaseAuthenticationEnabled": (
        "enable_iam_database_authentication",
        "configuring-iam-database-auth",
        False,
    ),
    "AllocatedStorage": ("allocated_storage", "modifying", False),
    "StorageType": ("storage_type", "modifying", False),
    "Iops": ("iops", "modifying", False),
    "StorageThroughput": ("storage_throughput", "modifying", False),
    "MultiAZ": ("multi_az", "modifying", False),
    "DBInstanceClass": ("db_instance_class", "modifying", True),
    "EngineVersion": ("engine_version", "upgrading", True),
}
_STORAGE = ("AllocatedStorage", "StorageType", "Iops", "StorageThroughput")
_RENAMED = {"EnableIAMDatabaseAuthentication": "IAMDatabaseAuthenticationEnabled"}
_HANDLED = {
    "DBInstanceIdentifier",
    "ApplyImmediately",
    "AllowMajorVersionUpgrade",
    "CertificateRotationRestart",
    "CloudwatchLogsExportConfiguration",
    "DBParameterGroupName",
    "ManageMasterUserPassword",
    "MasterUserPassword",
    "MasterUserSecretKmsKeyId",
    "RotateMasterUserPassword",
}
_AUTHORITIES = ("rds-ca-rsa2048-g1", "rds-ca-rsa4096-g1", "rds-ca-ecc384-g1")


def _present(instance: Any, name: str) -> Any:
    return getattr(instance, _DEFERRED[name][0])


def _storage(instance: Any) -> storage.Storage:
    return storage.Storage(
        instance.storage_type, instance.allocated_storage, instance.iops, instance.storage_throughput
    )


def _planned_storage(estate: Estate, instance: Any, given: dict[str, Any]) -> dict[str, Any]:
    """The storage values that a request leads to, together with those that wait already."""
    asked = {name: given[name] for name in _STORAGE if given.get(name) is not None}
    if not asked:
        return {}
    present = _storage(instance)
    waiting = {name: instance.pending[name] for name in _STORAGE if name in instance.pending}
    merged = {**waiting, **asked}
    storage.check_complete(present, merged.get("StorageType"), merged.get("AllocatedStorage"), merged.get("Iops"))
    planned = storage.changed(
        present,
        merged.get("StorageType"),
        merged.get("AllocatedStorage"),
        merged.get("Iops"),
        merged.get("StorageThroughput"),
    )
    values = {
        "StorageType": planned.kind,
        "AllocatedStorage": planned.size,
        "Iops": planned.iops,
        "StorageThroughput": planned.throughput,
    }
    if planned != present:
        _check_cooled(estate, instance)
    limit = given.get("MaxAllocatedStorage")
    if limit is None and planned.size > (instance.max_allocated_storage or planned.size):
        limit = instance.max_allocated_storage
    storage.check_limit(planned.size, limit, may_equal=True)
    return {name: values[name] for name in asked}


def _check_cooled(estate: Estate, instance: Any) -> None:
    since = instance.__dict__.get("storage_changed_at")
    cooling = since is not None and clock.now() < since + estate.settings.storage_cooldown_seconds
    if cooling or instance.status == "storage-optimization":
        raise combination(
            "You can't currently modify the storage of this DB instance because the previous storage change is being "
            "optimized."
        )


def _check_at_once(instance: Any, given: dict[str, Any]) -> None:
    windows = [
        given.get(name) or getattr(instance, _AT_ONCE[name])
        for name in ("PreferredMaintenanceWindow", "PreferredBackupWindow")
    ]
    clash = valid_preferred_maintenance_window(*windows)
    if clash:
        raise wrong(clash)
    days = given.get("BackupRetentionPeriod")
    if days is not None and not 0 <= days <= 35:
        raise wrong(f"Invalid backup retention period: {days}. Retention period must be between 0 and 35.")
    if days == 0 and instance.replicas:
        raise wrong("Cannot turn off backups on a DB instance that is a source to read replicas.")
    if "AllocatedStorage" not in given:
        storage.check_limit(instance.allocated_storage, given.get("MaxAllocatedStorage"), may_equal=True)
    authority = given.get("CACertificateIdentifier")
    if authority is not None and authority not in _AUTHORITIES:
        raise wrong(f"Certificate not found: {authority}", "CertificateNotFound")
    interval = given.get("MonitoringInterval")
    if interval and not (given.get("MonitoringRoleArn") or instance.monitoring_role_arn):
        raise combination(
            "A MonitoringRoleARN value is required if you specify a MonitoringInterval value other than 0."
        )


def _planned_version(instance: Any, given: dict[str, Any]) -> dict[str, Any]:
    """The version and parameter group that a request leads to."""
    version, group = given.get("EngineVersion"), given.get("DBParameterGroupName")
    if version is None:
        if group is not None:
            parameters.check_group(instance.backend, group, instance.engine_version)
        return {}
    target = upgraded(instance.engine_version, version, bool(given.get("AllowMajorVersionUpgrade")))
    if group is not None:
        parameters.check_group(instance.backend, group, target)
    elif major(target) != major(instance.engine_version) and not parameters.is_default(parameters.name_of(instance)):
        raise combination(
            f"The current DB instance parameter group {parameters.name_of(instance)} is custom. You must explicitly "
            "specify a new DB parameter group, either default or custom, for the engine version upgrade."
        )
    return {"EngineVersion": target}


def _planned(estate: Estate, instance: Any, given: dict[str, Any]) -> dict[str, Any]:
    """What a request asks of the values that may wait, by their names there."""
    asked = {_RENAMED.get(name, name): value for name, value in given.items()}
    plain = {name: asked[name] for name in _DEFERRED if name in asked and name not in _STORAGE}
    days = plain.get("BackupRetentionPeriod")
    if days and instance.backup_retention_period:
        del plain["BackupRetentionPeriod"]
    if "DBInstanceClass" in plain:
        check_class(plain["DBInstanceClass"])
    return {**plain, **_planned_storage(estate, instance, given), **_planned_version(instance, given)}


def _apply_at_once(estate: Estate, instance: Any, given: dict[str, Any]) -> None:
    for name, attribute in _AT_ONCE.items():
        value = given.get(name)
        if value is None or name == "BackupRetentionPeriod":
            continue
        if name == "VpcSecurityGroupIds":
            joined = frozenset(value) - frozenset(instance.vpc_security_group_ids)
            instance.groups_joined = (clock.now(), joined)
        if name == "MaxAllocatedStorage":
            instance._max_allocated_storage = value
            continue
        setattr(instance, attribute, value.lower() if name == "PreferredMaintenanceWindow" else value)
    if given.get("BackupRetentionPeriod") and instance.backup_retention_period:
        instance.backup_retention_period = given["BackupRetentionPeriod"]
    if given.get("EnablePerformanceInsights") and not instance.performance_insights_retention_period:
        instance.performance_insights_retention_period = 7
    exports = given.get("CloudwatchLogsExportConfiguration") or {}
    kept = [one for one in instance.enabled_cloudwatch_logs_exports if one not in exports.get("DisableLogTypes", [])]
    instance.enabled_cloudwatch_logs_exports = list(dict.fromkeys([*kept, *exports.get("EnableLogTypes", [])]))
    group = given.get("DBParameterGroupName")
    if group is None or group.lower() == parameters.name_of(instance):
        return
    if major(given.get("EngineVersion") or instance.engine_version) != major(instance.engine_version):
        instance.group_after_upgrade = group
    else:
        instance.db_parameter_group_name, instance.reboot_due = group, True


def _run(estate: Estate, instance: Any, values: dict[str, Any], first: list[Step[PostgresServer]]) -> None:
    """Apply values in the background: they are pending until each is true."""
    seconds = estate.settings.modify_seconds
    steps = list(first)
    for status in dict.fromkeys(_DEFERRED[name][1] for name in values):
        restarts = any(_DEFERRED[name][2] for name in values if _DEFERRED[name][1] == status)
        steps.append(Step(status, seconds, (lambda server: _restart(server, instance, values)) if restarts else None))

    def done() -> None:
        _settle(estate, instance, values)

    if steps:
        instance.backing.change(*steps, done=done)


def _restart(server: PostgresServer, instance: Any, values: dict[str, Any]) -> None:
    """Start the server anew as the instance will be; static parameters that waited for a reboot come into force."""
    future = copy.copy(instance)
    if "EngineVersion" in values:
        _upgrade(future, values["EngineVersion"])
    parameters.start_with(server, future)
    server.restart()
    instance.future = future


def _upgrade(instance: Any, version: str) -> None:
    if major(version) != major(instance.engine_version):
        instance.db_parameter_group_name = instance.__dict__.pop("group_after_upgrade", None)
    instance.engine_version = version


def _settle(estate: Estate, instance: Any, values: dict[str, Any]) -> None:
    present = _storage(instance)
    if any(name in values for name in _STORAGE):
        made = storage.changed(
            present,
            values.get("StorageType"),
            values.get("AllocatedStorage"),
            values.get("Iops"),
            values.get("StorageThroughput"),
        )
        instance.storage_type, instance.allocated_storage = made.kind, made.size
        instance.iops, instance.storage_throughput = made.iops, made.throughput
        instance._max_allocated_storage = max(instance._max_allocated_storage, made.size)
        if made != present:
            instance.storage_changed_at = clock.now()
            instance.optimizing_until = clock.now() + estate.settings.optimize_seconds
    for name, value in values.items():
        if name not in (*_STORAGE, "EngineVersion"):
            setattr(instance, _DEFERRED[name][0], value)
    if "EngineVersion" in values:
        _upgrade(instance, values["EngineVersion"])
    future = instance.__dict__.pop("future", None)
    if future is not None:
        instance.in_force, instance.reboot_due = future.in_force, False
    instance.pending = {name: value for name, value in instance.pending.items() if name not in values}
    instance.pending.pop("MasterUserPassword", None)


def modify(estate: Estate, backend: Any, name: str, given: dict[str, Any]) -> Any:
    """Carry out one ModifyDBInstance; `given` by the names of the API, without what is None."""
    instance = operational(backend.databases, name)
    for asked in given:
        if asked not in _HANDLED and asked not in _AT_ONCE and _RENAMED.get(asked, asked) not in _DEFERRED:
            raise NotImplementedError(f"ModifyDBInstance with {asked}")
    credentials.check_modified(instance, given)
    _check_at_once(instance, given)
    planned = _planned(estate, instance, given)
    _apply_at_once(estate, instance, given)
    seconds = estate.settings.modify_seconds
    first = credentials.steps(instance, given, seconds)
    changed = {asked: value for asked, value in planned.items() if value != _present(instance, asked)}
    kept = {waiting: value for waiting, value in instance.pending.items() if waiting not in (*planned, *given)}
    instance.pending = {**kept, **changed}
    due = dict(instance.pending) if given.get("ApplyImmediately") else {}
    if first:
        instance.pending["MasterUserPassword"] = "****"
    _run(estate, instance, due, first)
    return instance


def _newer_minor(instance: Any) -> dict[str, Any]:
    latest = newest(instance.engine_version)
    outdated = instance.auto_minor_version_upgrade and latest != instance.engine_version
    return {"EngineVersion": latest} if outdated else {}


def _open_window(estate: Estate, name: str | None, minor_versions: bool) -> list[str]:
    """Apply what is pending for one instance or for all. ValueError when the one isn't there or isn't at rest."""
    backends = [backend for regions in rds_backends.values() for backend in regions.values()]
    every = [instance for backend in backends for instance in list(backend.databases.values())]
    chosen = [one for one in every if name in (None, one.db_instance_identifier)]
    if name is not None and not (chosen and chosen[0].status in OPERATIONAL):
        raise ValueError(f"maintenance.identifier: there is no available DB instance {name}")
    due = []
    for instance in chosen:
        minor = _newer_minor(instance) if minor_versions and "EngineVersion" not in instance.pending else {}
        values = {**instance.pending, **minor}
        if instance.status in OPERATIONAL and values:
            instance.pending = values
            _run(estate, instance, dict(values), [])
            due.append(str(instance.db_instance_identifier))
    return due


def install(estate: Estate) -> None:
    def modify_db_instance(self: Any, db_instance_identifier: str, db_kwargs: Any) -> Any:
        given = {name: value for name, value in db_kwargs.original_dict().items() if value is not None}
        with estate.lock:
            return modify(estate, self, db_instance_identifier, given)

    put(RDSBackend, modify_db_instance)
    estate.windows["rds"] = lambda name, minor_versions: _open_window(estate, name, minor_versions)
