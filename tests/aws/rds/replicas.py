"""Read replicas: streaming standbys of the real server, until they are promoted."""

from __future__ import annotations

from typing import Any

from moto.rds.models import DBInstance, RDSBackend

from tests.aws.estate import Estate, Origin, Step, await_primary
from tests.aws.patch import put
from tests.aws.rds.errors import combination, found, operational, state
from tests.aws.rds.instances import make
from tests.aws.rds.restore import inherited
from tests.backing import PostgresServer

_MOST = 15


def follow(source: Any) -> Origin:
    """The data of a running instance, and all that is written to it from then on."""

    def fill(target: PostgresServer) -> None:
        source.backing.use(lambda server: server.backup_into(target, follow=True))

    return Origin(fill, standby=True)


def _infos(instance: Any) -> list[dict[str, Any]]:
    if not instance.read_replica_source_db_instance_identifier:
        return []
    info = {"StatusType": "read replication", "Normal": True, "Status": "replicating"}
    return [info] if instance.status != "creating" else []


def part(estate: Estate, backend: Any, instance: Any) -> None:
    """An instance is about to go: its source forgets it, and its replicas become databases of their own."""
    source = backend.databases.get(instance.source_db_instance_identifier or "")
    if source is not None and instance.db_instance_identifier in source.replicas:
        source.remove_replica(instance)
    instance.source_db_instance_identifier, instance.is_replica = None, False
    for name in list(instance.replicas):
        replica = backend.databases.get(name)
        if replica is not None and replica.status != "deleting":
            _promote(estate, backend, replica)


def promote(estate: Estate, server: PostgresServer) -> None:
    """Make a standby a database of its own."""
    if server.sql("select pg_promote(true, 60)", "postgres") != "t":
        raise RuntimeError("the standby was not promoted within 60 s")
    await_primary(server)
    estate.bases[server] = estate.copy_of(server)


def _promote(estate: Estate, backend: Any, replica: Any) -> None:
    def done() -> None:
        source = backend.databases.get(replica.source_db_instance_identifier or "")
        if source is not None and replica.db_instance_identifier in source.replicas:
            source.remove_replica(replica)
        replica.source_db_instance_identifier, replica.is_replica = None, False

    step = Step("modifying", estate.settings.modify_seconds, lambda server: promote(estate, server))
    replica.backing.change(step, done=done)


def install(estate: Estate) -> None:
    cls: Any = DBInstance
    cls.status_infos = property(_infos)

    def create_db_instance_read_replica(self: Any, db_kwargs: Any) -> Any:
        source = found(self.databases, db_kwargs.get("source_db_instance_identifier") or "")
        operational(self.databases, source.db_instance_identifier)
        if not source.backup_retention_period:
            raise state(
                "Automated backups are not enabled for this database instance. To enable automated backups, use "
                "ModifyDBInstance to set the backup retention period to a non-zero value."
            )
        if len(source.replicas) >= _MOST:
            raise combination(f"A DB instance can't have more than {_MOST} read replicas.")
        known = ("db_instance_identifier", "source_db_instance_identifier", "port")
        given = inherited("CreateDBInstanceReadReplica", source, db_kwargs, known)
        if "db_parameter_group_name" not in db_kwargs:
            given["db_parameter_group_name"] = source.db_parameter_group_name
        if not db_kwargs.get("vpc_security_group_ids"):
            given["vpc_security_group_ids"] = list(source.vpc_security_group_ids)
        given |= {"backup_retention_period": 0, "db_instance_identifier": db_kwargs["db_instance_identifier"]}
        given["source_db_instance_identifier"] = source.db_instance_identifier
        replica = make(estate, self, given, follow(source))
        replica.set_as_replica()
        source.add_replica(replica)
        return replica

    def promote_read_replica(self: Any, db_kwargs: Any) -> Any:
        replica = operational(self.databases, db_kwargs["db_instance_identifier"])
        if not replica.read_replica_source_db_instance_identifier:
            raise state(f"DB Instance {replica.db_instance_identifier} is not a read replica.")
        _promote(estate, self, replica)
        days = db_kwargs.get("backup_retention_period")
        replica.backup_retention_period = 1 if days is None else days
        if db_kwargs.get("preferred_backup_window"):
            replica.preferred_backup_window = db_kwargs["preferred_backup_window"]
        return replica

    put(RDSBackend, create_db_instance_read_replica)
    put(RDSBackend, promote_read_replica)
