"""Corrections to moto's RDS: states with a clock, a real PostgreSQL, the refusals of the real service."""

from __future__ import annotations

import re
import secrets
import string
import threading
import time
from collections.abc import Callable
from typing import Any

from moto.core.responses import ActionResult, PaginatedResult
from moto.rds.exceptions import (
    DBInstanceAlreadyExists,
    DBInstanceNotFoundError,
    DBSnapshotAlreadyExistsError,
    RDSClientError,
)
from moto.rds.models import DBInstance, DBSnapshot, RDSBackend
from moto.rds.responses import RDSResponse

from tests.aws.estate import Estate, literal, quoted
from tests.aws.patch import put

# The newest minor of each major that RDS offers; a request may name the major only.
_NEWEST = {"14": 19, "15": 14, "16": 10, "17": 6, "18": 1}
_DEFERRED = {
    "db_instance_class": "DBInstanceClass",
    "allocated_storage": "AllocatedStorage",
    "engine_version": "EngineVersion",
    "multi_az": "MultiAZ",
    "storage_type": "StorageType",
    "iops": "Iops",
    "storage_throughput": "StorageThroughput",
}
_RESERVED = {"admin", "rdsadmin", "rds_superuser", "rdsrepladmin", "public", "user"}


def _wrong(message: str, code: str = "InvalidParameterValue") -> RDSClientError:
    return RDSClientError(code, message)


def _state(message: str) -> RDSClientError:
    return _wrong(message, "InvalidDBInstanceState")


def _check_password(password: str) -> None:
    if not 8 <= len(password) <= 128:
        raise _wrong(
            "The parameter MasterUserPassword is not a valid password because it is shorter than 8 characters."
        )
    if any(character in "/'\"@ " or not 32 < ord(character) < 127 for character in password):
        raise _wrong(
            "The parameter MasterUserPassword is not a valid password. "
            "Only printable ASCII characters besides '/', '@', '\"', ' ' may be used."
        )


def full_version(version: str | None) -> str:
    """major.minor for a requested engine version. InvalidParameterCombination when RDS has no such version."""
    major, _, minor = (version or "17").partition(".")
    newest = _NEWEST.get(major)
    if newest is None or (minor and not (minor.isdigit() and 1 <= int(minor) <= newest)):
        raise _wrong(f"Cannot find version {version} for postgres", "InvalidParameterCombination")
    return f"{major}.{minor or newest}"


def _check_create(given: Any) -> None:
    if given.get("engine") != "postgres":
        raise NotImplementedError(f"CreateDBInstance with Engine={given.get('engine')}: only postgres is real here")
    for name in ("db_cluster_identifier", "manage_master_user_password"):
        if given.get(name):
            raise NotImplementedError(f"CreateDBInstance with {name}")
    if not re.fullmatch(r"db\.[a-z0-9]+\.[a-z0-9-]+", given.get("db_instance_class") or ""):
        raise _wrong(f"Invalid DB Instance class: {given.get('db_instance_class')}")
    user = given.get("master_username") or ""
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,62}", user):
        raise _wrong("The parameter MasterUsername is not a valid identifier.")
    if user.lower() in _RESERVED:
        raise _wrong(f"MasterUsername {user} cannot be used as it is a reserved word used by the engine")
    _check_password(given.get("master_user_password") or "")
    name = given.get("db_name")
    if name and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,62}", name):
        raise _wrong("DBName must begin with a letter and contain only alphanumeric characters.")
    storage = given.get("allocated_storage")
    if storage is None or not 20 <= storage <= 65536:
        kind = given.get("storage_type") or "gp2"
        raise _wrong(f"Invalid storage size for engine name postgres and storage type {kind}: {storage}")


def install(estate: Estate) -> None:
    """Put the corrections in place; `estate` makes the PostgreSQL servers."""
    _install_instances(estate)
    _install_changes(estate)
    _install_snapshots(estate)
    for name in (
        "restore_db_instance_from_db_snapshot",
        "restore_db_instance_to_point_in_time",
        "create_db_instance_read_replica",
        "promote_read_replica",
        "create_db_cluster",
        "stop_db_instance",
        "start_db_instance",
        "reboot_db_instance",
    ):
        _forbid(name)


def _forbid(name: str) -> None:
    def missing(self: Any) -> Any:
        raise NotImplementedError(f"{name}: no real server would stand behind it")

    setattr(RDSResponse, name, missing)


def _status(instance: Any) -> str:
    backing = instance.__dict__.get("backing")
    return str(backing.status if backing else instance.__dict__.get("_status"))


def _endpoint(estate: Estate, instance: Any) -> dict[str, Any] | None:
    backing = instance.__dict__.get("backing")
    port = backing.port if backing else None
    return {"Address": estate.settings.advertise, "Port": port, "HostedZoneId": "Z2VFMSZA74J7XZ"} if port else None


def _install_instances(estate: Estate) -> None:
    create: Callable[..., Any] = RDSBackend.create_db_instance
    describe: Callable[..., Any] = RDSResponse.describe_db_instances
    cls: Any = DBInstance
    cls.status = property(_status, lambda self, value: self.__dict__.__setitem__("_status", value))
    cls.endpoint = property(lambda self: _endpoint(estate, self))
    cls.pending_modified_values = property(lambda self: self.__dict__.get("pending", {}))

    def create_db_instance(self: Any, db_kwargs: Any) -> Any:
        db_kwargs["db_instance_identifier"] = db_kwargs["db_instance_identifier"].lower()
        if db_kwargs["db_instance_identifier"] in self.databases:
            raise DBInstanceAlreadyExists
        _check_create(db_kwargs)
        group = db_kwargs.get("db_subnet_group_name")
        if group and group not in self.subnet_groups:
            raise _wrong(f"DB subnet group '{group}' does not exist.", "DBSubnetGroupNotFoundFault")
        db_kwargs["engine_version"] = full_version(db_kwargs.get("engine_version"))
        instance = create(self, db_kwargs)
        letters = string.ascii_uppercase + string.digits
        instance.dbi_resource_id = "db-" + "".join(secrets.choice(letters) for _ in range(26))
        instance.backing = estate.database(
            db_kwargs["master_username"], db_kwargs["master_user_password"], db_kwargs.get("db_name")
        )
        return instance

    def describe_db_instances(self: Any) -> Any:
        size = self.params.get("MaxRecords")
        if size is not None and not 20 <= size <= 100:
            raise _wrong(f"Invalid value {size} for MaxRecords. Must be between 20 and 100")
        return describe(self)

    put(RDSBackend, create_db_instance)
    put(RDSResponse, describe_db_instances)


def _install_changes(estate: Estate) -> None:
    modify: Callable[..., Any] = RDSBackend.modify_db_instance
    delete: Callable[..., Any] = RDSBackend.delete_db_instance

    def modify_db_instance(self: Any, db_instance_identifier: str, db_kwargs: Any) -> Any:
        instance = self.describe_db_instances(db_instance_identifier)[0]
        if instance.status != "available":
            raise _state(f"Database instance is not in available state: {db_instance_identifier} is {instance.status}.")
        for name in ("new_db_instance_identifier", "db_port_number", "manage_master_user_password"):
            if db_kwargs.get(name):
                raise NotImplementedError(f"ModifyDBInstance with {name}")
        if db_kwargs.get("engine_version"):
            db_kwargs["engine_version"] = full_version(db_kwargs["engine_version"])
        storage = db_kwargs.get("allocated_storage")
        if storage is not None and storage < instance.allocated_storage:
            raise _wrong(f"Invalid storage size for engine name postgres: {storage}", "InvalidParameterCombination")
        password = db_kwargs.pop("master_user_password", None)
        if password is not None:
            _check_password(password)
        later = {}
        for name, shown in _DEFERRED.items():
            value = db_kwargs.get(name)
            if value is not None and value != getattr(instance, name):
                later[shown] = value
                if not db_kwargs.get("apply_immediately"):
                    db_kwargs.pop(name)
        instance.pending = {} if db_kwargs.get("apply_immediately") else {**instance.pending_modified_values, **later}
        answer = modify(self, db_instance_identifier, db_kwargs)
        seconds = estate.settings.modify_seconds
        if later and db_kwargs.get("apply_immediately"):
            instance.backing.change("modifying", seconds)
        if password is not None:
            change = f"alter role {quoted(instance.master_username)} password {literal(password)}"
            instance.backing.change(
                "resetting-master-credentials", seconds, lambda server: server.sql(change, "postgres")
            )
        return answer

    def delete_db_instance(
        self: Any,
        db_instance_identifier: str,
        final_db_snapshot_identifier: str | None = None,
        skip_final_snapshot: bool | None = False,
        delete_automated_backups: bool | None = True,
    ) -> Any:
        name = db_instance_identifier.lower()
        instance = self.databases.get(name)
        if instance is None:
            raise DBInstanceNotFoundError(db_instance_identifier)
        if instance.status == "deleting":
            raise _state(f"Instance {name} is already being deleted.")
        if instance.deletion_protection:
            raise _wrong(
                "Cannot delete protected DB Instance, please disable deletion protection and try again.",
                "InvalidParameterCombination",
            )
        if skip_final_snapshot and final_db_snapshot_identifier:
            raise _wrong(
                "FinalDBSnapshotIdentifier can not be specified when deleting an instance with SkipFinalSnapshot",
                "InvalidParameterCombination",
            )
        if not skip_final_snapshot:
            if not final_db_snapshot_identifier:
                raise _wrong(
                    "FinalDBSnapshotIdentifier is required unless SkipFinalSnapshot is specified.",
                    "InvalidParameterCombination",
                )
            self.create_db_snapshot(name, final_db_snapshot_identifier)

        def gone() -> None:
            if self.databases.get(name) is instance:
                delete(self, name, None, True, delete_automated_backups)

        instance.backing.delete(estate.settings.delete_seconds, gone)
        return instance

    put(RDSBackend, modify_db_instance)
    put(RDSBackend, delete_db_instance)


def _install_snapshots(estate: Estate) -> None:
    create: Callable[..., Any] = RDSBackend.create_db_snapshot
    describe: Callable[..., Any] = RDSResponse.describe_db_snapshots
    cls: Any = DBSnapshot
    lock = threading.Lock()

    def status(self: Any) -> str:
        ready = self.__dict__.get("ready_at", 0.0)
        return "creating" if time.monotonic() < ready else str(self.__dict__.get("_status"))

    cls.status = property(status, lambda self, value: self.__dict__.__setitem__("_status", value))

    def create_db_snapshot(
        self: Any, db_instance_identifier: str, db_snapshot_identifier: str, *arguments: Any, **options: Any
    ) -> Any:
        name = db_instance_identifier.lower()
        instance = self.databases.get(name)
        if instance is None:
            raise DBInstanceNotFoundError(db_instance_identifier)
        kind = options.get("snapshot_type") or (arguments[0] if arguments else "manual")
        if instance.status != "available" and kind == "manual":
            raise _state(
                "Cannot create a snapshot because the database instance "
                f"{name} is not currently in the available state."
            )
        with lock:
            if db_snapshot_identifier.lower() in self.database_snapshots:
                raise DBSnapshotAlreadyExistsError(db_snapshot_identifier)
            snapshot = create(self, name, db_snapshot_identifier.lower(), *arguments, **options)
        snapshot.ready_at = time.monotonic() + estate.settings.modify_seconds
        return snapshot

    def describe_db_snapshots(self: Any) -> Any:
        answer: ActionResult = describe(self)
        return PaginatedResult(answer.result)

    put(RDSBackend, create_db_snapshot)
    put(RDSResponse, describe_db_snapshots)
