"""DB instances deleted: by the rules, with a final snapshot if one is asked for, and gone after a while."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from moto.rds.models import RDSBackend

from tests.aws.estate import Estate
from tests.aws.patch import put
from tests.aws.rds import replicas, snapshots
from tests.aws.rds.errors import OPERATIONAL, combination, found, state


def install(estate: Estate) -> None:
    moto_delete: Callable[..., Any] = RDSBackend.delete_db_instance

    def delete_db_instance(
        self: Any,
        db_instance_identifier: str,
        final_db_snapshot_identifier: str | None = None,
        skip_final_snapshot: bool | None = False,
        delete_automated_backups: bool | None = True,
    ) -> Any:
        instance = found(self.databases, db_instance_identifier)
        name, server = instance.db_instance_identifier, instance.backing.server
        _check(instance, final_db_snapshot_identifier, bool(skip_final_snapshot))
        last = None
        if final_db_snapshot_identifier:
            last = snapshots.begin(estate, self, instance, final_db_snapshot_identifier)

        def gone() -> None:
            with estate.lock:
                if self.databases.get(name) is instance:
                    replicas.part(estate, self, instance)
                    moto_delete(self, name, None, True, delete_automated_backups)
            if server is not None:
                estate.forget(estate.bases.pop(server, None))

        instance.backing.delete(estate.settings.delete_seconds, gone, last)
        return instance

    put(RDSBackend, delete_db_instance)


def _check(instance: Any, final: str | None, skip: bool) -> None:
    name = instance.db_instance_identifier
    if instance.status == "deleting":
        raise state(f"Instance {name} is already being deleted.")
    if instance.deletion_protection:
        raise combination("Cannot delete protected DB Instance, please disable deletion protection and try again.")
    if skip and final:
        raise combination(
            "FinalDBSnapshotIdentifier can not be specified when deleting an instance with SkipFinalSnapshot"
        )
    if skip:
        return
    if instance.read_replica_source_db_instance_identifier:
        raise combination(
            "A final snapshot can not be created when deleting a read replica: specify SkipFinalSnapshot."
        )
    if not final:
        raise combination("FinalDBSnapshotIdentifier is required unless SkipFinalSnapshot is specified.")
    if instance.status not in OPERATIONAL:
        raise state(
            f"Cannot create a snapshot because the database instance {name} is not currently in the available state."
        )
