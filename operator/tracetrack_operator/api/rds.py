"""`spec.database.rds`: a DB instance in Amazon RDS."""

from pydantic import ConfigDict, Field

from .cloud import (
    KMS_KEY,
    DailyWindow,
    Management,
    bound_rules,
    credentials_field,
    management_field,
)
from .meta import LocalObjectReference
from .model import ApiModel, Enumeration, Rule, rules
from .replicas import ReadReplica, replicas_field, replicas_rules

RDS_ALLOCATED_STORAGE_GIB = 50


class MasterCredentials(Enumeration):
    """Who makes up the master's password."""

    GENERATED = "Generated"
    MANAGED_BY_RDS = "ManagedByRDS"


class MajorUpgradeStrategy(Enumeration):
    """How a later major version is had."""

    BLUE_GREEN = "BlueGreen"
    REFUSE = "Refuse"


class MajorUpgrade(ApiModel):
    """How the instance comes to a later major version of PostgreSQL."""

    strategy: MajorUpgradeStrategy = Field(
        default=MajorUpgradeStrategy.BLUE_GREEN,
        description="BlueGreen: an RDS blue/green deployment makes the new version beside the old one, and switches "
        "over in the maintenance window or once approved. Refuse: the version stays, and Synced says so.",
    )
    prepare_hours: int = Field(
        default=12,
        ge=0,
        le=168,
        description="The green instance, which costs as much as the present one, is made this many hours before the "
        "maintenance window, so that it is ready when that opens; at once when the upgrade is approved.",
    )
    switchover_timeout_seconds: int = Field(
        default=300,
        ge=30,
        le=3600,
        description="A switchover that takes longer is undone by RDS, in seconds. The application can't write "
        "meanwhile.",
    )
    keep_old_hours: int = Field(
        default=24,
        ge=0,
        le=720,
        description="The former instance is kept this long after the switchover, in hours, and then deleted: after a "
        "last snapshot, unless spec.deletionPolicy is Delete.",
    )


class RDSDatabase(ApiModel):
    """An Amazon RDS for PostgreSQL instance.

    What a change of a field does to the application (nothing, a restart, or that it is refused) is told in
    crds/CHANGES.md; restarts wait for spec.maintenanceWindow or an approval.
    """

    instance_identifier: str | None = Field(
        default=None,
        max_length=63,
        pattern=r"^[a-z](-?[a-z0-9])*$",
        description="DB instance identifier. Absent: <cluster>-<namespace>-<name>. It can't be changed afterwards. "
        "An instance of that name which was not made for this object is left untouched, and DatabaseReady says "
        "OwnershipConflict or AdoptionRequired.",
    )
    management: Management = management_field()
    credentials_secret_ref: LocalObjectReference | None = credentials_field(
        "username, password, and optionally database (default: that of the instance)"
    )
    database_name: str | None = Field(
        default=None,
        max_length=63,
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
        description="Database in the instance. Absent: the one that AWS says it was made with, else tracetrack. It "
        "can't be changed afterwards.",
    )
    instance_class: str = Field(
        default="db.t4g.medium", max_length=40, pattern=r"^db\.[a-z0-9-]+\.[a-z0-9]+$", description="DB instance class."
    )
    engine_version: str = Field(
        default="17",
        max_length=5,
        pattern=r"^1[4-9](\.[0-9]{1,2})?$",
        description="PostgreSQL version: a major one (17), where RDS picks the minor one, or an exact one (17.6), of "
        "which a later minor one that RDS brought is as good.",
    )
    major_upgrade: MajorUpgrade = Field(
        default=MajorUpgrade(), description="How a later major version in engineVersion is had."
    )
    allocated_storage_gib: int = Field(
        default=RDS_ALLOCATED_STORAGE_GIB,
        ge=20,
        le=65536,
        description="Storage (gp3), in GiB. It can grow, by at least a tenth, once in six hours; never shrink.",
    )
    max_allocated_storage_gib: int | None = Field(
        default=None,
        ge=20,
        le=65536,
        description="Size up to which RDS grows the storage by itself, in GiB: at least a tenth above "
        "allocatedStorageGiB. Absent: it doesn't.",
    )
    storage_iops: int | None = Field(
        default=None,
        ge=3000,
        le=64000,
        description="I/O operations a second; storage below 400 GiB has 3000 and takes no other. Absent: what RDS "
        "gives.",
    )
    storage_throughput_mibps: int | None = Field(
        default=None,
        ge=125,
        le=4000,
        description="Throughput of the storage, in MiB/s; storage below 400 GiB has 125 and takes no other. Absent: "
        "what RDS gives.",
    )
    multi_az: bool = Field(default=True, description="Keep a standby in a second availability zone.")
    subnet_group_name: str | None = Field(
        default=None, min_length=1, max_length=255, description="DB subnet group. Absent: the operator's setting."
    )
    security_group_ids: list[str] = Field(
        default_factory=list,
        max_length=5,
        description="VPC security groups of the instance. Empty: the operator's setting.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    parameter_group_name: str | None = Field(
        default=None,
        min_length=1,
        max_length=255,
        description="DB parameter group. Absent: the default one of the version.",
    )
    kms_key_id: str | None = Field(
        default=None,
        max_length=2048,
        pattern=KMS_KEY,
        description="KMS key that encrypts the storage: ARN, key id or alias. Absent: the key aws/rds.",
    )
    backup_retention_days: int = Field(
        default=7, ge=0, le=35, description="Automatic backups are kept this long, in days. 0: none."
    )
    backup_window: DailyWindow | None = Field(
        default=None,
        description="Daily window of the automatic backups, in UTC, such as 20:00-20:30. Absent: RDS picks one.",
    )
    master_credentials: MasterCredentials = Field(
        default=MasterCredentials.GENERATED,
        description="Who makes up the master's password, with which the operator makes the application's logins. "
        "Generated: the operator, in the credentials Secret. ManagedByRDS: RDS, in Secrets Manager, where it rotates "
        "it every 7 days; not with read replicas or blue/green deployments, which RDS refuses then.",
    )
    master_secret_kms_key_id: str | None = Field(
        default=None,
        max_length=2048,
        pattern=KMS_KEY,
        description="With masterCredentials ManagedByRDS: KMS key that encrypts that secret: ARN, key id or alias. "
        "Absent: the key aws/secretsmanager. It can't be changed while RDS manages the password.",
    )
    performance_insights: bool = Field(default=False, description="Record what the database waits for, for 7 days.")
    ca_certificate_identifier: str | None = Field(
        default=None,
        min_length=1,
        max_length=64,
        description="Authority of the server's certificate, such as rds-ca-rsa2048-g1. Absent: RDS picks one.",
    )
    deletion_protection: bool = Field(
        default=True,
        description="Protect the instance against deletion, by the operator too: it waits until this is false. When "
        "the whole namespace is deleted, a protected instance is kept.",
    )
    read_replicas: list[ReadReplica] = replicas_field()

    model_config = ConfigDict(
        json_schema_extra=rules(
            *bound_rules("spec.database.rds", "instanceIdentifier"),
            *replicas_rules("spec.database.rds"),
            Rule(
                "self.management != 'Bound' || self.masterCredentials == 'Generated'",
                "spec.database.rds.masterCredentials does not apply to management Bound, whose credentials are yours: "
                "remove it",
                ".masterCredentials",
            ),
            Rule(
                "!has(self.masterSecretKmsKeyId) || self.masterCredentials == 'ManagedByRDS'",
                "spec.database.rds.masterSecretKmsKeyId applies to masterCredentials ManagedByRDS only: remove it, or "
                "set that",
                ".masterSecretKmsKeyId",
            ),
            Rule(
                "!has(self.maxAllocatedStorageGiB) || "
                "self.maxAllocatedStorageGiB * 10 >= self.allocatedStorageGiB * 11",
                "spec.database.rds.maxAllocatedStorageGiB must be at least a tenth above allocatedStorageGiB, since "
                "RDS takes no smaller one: raise it or remove it",
                ".maxAllocatedStorageGiB",
            ),
            *(
                Rule(
                    f"!has(self.{name}) || self.allocatedStorageGiB >= 400",
                    f"spec.database.rds.{name} needs allocatedStorageGiB of 400 or more, since smaller gp3 storage has "
                    f"a fixed one: raise it, or remove {name}",
                    f".{name}",
                )
                for name in ("storageIops", "storageThroughputMiBps")
            ),
        )
    )
