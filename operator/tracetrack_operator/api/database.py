"""`spec.database`: where the scans are kept."""

from typing import Any

from pydantic import ConfigDict, Field, model_validator

from .meta import LocalObjectReference
from .model import ApiModel, Enumeration, Rule, StorageSize, rules

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


class RDSDatabase(ApiModel):
    """An Amazon RDS for PostgreSQL instance, made by the operator."""

    instance_identifier: str | None = Field(
        default=None,
        max_length=63,
        pattern=r"^[a-z](-?[a-z0-9])*$",
        description="DB instance identifier. Absent: <cluster>-<namespace>-<name>. It can't be changed afterwards. "
        "An instance of that name which was not made for this object is left untouched, and DatabaseReady says "
        "OwnershipConflict.",
    )
    instance_class: str = Field(
        default="db.t4g.medium", max_length=40, pattern=r"^db\.[a-z0-9-]+\.[a-z0-9]+$", description="DB instance class."
    )
    engine_version: str = Field(
        default="17",
        max_length=5,
        pattern=r"^1[4-9](\.[0-9]{1,2})?$",
        description="PostgreSQL version: a major one (17), where RDS picks the minor one, or an exact one (17.6).",
    )
    allocated_storage_gib: int = Field(
        default=RDS_ALLOCATED_STORAGE_GIB, ge=20, le=65536, description="Storage, in GiB. It can grow, never shrink."
    )
    max_allocated_storage_gib: int | None = Field(
        default=None,
        ge=20,
        le=65536,
        description="Size up to which RDS grows the storage by itself, in GiB. Absent: it doesn't.",
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
    kms_key_id: str | None = Field(
        default=None,
        min_length=1,
        max_length=2048,
        description="KMS key that encrypts the storage. Absent: the key aws/rds.",
    )
    backup_retention_days: int = Field(
        default=7, ge=0, le=35, description="Automatic backups are kept this long, in days. 0: none."
    )
    deletion_protection: bool = Field(
        default=True,
        description="Protect the instance against deletion by others. The operator lifts it when "
        "spec.deletionPolicy asks for the deletion.",
    )

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule(
                "!has(self.maxAllocatedStorageGiB) || self.maxAllocatedStorageGiB >= self.allocatedStorageGiB",
                "spec.database.rds.maxAllocatedStorageGiB must be at least allocatedStorageGiB: raise it or remove it",
                ".maxAllocatedStorageGiB",
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
                "instanceIdentifier",
                "spec.database.rds.instanceIdentifier can't be changed, since the data would stay behind: "
                "restore it, and create a new TraceTrackDeployment for another instance",
            ),
        )
    )
