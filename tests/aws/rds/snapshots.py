"""DB snapshots, each with a copy of the real database as it was."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from moto.core.responses import ActionResult
from moto.rds.exceptions import DBSnapshotAlreadyExistsError, DBSnapshotNotFoundFault
from moto.rds.models import DBSnapshot, RDSBackend
from moto.rds.responses import RDSResponse

from tests.aws.clock import clock
from tests.aws.estate import Estate, Step
from tests.aws.lists import paged
from tests.aws.patch import put
from tests.aws.rds.errors import OPERATIONAL, found, state, wrong
from tests.backing import PostgresServer

_moto_create: Callable[..., Any] = RDSBackend.create_db_snapshot


def _status(snapshot: Any) -> str:
    frozen = snapshot.__dict__.get("frozen")
    if frozen is not None:
        return str(frozen["status"])
    if snapshot.__dict__.get("copying") or clock.now() < snapshot.__dict__.get("ready_at", 0.0):
        return "creating"
    return str(snapshot.__dict__.get("_status"))


def _recorded(estate: Estate, backend: Any, instance: Any, name: str, *rest: Any, **options: Any) -> Any:
    """A snapshot without its copy."""
    with estate.lock:
        if name.lower() in backend.database_snapshots:
            raise DBSnapshotAlreadyExistsError(name)
        snapshot = _moto_create(backend, instance.db_instance_identifier, name.lower(), *rest, **options)
    snapshot.ready_at = clock.now() + estate.settings.modify_seconds
    for attribute in ("availability_zone", "iops", "license_model", "option_group_name", "storage_type"):
        setattr(snapshot, attribute, getattr(instance, attribute))
    for attribute in ("storage_throughput", "backup_retention_period", "preferred_backup_window"):
        setattr(snapshot, attribute, getattr(instance, attribute))
    return snapshot


def begin(estate: Estate, backend: Any, instance: Any, name: str, **options: Any) -> Callable[[PostgresServer], None]:
    """Record a snapshot that is being made; what makes it takes the server."""
    snapshot = _recorded(estate, backend, instance, name, **options)
    if estate.settings.backing == "shared":
        # Others' data are in there too: it stays a record.
        return lambda server: None
    snapshot.copying = True

    def copy(server: PostgresServer) -> None:
        try:
            snapshot.copy = estate.copy_of(server)
        except BaseException:
            snapshot.status = "failed"
            raise
        finally:
            snapshot.copying = False

    return copy


def taken(backend: Any, name: str) -> Any:
    """The snapshot of that name or ARN. DBSnapshotNotFound."""
    snapshot = backend.database_snapshots.get(name.rsplit(":snapshot:", maxsplit=1)[-1].lower())
    if snapshot is None:
        raise DBSnapshotNotFoundFault(name)
    return snapshot


def _create(estate: Estate, backend: Any, instance: Any, name: str, **options: Any) -> Any:
    if name.lower() in backend.database_snapshots:
        raise DBSnapshotAlreadyExistsError(name)
    if instance.status not in OPERATIONAL:
        raise state(
            "Cannot create a snapshot because the database instance "
            f"{instance.db_instance_identifier} is not currently in the available state."
        )
    copy = begin(estate, backend, instance, name, **options)
    instance.backing.change(Step("backing-up", estate.settings.modify_seconds, copy))
    return taken(backend, name)


def _chosen(asked: Any, snapshots: dict[str, Any]) -> list[Any]:
    """The snapshots that a describe asks for. Of an identifier there must be one."""
    name, of, kind = (asked.get(one) for one in ("DBSnapshotIdentifier", "DBInstanceIdentifier", "SnapshotType"))
    if kind in ("shared", "public", "awsbackup"):
        raise NotImplementedError(f"DescribeDBSnapshots with SnapshotType={kind}")
    if name and name.split(":snapshot:")[-1].lower() not in snapshots:
        raise DBSnapshotNotFoundFault(name)
    resource = asked.get("DbiResourceId")
    return [
        snapshot
        for snapshot in snapshots.values()
        if (not name or snapshot.db_snapshot_identifier == name.split(":snapshot:")[-1].lower())
        and (not of or snapshot.db_instance_identifier == of.rsplit(":", 1)[-1].lower())
        and (not resource or snapshot.dbi_resource_id == resource)
        and (not kind or snapshot.snapshot_type == kind)
    ]


def install(estate: Estate) -> None:
    cls: Any = DBSnapshot
    cls.status = property(_status, lambda self, value: self.__dict__.__setitem__("_status", value))
    cls.percent_progress = property(lambda self: 100 if self.status == "available" else 0)

    def create_db_snapshot(
        self: Any, db_instance_identifier: str, db_snapshot_identifier: str, *rest: Any, **options: Any
    ) -> Any:
        instance = found(self.databases, db_instance_identifier)
        if options.get("snapshot_type") == "automated":
            return _recorded(estate, self, instance, db_snapshot_identifier, *rest, **options)
        return _create(estate, self, instance, db_snapshot_identifier, **options)

    def describe_db_snapshots(self: Any) -> ActionResult:
        with estate.lock:
            shown = estate.views.shown("rds:DescribeDBSnapshots", "snapshot", self.backend.database_snapshots)
        filters = {each["Name"]: each["Values"] for each in self.params.get("Filters", [])}
        if filters:
            shown = self.backend._filter_resources(shown, filters, DBSnapshot)
        chosen = _chosen(self.params, shown)
        return paged(self.params, "DBSnapshots", chosen, lambda snapshot: str(snapshot.db_snapshot_identifier))

    def delete_db_snapshot(self: Any) -> ActionResult:
        snapshot = taken(self.backend, self.params["DBSnapshotIdentifier"])
        if snapshot.snapshot_type == "automated":
            raise wrong("Only manual snapshots may be deleted.", "InvalidDBSnapshotState")
        if snapshot.status != "available":
            raise wrong(
                f"Snapshot {snapshot.db_snapshot_identifier} is not in the available state: {snapshot.status}.",
                "InvalidDBSnapshotState",
            )
        with estate.lock:
            del self.backend.database_snapshots[snapshot.db_snapshot_identifier]
        estate.forget(snapshot.__dict__.pop("copy", None))
        snapshot.status = "deleted"
        return ActionResult({"DBSnapshot": snapshot})

    put(RDSBackend, create_db_snapshot)
    put(RDSResponse, describe_db_snapshots)
    put(RDSResponse, delete_db_snapshot)
