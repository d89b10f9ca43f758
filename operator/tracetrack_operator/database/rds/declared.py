"""What the spec declares of a DB instance, and the parameters that change it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...api.rds import RDSDatabase
from ...dependencies.cloud.fields import Field
from ...settings import Settings
from .fields import MASTER_CREDENTIALS, MASTER_SECRET_KEY, PASSWORD, REBOOT


def declared(wanted: RDSDatabase, window: str | None, settings: Settings) -> dict[str, Any]:
    """The wanted value of every field of the table; None where it is left to AWS."""
    return {
        "instanceClass": wanted.instance_class,
        "engineVersion": wanted.engine_version,
        "allocatedStorageGiB": wanted.allocated_storage_gib,
        "maxAllocatedStorageGiB": wanted.max_allocated_storage_gib or 0,
        "storageIops": wanted.storage_iops,
        "storageThroughputMiBps": wanted.storage_throughput_mibps,
        "storageType": "gp3",
        "multiAZ": wanted.multi_az,
        "subnetGroupName": wanted.subnet_group_name or settings.rds_subnet_group or None,
        "kmsKeyId": wanted.kms_key_id,
        "storageEncrypted": True,
        "securityGroupIds": sorted(wanted.security_group_ids or settings.rds_security_groups) or None,
        "parameterGroupName": wanted.parameter_group_name,
        "parametersInForce": True,
        "backupRetentionDays": wanted.backup_retention_days,
        "backupWindow": wanted.backup_window,
        "maintenanceWindow": window,
        "performanceInsights": wanted.performance_insights,
        "caCertificateIdentifier": wanted.ca_certificate_identifier,
        "deletionProtection": wanted.deletion_protection,
        "publiclyAccessible": False,
        "autoMinorVersionUpgrade": True,
        "copyTagsToSnapshot": True,
        MASTER_CREDENTIALS: str(wanted.master_credentials),
        MASTER_SECRET_KEY: wanted.master_secret_kms_key_id,
    }


def modify_parameters(name: str, field: Field, values: Mapping[str, Any], secret: Mapping[str, str]) -> dict[str, Any]:
    """Of one call with these values by parameter; `field` is one of those changed, of its operation and group."""
    if field.operation == REBOOT:
        return {"DBInstanceIdentifier": name}
    if field.group == MASTER_CREDENTIALS:
        # In force at once, as below. Without RDS the master has the password of the Secret.
        managed = values.get("ManageMasterUserPassword", True)
        given = {**values, **({} if managed else {"MasterUserPassword": secret["password"]})}
        return {"DBInstanceIdentifier": name, **given, "ApplyImmediately": False}
    if field is PASSWORD:
        # In force at once whatever is asked, so that nothing that waits is set off.
        return {
            "DBInstanceIdentifier": name,
            "MasterUserPassword": secret["password"],
            "ApplyImmediately": False,
        }
    return {"DBInstanceIdentifier": name, **values, "ApplyImmediately": True}
