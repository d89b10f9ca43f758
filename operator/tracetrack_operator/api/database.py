"""`spec.database`: where the scans are kept."""

from typing import Any

from pydantic import ConfigDict, Field, model_validator

from .cloud import (
    KMS_KEY,
    DailyWindow,
    Management,
    Rotation,
    bound_rules,
    credentials_field,
    management_field,
    rotation_field,
    rotation_rules,
)
from .drill import DrillSpec
from .meta import LocalObjectReference
from .model import ApiModel, Enumeration, Rule, StorageSize, rules
from .replicas import ReadReplica, replicas_field, replicas_rules

EMBEDDED_DATABASE_STORAGE = "10Gi"
RDS_ALLOCATED_STORAGE_GIB = 50


class DatabaseProvider(Enumeration):
    RDS = "RDS"
    EXTERNAL = "External"
    EMBEDDED = "Embedded"


def with_section(value: Any, sections: dict[str, str]) -> Any:
    """Adds the provider's own section, empty, where it was left out, so that its defaults apply."""
    if isinstance(value, dict) and (section := sections.get(str(value.get("provider")))) and value.get(section) is None:
        return {**value, section: {}}
    return value


def section_rules(field: str, sections: dict[str, str], needs_secret: str) -> list[Rule]:
    """Each provider's section only beside that provider, and a Secret for the one that needs it."""
    only = [
        Rule(
            f"!has(self.{section}) || self.provider == '{provider}'",
            f"{field}.{section} applies to provider {provider} only: remove it, or set {field}.provider to {provider}",
            f".{section}",
        )
        for provider, section in sections.items()
    ]
    return [
        *only,
        Rule(
            f"self.provider != '{needs_secret}' || has(self.external)",
            f"{field}.external.secretRef.name is required with provider {needs_secret}: name the Secret to "
            f"connect with",
        ),
        Rule(
            "self.provider == oldSelf.provider",
            f"{field}.provider can't be changed, since the data would stay behind: "
            "keep it, and create a new TraceTrackDeployment for another provider",
            ".provider",
        ),
    ]


def _compared(left: str, right: str, quantities: bool) -> str:
    return f"quantity({left}).compareTo(quantity({right})) >= 0" if quantities else f"{left} >= {right}"


def growth_rule(section: str, field: str, default: str, message: str, quantities: bool = False) -> Rule:
    """A size that can't shrink, counted as its default where the section was or is left out.

    The branches are spelled out because the API server can't bound the cost of a value that orValue() chose.
    """
    new, old = f"self.{section}.{field}", f"oldSelf.{section}.{field}"
    literal = f"'{default}'" if quantities else default
    return Rule(
        f"has(self.{section}) ? (has(oldSelf.{section}) ? {_compared(new, old, quantities)} : "
        f"{_compared(new, literal, quantities)}) : "
        f"(!has(oldSelf.{section}) || {_compared(literal, old, quantities)})",
        message,
    )


def fixed_rule(section: str, field: str, message: str) -> Rule:
    """An optional field of an optional section that can't be set, changed or removed after the creation."""
    new, old = (f"has({side}.{section}) && has({side}.{section}.{field})" for side in ("self", "oldSelf"))
    return Rule(f"{new} ? {old} && self.{section}.{field} == oldSelf.{section}.{field} : !({old})", message)


class MasterCredentials(Enumeration):
    """Who makes up the master's password."""

    GENERATED = "Generated"
    MANAGED_BY_RDS = "ManagedByRDS"


class EmbeddedDatabase(ApiModel):
    """PostgreSQL in one pod of the namespace, for laptops and tests: no replica, no backup, no TLS."""

    storage: StorageSize = Field(
        default=EMBEDDED_DATABASE_STORAGE, description="Size of the volume, in Mi, Gi or Ti. It can grow, never shrink."
    )
    storage_class_name: str | None = Field(
        default=None,
        min_length=1,
        max_length=253,
        description="StorageClass of the volume. Absent: the cluster's default class.",
    )


class ExternalDatabase(ApiModel):
    """A PostgreSQL (14 or later) that you run."""

    secret_ref: LocalObjectReference = Field(
        description="Secret with the keys host, port, database, username, password, and optionally sslmode "
        "(disable, require, verify-full; default require) and ca.crt (PEM)."
    )


class PointInTime(ApiModel):
    """A moment of an instance whose automatic backups are on."""

    instance_identifier: str = Field(
        min_length=1, max_length=63, pattern=r"^[a-zA-Z](-?[a-zA-Z0-9])*$", description="DB instance to take it from."
    )
    time: str | None = Field(
        default=None,
        max_length=20,
        pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$",
        description="The moment, in UTC, such as 2026-11-23T14:05:00Z. Absent: the latest one that can be restored.",
    )


class RestoreFrom(ApiModel):
    """What a new instance begins with. It is looked at when the instance is made, and never again."""

    snapshot_identifier: str | None = Field(
        default=None, min_length=1, max_length=255, description="DB snapshot, by identifier or ARN."
    )
    point_in_time: PointInTime | None = Field(default=None, description="A moment of another instance.")

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule(
                "has(self.snapshotIdentifier) != has(self.pointInTime)",
                "spec.database.restoreFrom takes either snapshotIdentifier or pointInTime: name one of them",
                ".snapshotIdentifier",
            ),
        )
    )


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


_SECTIONS = {"RDS": "rds", "External": "external", "Embedded": "embedded"}


class DatabaseSpec(ApiModel):
    """One provider and the section named after it."""

    provider: DatabaseProvider = Field(
        description="RDS: Amazon RDS for PostgreSQL. External: a PostgreSQL you run, reached with a Secret you "
        "bring. "
        "Embedded: PostgreSQL in the cluster, for laptops and tests. It can't be changed afterwards."
    )
    embedded: EmbeddedDatabase | None = Field(
        default=None, description="Settings of provider Embedded; absent otherwise."
    )
    external: ExternalDatabase | None = Field(
        default=None, description="Settings of provider External; absent otherwise."
    )
    rds: RDSDatabase | None = Field(default=None, description="Settings of provider RDS; absent otherwise.")
    rotation: Rotation | None = rotation_field()
    restore_from: RestoreFrom | None = Field(
        default=None,
        description="With provider RDS: the data that a new instance begins with. Absent: it begins empty. It changes "
        "nothing once the instance is there.",
    )
    drill: DrillSpec | None = Field(
        default=None,
        description="With provider RDS: restore the latest snapshot now and then, and see whether all is in it. "
        "Absent: never.",
    )

    @model_validator(mode="before")
    @classmethod
    def _fill_section(cls, value: Any) -> Any:
        return with_section(value, _SECTIONS)

    def section(self) -> EmbeddedDatabase | ExternalDatabase | RDSDatabase:
        """The settings of the chosen provider; parsing has made sure that they are there."""
        chosen = {
            DatabaseProvider.EMBEDDED: self.embedded,
            DatabaseProvider.EXTERNAL: self.external,
            DatabaseProvider.RDS: self.rds,
        }[self.provider]
        if chosen is None:
            raise ValueError(
                f"spec.database.{_SECTIONS[self.provider]} is absent with provider {self.provider}; add it"
            )
        return chosen

    model_config = ConfigDict(
        json_schema_extra=rules(
            *section_rules("spec.database", _SECTIONS, "External"),
            *rotation_rules("spec.database", "RDS", "rds"),
            Rule(
                "!has(self.restoreFrom) || self.provider == 'RDS'",
                "spec.database.restoreFrom applies to provider RDS only: remove it, or set spec.database.provider to "
                "RDS",
                ".restoreFrom",
            ),
            Rule(
                "!has(self.drill) || self.provider == 'RDS'",
                "spec.database.drill applies to provider RDS only: remove it, or set spec.database.provider to RDS",
                ".drill",
            ),
            growth_rule(
                "embedded",
                "storage",
                EMBEDDED_DATABASE_STORAGE,
                "spec.database.embedded.storage can't shrink, since volumes only grow: "
                "set the earlier size or a larger one",
                quantities=True,
            ),
            growth_rule(
                "rds",
                "allocatedStorageGiB",
                str(RDS_ALLOCATED_STORAGE_GIB),
                "spec.database.rds.allocatedStorageGiB can't shrink, since RDS storage only grows: "
                "set the earlier size or a larger one",
            ),
            fixed_rule(
                "rds",
                "databaseName",
                "spec.database.rds.databaseName can't be changed, since the data would stay behind: restore it",
            ),
            fixed_rule(
                "rds",
                "instanceIdentifier",
                "spec.database.rds.instanceIdentifier can't be changed, since the data would stay behind: "
                "restore it, and create a new TraceTrackDeployment for another instance",
            ),
        )
    )
