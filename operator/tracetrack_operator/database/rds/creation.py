"""How a DB instance comes to be: empty, from a snapshot, or from a moment of another one."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from ...api.database import RestoreFrom
from ...aws.ownership import tag_list, tags
from ...dependencies.cloud.actions import Creation
from ...dependencies.protocol import Scope
from .fields import MANAGED_BY_RDS, MASTER_CREDENTIALS, MASTER_SECRET_KEY, PASSWORD, TABLE

DATABASE = "tracetrack"
_RESTORED = frozenset(
    {
        "instanceClass",
        "storageType",
        "multiAZ",
        "subnetGroupName",
        "securityGroupIds",
        "parameterGroupName",
        "deletionProtection",
        "publiclyAccessible",
        "autoMinorVersionUpgrade",
        "copyTagsToSnapshot",
        "caCertificateIdentifier",
    }
)
"""What a restore takes; the rest comes with the data, and is set as declared afterwards."""
_SPAN = frozenset({"storageEncrypted", "kmsKeyId"})
"""What comes with the data for good."""


def creation(
    scope: Scope, declared: Mapping[str, Any], name: str, credentials: Mapping[str, str], cluster: str
) -> Creation:
    labels = tag_list(tags(scope.owner, cluster))
    source = scope.spec.database.restore_from
    if source is not None:
        return _restore(source, declared, name, labels)
    wanted = {**declared, "maxAllocatedStorageGiB": declared["maxAllocatedStorageGiB"] or None}
    parameters = {
        "DBInstanceIdentifier": name,
        "Engine": "postgres",
        "DBName": (scope.spec.database.rds and scope.spec.database.rds.database_name) or DATABASE,
        "MasterUsername": credentials["username"],
        **master(declared, credentials["password"]),
        "Tags": labels,
        **_parameters(wanted, {field.name for field in TABLE} - {MASTER_CREDENTIALS, MASTER_SECRET_KEY}),
    }
    return Creation("create_db_instance", parameters, declared)


def master(declared: Mapping[str, Any], password: str) -> dict[str, Any]:
    """The parameters by which the master gets its password, or RDS makes one up."""
    if declared[MASTER_CREDENTIALS] != MANAGED_BY_RDS:
        return {"MasterUserPassword": password}
    key = declared[MASTER_SECRET_KEY]
    return {"ManageMasterUserPassword": True, **({"MasterUserSecretKmsKeyId": key} if key else {})}


def _restore(source: RestoreFrom, declared: Mapping[str, Any], name: str, labels: list[dict[str, str]]) -> Creation:
    given = {"Tags": labels, **_parameters(declared, _RESTORED)}
    # What is left to AWS so far: declared now, it is changed like any field of the spec, and so is the password.
    agreed = {field: declared[field] if field in _RESTORED else None for field in declared if field not in _SPAN}
    agreed[PASSWORD.name] = None
    if source.snapshot_identifier is not None:
        parameters = {"DBInstanceIdentifier": name, "DBSnapshotIdentifier": source.snapshot_identifier, **given}
        return Creation("restore_db_instance_from_db_snapshot", parameters, agreed)
    moment = source.point_in_time
    assert moment is not None, "the API server lets nothing else through"  # noqa: S101
    when: dict[str, Any] = (
        {"RestoreTime": datetime.strptime(moment.time, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)}
        if moment.time
        else {"UseLatestRestorableTime": True}
    )
    parameters = {
        "SourceDBInstanceIdentifier": moment.instance_identifier,
        "TargetDBInstanceIdentifier": name,
        **when,
        **given,
    }
    return Creation("restore_db_instance_to_point_in_time", parameters, agreed)


def _parameters(declared: Mapping[str, Any], names: frozenset[str] | set[str]) -> dict[str, Any]:
    return {
        field.parameter: declared[field.name]
        for field in TABLE
        if field.name in names and field.parameter and declared[field.name] is not None
    }
