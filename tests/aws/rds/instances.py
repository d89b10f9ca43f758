"""DB instances: created, described, deleted; each with its states and a real PostgreSQL."""

from __future__ import annotations

import re
import secrets
import string
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from moto.core.responses import ActionResult
from moto.core.utils import utcnow
from moto.rds.exceptions import DBInstanceAlreadyExists
from moto.rds.models import DBInstance, RDSBackend
from moto.rds.responses import RDSResponse

from tests.aws.clock import clock
from tests.aws.estate import Estate, Origin
from tests.aws.lists import paged
from tests.aws.patch import put
from tests.aws.rds import credentials, parameters, storage
from tests.aws.rds.errors import combination, found, wrong
from tests.aws.rds.versions import full_version

CA = "rds-ca-rsa2048-g1"
_RESERVED = {"admin", "rdsadmin", "rds_superuser", "rdsrepladmin", "public", "user"}
_WORD = r"[A-Za-z_][A-Za-z0-9_]{0,62}"
_UNMADE = ("db_cluster_identifier", "domain", "custom_iam_instance_profile", "multi_tenant", "dedicated_log_volume")


_moto_create: Callable[..., Any] = RDSBackend.create_db_instance


def check_class(name: str | None) -> None:
    if not re.fullmatch(r"db\.[a-z0-9]+\.[a-z0-9-]+", name or ""):
        raise wrong(f"Invalid DB Instance class: {name}")


def _check_create(given: Any) -> None:
    if given.get("engine") != "postgres":
        raise NotImplementedError(f"CreateDBInstance with Engine={given.get('engine')}: only postgres is real here")
    for name in _UNMADE:
        if given.get(name):
            raise NotImplementedError(f"CreateDBInstance with {name}")
    check_class(given.get("db_instance_class"))
    user = given.get("master_username") or ""
    if not re.fullmatch(_WORD, user):
        raise wrong("The parameter MasterUsername is not a valid identifier.")
    if user.lower() in _RESERVED:
        raise wrong(f"MasterUsername {user} cannot be used as it is a reserved word used by the engine")
    credentials.check_created(given)
    name = given.get("db_name")
    if name and not re.fullmatch(_WORD, name):
        raise wrong("DBName must begin with a letter and contain only alphanumeric characters.")


def make(estate: Estate, backend: Any, given: Any, origin: Origin | None = None) -> Any:
    """A new instance from the parameters of a creation, by moto's names; its data from `origin`, if there is one."""
    with estate.lock:
        _place(backend, given, restored=origin is not None)
        instance = _moto_create(backend, given)
        _complete(instance, given)
        instance.backing = estate.database(
            given["master_username"],
            _first_password(instance, given),
            given.get("db_name"),
            origin=origin,
            prepare=lambda server: parameters.start_with(server, instance),
        )
        return instance


def _place(backend: Any, given: Any, *, restored: bool) -> None:
    """Check what every new instance has, and complete what the request leaves open."""
    identifier = given["db_instance_identifier"] = given["db_instance_identifier"].lower()
    if identifier in backend.databases:
        raise DBInstanceAlreadyExists
    group = given.get("db_subnet_group_name")
    if group and group not in backend.subnet_groups:
        raise wrong(f"DB subnet group '{group}' does not exist.", "DBSubnetGroupNotFoundFault")
    if given.get("multi_az") and given.get("availability_zone"):
        raise combination("Requesting a specific availability zone is not valid for Multi-AZ instances.")
    version = given["engine_version"] = full_version(given.get("engine_version"))
    parameters.check_group(backend, given.get("db_parameter_group_name"), version)
    asked = (given.get(name) for name in ("storage_type", "allocated_storage", "iops", "storage_throughput"))
    kept = storage.made(*asked)
    storage.check_limit(kept.size, given.get("max_allocated_storage"), may_equal=restored)
    given["storage_type"], given["allocated_storage"], given["iops"] = kept.kind, kept.size, kept.iops
    given["storage_throughput"] = kept.throughput
    given.setdefault("ca_certificate_identifier", CA)


def _first_password(instance: Any, given: Any) -> str:
    if instance.manage_master_user_password:
        return credentials.password_of(instance)
    return str(given.get("master_user_password") or "")


def _complete(instance: Any, given: Any) -> None:
    """What RDS shows of a new instance and moto does not keep."""
    letters = string.ascii_uppercase + string.digits
    instance.dbi_resource_id = "db-" + "".join(secrets.choice(letters) for _ in range(26))
    instance.license_model = "postgresql-license"
    instance.publicly_accessible = bool(given.get("publicly_accessible"))
    instance.network_type = given.get("network_type") or "IPV4"
    instance.database_insights_mode = given.get("database_insights_mode") or "standard"
    instance.performance_insights_enabled = bool(given.get("enable_performance_insights"))
    instance.performance_insights_retention_period = None
    instance.performance_insights_kms_key_id = None
    if instance.performance_insights_enabled:
        instance.performance_insights_retention_period = given.get("performance_insights_retention_period") or 7
        instance.performance_insights_kms_key_id = given.get("performance_insights_kms_key_id") or _key(instance, "rds")
    if instance.storage_encrypted:
        instance.kms_key_id = given.get("kms_key_id") or _key(instance, "rds")
    instance.pending = {}
    instance.reboot_due = False
    instance.in_force = parameters.wanted(instance)
    instance.groups_joined = (0.0, frozenset[str]())


def _key(instance: Any, alias: str) -> str:
    return f"arn:{instance.partition}:kms:{instance.region}:{instance.account_id}:alias/aws/{alias}"


def _status(estate: Estate, instance: Any) -> str:
    frozen = instance.__dict__.get("frozen")
    if frozen is not None:
        return str(frozen["status"])
    backing = instance.__dict__.get("backing")
    shown = str(backing.status if backing else instance.__dict__.get("_status"))
    if shown == "available" and clock.now() < instance.__dict__.get("optimizing_until", 0.0):
        return "storage-optimization"
    return estate.troubles.get(instance.db_instance_identifier, shown) if shown == "available" else shown


def _endpoint(estate: Estate, instance: Any) -> dict[str, Any] | None:
    frozen = instance.__dict__.get("frozen")
    backing = instance.__dict__.get("backing")
    port = frozen["port"] if frozen is not None else backing.port if backing else None
    return {"Address": estate.settings.advertise, "Port": port, "HostedZoneId": "Z2VFMSZA74J7XZ"} if port else None


def _restorable(instance: Any) -> datetime | None:
    """Continuous backup starts with the instance: any moment up to now is kept, to the second."""
    if not instance.backup_retention_period or instance.status == "creating":
        return None
    return utcnow().replace(microsecond=0)


def _security_groups(estate: Estate, instance: Any) -> list[dict[str, Any]]:
    since, joined = instance.__dict__.get("groups_joined", (0.0, frozenset()))
    moving = clock.now() < since + estate.settings.modify_seconds
    return [
        {"VpcSecurityGroupId": name, "Status": "adding" if moving and name in joined else "active"}
        for name in instance.vpc_security_group_ids
    ]


def _second_zone(instance: Any) -> str | None:
    if not instance.multi_az:
        return None
    own = instance.availability_zone
    return f"{instance.region}{'b' if own.endswith('a') else 'a'}"


def install(estate: Estate) -> None:
    moto_backup: Callable[..., Any] = DBInstance.save_automated_backup
    cls: Any = DBInstance
    cls.status = property(
        lambda self: _status(estate, self), lambda self, value: self.__dict__.__setitem__("_status", value)
    )
    cls.endpoint = property(lambda self: _endpoint(estate, self))
    cls.pending_modified_values = property(lambda self: self.__dict__.get("pending", {}))
    cls.latest_restorable_time = property(_restorable)
    cls.secondary_availability_zone = property(_second_zone)
    cls.vpc_security_group_membership_list = property(lambda self: _security_groups(estate, self))
    cls.certificate_details = property(
        lambda self: {
            "CAIdentifier": self.ca_certificate_identifier,
            "ValidTill": self.instance_create_time + timedelta(days=365),
        }
    )

    def create_db_instance(self: Any, db_kwargs: Any) -> Any:
        if db_kwargs["db_instance_identifier"].lower() in self.databases:
            raise DBInstanceAlreadyExists
        _check_create(db_kwargs)
        return make(estate, self, db_kwargs)

    def save_automated_backup(self: Any) -> None:
        if self.backup_retention_period:
            moto_backup(self)

    def describe_db_instances(self: Any) -> ActionResult:
        name = self.params.get("DBInstanceIdentifier")
        with estate.lock:
            shown = estate.views.shown("rds:DescribeDBInstances", "db", self.backend.databases)
        filters = {each["Name"]: each["Values"] for each in self.params.get("Filters", [])}
        if filters:
            shown = self.backend._filter_resources(shown, filters, DBInstance)
        chosen = [found(shown, name)] if name else shown.values()
        return paged(self.params, "DBInstances", chosen, lambda instance: str(instance.db_instance_identifier))

    put(RDSBackend, create_db_instance)
    put(DBInstance, save_automated_backup)
    put(RDSResponse, describe_db_instances)
