"""`spec.database`: where the scans are kept."""

from typing import Any

from pydantic import ConfigDict, Field, model_validator

from .cloud import (
    Rotation,
    rotation_field,
    rotation_rules,
)
from .drill import DrillSpec
from .meta import LocalObjectReference
from .model import ApiModel, Enumeration, Rule, StorageSize, rules
from .rds import RDS_ALLOCATED_STORAGE_GIB, RDSDatabase
from .sections import fixed_rule, growth_rule, section_rules, with_section

EMBEDDED_DATABASE_STORAGE = "10Gi"


class DatabaseProvider(Enumeration):
    RDS = "RDS"
    EXTERNAL = "External"
    EMBEDDED = "Embedded"


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
