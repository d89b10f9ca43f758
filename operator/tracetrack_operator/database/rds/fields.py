"""The table of changes of a DB instance.

Classes after "Settings for DB instances" in the Amazon RDS User Guide: what its column on downtime says happens.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Self

from ...dependencies.cloud.fields import Difference, Field, Item, Origin
from ...engine.plan import Disruption

MODIFY = "modify_db_instance"
REBOOT = "reboot_db_instance"
STORAGE = "storage"
LIMIT = "maxAllocatedStorageGiB"
MASTER_CREDENTIALS = "masterCredentials"
MASTER_SECRET_KEY = "masterSecretKmsKeyId"  # noqa: S105
GENERATED, MANAGED_BY_RDS = "Generated", "ManagedByRDS"
_TOGETHER = frozenset({"AllocatedStorage", "Iops", "StorageThroughput"})
_STRIPED_GIB, _STRIPED_IOPS = 400, 12_000
HARMLESS = frozenset({"MasterUserPassword"})
_NO_KEY = "none"


def _told(name: str) -> Any:
    return lambda item: item.get(name)


def _major(version: str) -> int:
    return int(version.partition(".")[0])


def same_version(actual: str, wanted: str) -> bool:
    """A major version stands for all its minor ones, and an exact one for the later minor ones that RDS brings."""
    if "." not in wanted:
        return actual.partition(".")[0] == wanted
    major, _, minor = wanted.partition(".")
    has_major, _, has_minor = actual.partition(".")
    return has_major == major and int(has_minor or 0) >= int(minor)


def _version_class(actual: str, wanted: str) -> Disruption:
    if _major(actual) == _major(wanted):
        return Disruption.REBOOT
    return Disruption.SWITCHOVER if _major(actual) < _major(wanted) else Disruption.REPLACE


def _retention_class(actual: int, wanted: int) -> Disruption:
    return Disruption.REBOOT if 0 in (actual, wanted) else Disruption.ONLINE


def _security_groups(item: Item) -> list[str] | None:
    groups = item.get("VpcSecurityGroups")
    if groups is None:
        return None
    return sorted(group["VpcSecurityGroupId"] for group in groups if group.get("Status") != "removing")


def _parameter_group(item: Item) -> str | None:
    groups = item.get("DBParameterGroups") or []
    return groups[0]["DBParameterGroupName"] if groups else None


def _parameters_in_force(item: Item) -> bool | None:
    groups = item.get("DBParameterGroups") or []
    return groups[0].get("ParameterApplyStatus") != "pending-reboot" if groups else None


class _Limit(int):
    """Up to which size the storage grows by itself, and the `size` that it has; 0 when it doesn't grow any more."""

    size: int

    @classmethod
    def of(cls, item: Item) -> Self:
        limit, size = int(item.get("MaxAllocatedStorage") or 0), int(item.get("AllocatedStorage") or 0)
        found = cls(limit if limit > size else 0)
        found.size = size
        return found


def _same_limit(actual: int, wanted: int) -> bool:
    """A storage that has come to its limit has no limit any more: AWS would be told so for ever."""
    reached = isinstance(actual, _Limit) and not actual and 0 < wanted <= actual.size
    return actual == wanted or reached


def with_storage(values: dict[str, Any], item: Item) -> dict[str, Any]:
    """The values of one call with what RDS wants to have beside a change of the storage.

    From 400 GiB on, size and I/O operations are told together. A limit that turns growing off is the size to come.
    """
    if not values.keys() & _TOGETHER:
        return values
    present = int(item.get("AllocatedStorage") or 0)
    size = int(values.get("AllocatedStorage") or present)
    found = dict(values)
    if size >= _STRIPED_GIB:
        iops = item.get("Iops") if present >= _STRIPED_GIB else None
        found = {"AllocatedStorage": size, "Iops": iops or _STRIPED_IOPS, **values}
    if limit := values.get("MaxAllocatedStorage"):
        found["MaxAllocatedStorage"] = max(size, limit)
    return found


def ready_for(difference: Difference, item: Item, others: Iterable[Difference]) -> bool:
    """False while the last change of the storage is under way, or a parameter group is about to be replaced."""
    field, names = difference.field, {each.field.name for each in others}
    if field.operation == REBOOT:
        return "parameterGroupName" not in names
    if field.group != STORAGE or item.get("DBInstanceStatus") != "storage-optimization":
        return True
    return field.name == LIMIT and "allocatedStorageGiB" not in names


def _same_key(actual: str, wanted: str) -> bool:
    """AWS tells the key's ARN. An alias could name any key: it is looked at by nobody but AWS, at the creation.

    That another one is declared later is told by `_another_alias`.
    """
    if actual == _NO_KEY:
        return False
    return "alias/" in wanted or actual == wanted or actual.endswith(f"/{wanted}")


def _another_alias(before: str | None, wanted: str) -> bool:
    """Before an alias was declared, there was another name for a key, or none, which stands for AWS' own."""
    return "alias/" in wanted and before != wanted


def _another_alias_than_one(before: str | None, wanted: str) -> bool:
    """None is agreed for as long as there is no secret to encrypt."""
    return before is not None and _another_alias(before, wanted)


def master_secret(item: Item) -> Item:
    """What AWS tells of the secret in which it keeps the master's password; empty where it doesn't."""
    found: Item = item.get("MasterUserSecret") or {}
    return found


def _secret_key(item: Item) -> str:
    return str(master_secret(item).get("KmsKeyId") or _NO_KEY)


def _secret_key_class(actual: str, wanted: str) -> Disruption:
    return Disruption.ONLINE if actual == _NO_KEY else Disruption.REPLACE


_ANEW = "kubectl tracetrack restore {name} --to {name}-2 %s --dry-run > new.yaml, %skubectl apply -f new.yaml."
_COPIED = (
    "aws rds create-db-snapshot --db-instance-identifier {object} --db-snapshot-identifier {object}-before; aws rds "
    "copy-db-snapshot --source-db-snapshot-identifier {object}-before --target-db-snapshot-identifier {object}-copy "
    "--kms-key-id KEY; " + _ANEW % ("--snapshot {object}-copy", "KEY as its kmsKeyId, ")
)

TABLE: tuple[Field, ...] = (
    Field(
        "instanceClass",
        "DBInstanceClass",
        _told("DBInstanceClass"),
        Disruption.REBOOT,
        MODIFY,
        "the server moves to another machine; with multiAZ a fail-over, of one to two minutes, else some minutes.",
    ),
    Field(
        "engineVersion",
        "EngineVersion",
        _told("EngineVersion"),
        _version_class,
        MODIFY,
        "a later minor version restarts the server. A later major one is made beside it by a blue/green deployment, "
        "unless majorUpgrade.strategy is Refuse. An earlier one is not taken: restore the field.",
        way="For a later one: kubectl patch ttd {name} --type merge -p "
        """'{"spec":{"database":{"rds":{"majorUpgrade":{"strategy":"BlueGreen"}}}}}'. """
        "For an earlier one, kubectl tracetrack restore {name} --list tells the snapshots that were made with it: "
        "kubectl tracetrack restore {name} --to {name}-2 --snapshot ID.",
        same=same_version,
        classes=(Disruption.REBOOT, Disruption.SWITCHOVER, Disruption.REPLACE),
    ),
    Field(
        "allocatedStorageGiB",
        "AllocatedStorage",
        _told("AllocatedStorage"),
        Disruption.ONLINE,
        MODIFY,
        "grows while in use; RDS takes the next growth six hours later.",
        same=lambda actual, wanted: actual >= wanted,
        group=STORAGE,
    ),
    Field(
        LIMIT,
        "MaxAllocatedStorage",
        _Limit.of,
        Disruption.ONLINE,
        MODIFY,
        "a limit only; goes with a growth of the storage, which has to fit in.",
        same=_same_limit,
        send=lambda wanted, item: max(wanted, item["AllocatedStorage"]),
        group=STORAGE,
    ),
    Field("storageIops", "Iops", _told("Iops"), Disruption.ONLINE, MODIFY, "changed while in use.", group=STORAGE),
    Field(
        "storageThroughputMiBps",
        "StorageThroughput",
        _told("StorageThroughput"),
        Disruption.ONLINE,
        MODIFY,
        "changed while in use.",
        group=STORAGE,
    ),
    Field(
        "storageType",
        "StorageType",
        _told("StorageType"),
        Disruption.ONLINE,
        MODIFY,
        "always gp3; converted while in use.",
        group=STORAGE,
    ),
    Field(
        "multiAZ",
        "MultiAZ",
        lambda item: bool(item.get("MultiAZ")),
        Disruption.ONLINE,
        MODIFY,
        "the standby is made from a snapshot; writes take longer meanwhile.",
    ),
    Field(
        "subnetGroupName",
        "DBSubnetGroupName",
        lambda item: (item.get("DBSubnetGroup") or {}).get("DBSubnetGroupName"),
        Disruption.REPLACE,
        MODIFY,
        "an instance stays in its network: restore the field.",
        way="To move: " + _ANEW % ("--latest", "the other subnetGroupName in it, "),
    ),
    Field(
        "kmsKeyId",
        "KmsKeyId",
        _told("KmsKeyId"),
        Disruption.REPLACE,
        MODIFY,
        "the storage keeps its key: restore the field, or give the ARN if that is another name of it.",
        way="For another one: " + _COPIED,
        same=_same_key,
        renamed=_another_alias,
    ),
    Field(
        "storageEncrypted",
        "StorageEncrypted",
        lambda item: bool(item.get("StorageEncrypted")),
        Disruption.REPLACE,
        MODIFY,
        "always true; an instance that isn't encrypted is not encrypted in place.",
        way="By an encrypted copy: " + _COPIED,
    ),
    Field(
        "securityGroupIds",
        "VpcSecurityGroupIds",
        _security_groups,
        Disruption.ONLINE,
        MODIFY,
        "in force at once.",
    ),
    Field(
        "parameterGroupName",
        "DBParameterGroupName",
        _parameter_group,
        Disruption.ONLINE,
        MODIFY,
        "taken at once; its static parameters wait for a restart, which waits for the window.",
    ),
    Field(
        "parametersInForce",
        "",
        _parameters_in_force,
        Disruption.REBOOT,
        REBOOT,
        "a restart, since the parameter group has static parameters that wait for one.",
        origin=Origin.SPEC,
        sets_off=False,
    ),
    Field(
        "backupRetentionDays",
        "BackupRetentionPeriod",
        _told("BackupRetentionPeriod"),
        _retention_class,
        MODIFY,
        "in force at once; switching backups on or off (0) restarts the server.",
        classes=(Disruption.ONLINE, Disruption.REBOOT),
    ),
    Field(
        "backupWindow",
        "PreferredBackupWindow",
        _told("PreferredBackupWindow"),
        Disruption.ONLINE,
        MODIFY,
        "a time only.",
    ),
    Field(
        "maintenanceWindow",
        "PreferredMaintenanceWindow",
        _told("PreferredMaintenanceWindow"),
        Disruption.ONLINE,
        MODIFY,
        "a time only (spec.maintenanceWindow).",
    ),
    Field(
        "performanceInsights",
        "EnablePerformanceInsights",
        lambda item: bool(item.get("PerformanceInsightsEnabled")),
        Disruption.ONLINE,
        MODIFY,
        "in force at once.",
    ),
    Field(
        "caCertificateIdentifier",
        "CACertificateIdentifier",
        _told("CACertificateIdentifier"),
        Disruption.REBOOT,
        MODIFY,
        "the server gets another certificate, and restarts.",
    ),
    Field(
        "deletionProtection",
        "DeletionProtection",
        lambda item: bool(item.get("DeletionProtection")),
        Disruption.ONLINE,
        MODIFY,
        "in force at once.",
    ),
    Field(
        "publiclyAccessible",
        "PubliclyAccessible",
        lambda item: bool(item.get("PubliclyAccessible")),
        Disruption.ONLINE,
        MODIFY,
        "always false; the endpoint's public address goes.",
    ),
    Field(
        "autoMinorVersionUpgrade",
        "AutoMinorVersionUpgrade",
        _told("AutoMinorVersionUpgrade"),
        Disruption.ONLINE,
        MODIFY,
        "always true; RDS brings minor versions in its window.",
    ),
    Field(
        "copyTagsToSnapshot",
        "CopyTagsToSnapshot",
        lambda item: bool(item.get("CopyTagsToSnapshot")),
        Disruption.ONLINE,
        MODIFY,
        "always true.",
    ),
    Field(
        MASTER_CREDENTIALS,
        "ManageMasterUserPassword",
        lambda item: MANAGED_BY_RDS if master_secret(item) else GENERATED,
        Disruption.ONLINE,
        MODIFY,
        "the master has another password; the application's logins stay.",
        group=MASTER_CREDENTIALS,
        sets_off=False,
        send=lambda wanted, item: wanted == MANAGED_BY_RDS,
    ),
    Field(
        MASTER_SECRET_KEY,
        "MasterUserSecretKmsKeyId",
        _secret_key,
        _secret_key_class,
        MODIFY,
        "given together with masterCredentials. Another one is not taken while RDS manages the password.",
        way="Have it managed by nobody in between: kubectl patch ttd {name} --type merge -p "
        """'{"spec":{"database":{"rds":{"masterCredentials":"Generated","masterSecretKmsKeyId":null}}}}'; """
        "then set both again, with the other key.",
        same=_same_key,
        renamed=_another_alias_than_one,
        group=MASTER_CREDENTIALS,
        sets_off=False,
        classes=(Disruption.ONLINE, Disruption.REPLACE),
    ),
)

PASSWORD = Field(
    "masterUserPassword",
    "MasterUserPassword",
    lambda item: None,
    Disruption.ONLINE,
    MODIFY,
    "set anew when the one in the Secret is refused; whoever else uses the old one is locked out.",
    group="password",
    sets_off=False,
)
