"""`spec.cache`: the Redis that sessions, events and read caches go through."""

from typing import Any

from pydantic import ConfigDict, Field, model_validator

from .cloud import (
    DailyWindow,
    Management,
    Rotation,
    bound_rules,
    credentials_field,
    management_field,
    rotation_field,
    rotation_rules,
)
from .meta import LocalObjectReference
from .model import ApiModel, Enumeration, Rule, StorageSize, rules
from .sections import fixed_rule, growth_rule, section_rules, with_section

EMBEDDED_CACHE_STORAGE = "1Gi"


class CacheProvider(Enumeration):
    ELASTICACHE = "ElastiCache"
    EXTERNAL = "External"
    EMBEDDED = "Embedded"


class CacheAuthentication(Enumeration):
    """How the application logs in."""

    TOKEN = "Token"  # noqa: S105
    USERS = "Users"


class EmbeddedCache(ApiModel):
    """Redis in one pod of the namespace, for laptops and tests: no replica, no TLS."""

    storage: StorageSize = Field(
        default=EMBEDDED_CACHE_STORAGE, description="Size of the volume, in Mi, Gi or Ti. It can grow, never shrink."
    )
    storage_class_name: str | None = Field(
        default=None,
        min_length=1,
        max_length=253,
        description="StorageClass of the volume. Absent: the cluster's default class.",
    )


class ExternalCache(ApiModel):
    """A Redis (7 or later) that you run."""

    secret_ref: LocalObjectReference = Field(
        description="Secret with the keys host, port, and optionally username, password, tls (true or false; default "
        "false) and ca.crt (PEM)."
    )


class ElastiCacheCache(ApiModel):
    """An Amazon ElastiCache replication group with Valkey.

    What a change of a field does to the application is told in crds/CHANGES.md; fail-overs wait for
    spec.maintenanceWindow or an approval.
    """

    replication_group_identifier: str | None = Field(
        default=None,
        max_length=40,
        pattern=r"^[a-z](-?[a-z0-9])*$",
        description="Replication group identifier. Absent: <cluster>-<namespace>-<name>. It can't be changed "
        "afterwards. A replication group of that name which was not made for this object is left untouched, and "
        "CacheReady says OwnershipConflict or AdoptionRequired.",
    )
    management: Management = management_field()
    credentials_secret_ref: LocalObjectReference | None = credentials_field("password, and optionally username")
    authentication: CacheAuthentication = Field(
        default=CacheAuthentication.TOKEN,
        description="How the application logs in. Token: with the AUTH token, which may do everything. Users: as a "
        "user of the replication group's own user group, who may do what the application needs, with its own keys. A "
        "cache in use goes over from Token to Users without a request lost; not back.",
    )
    node_type: str = Field(
        default="cache.t4g.micro",
        max_length=40,
        pattern=r"^cache\.[a-z0-9-]+\.[a-z0-9]+$",
        description="Cache node type.",
    )
    engine_version: str = Field(
        default="8.0", max_length=6, pattern=r"^[0-9]{1,2}\.[0-9]{1,2}$", description="Version of the Valkey engine."
    )
    replicas: int = Field(
        default=1,
        ge=0,
        le=5,
        description="Read replicas beside the primary. 1 or more: failover by itself, in two zones.",
    )
    subnet_group_name: str | None = Field(
        default=None, min_length=1, max_length=255, description="Cache subnet group. Absent: the operator's setting."
    )
    security_group_ids: list[str] = Field(
        default_factory=list,
        max_length=5,
        description="VPC security groups of the nodes. Empty: the operator's setting.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    parameter_group_name: str | None = Field(
        default=None,
        min_length=1,
        max_length=255,
        description="Cache parameter group. Absent: the default one of the version.",
    )
    snapshot_retention_days: int = Field(
        default=0, ge=0, le=35, description="Daily snapshots are kept this long, in days. 0: none."
    )
    snapshot_window: DailyWindow | None = Field(
        default=None,
        description="Daily window of the snapshots, in UTC, such as 20:00-21:00. Absent: ElastiCache picks one.",
    )

    model_config = ConfigDict(
        json_schema_extra=rules(
            *bound_rules("spec.cache.elasticache", "replicationGroupIdentifier"),
            Rule(
                "self.management != 'Bound' || self.authentication == 'Token'",
                "spec.cache.elasticache.authentication does not apply to management Bound: remove it, and name the "
                "user in the Secret, key username",
                ".authentication",
            ),
        )
    )


_SECTIONS = {"ElastiCache": "elasticache", "External": "external", "Embedded": "embedded"}


class CacheSpec(ApiModel):
    """One provider and the section named after it."""

    provider: CacheProvider = Field(
        description="ElastiCache: Amazon ElastiCache. External: a Redis you run, reached with a Secret you bring. "
        "Embedded: Redis in the cluster, for laptops and tests. It can't be changed afterwards."
    )
    embedded: EmbeddedCache | None = Field(default=None, description="Settings of provider Embedded; absent otherwise.")
    external: ExternalCache | None = Field(default=None, description="Settings of provider External; absent otherwise.")
    elasticache: ElastiCacheCache | None = Field(
        default=None, description="Settings of provider ElastiCache; absent otherwise."
    )
    rotation: Rotation | None = rotation_field()

    @model_validator(mode="before")
    @classmethod
    def _fill_section(cls, value: Any) -> Any:
        return with_section(value, _SECTIONS)

    def section(self) -> EmbeddedCache | ExternalCache | ElastiCacheCache:
        """The settings of the chosen provider; parsing has made sure that they are there."""
        chosen = {
            CacheProvider.EMBEDDED: self.embedded,
            CacheProvider.EXTERNAL: self.external,
            CacheProvider.ELASTICACHE: self.elasticache,
        }[self.provider]
        if chosen is None:
            raise ValueError(f"spec.cache.{_SECTIONS[self.provider]} is absent with provider {self.provider}; add it")
        return chosen

    model_config = ConfigDict(
        json_schema_extra=rules(
            *section_rules("spec.cache", _SECTIONS, "External"),
            *rotation_rules("spec.cache", "ElastiCache", "elasticache"),
            growth_rule(
                "embedded",
                "storage",
                EMBEDDED_CACHE_STORAGE,
                "spec.cache.embedded.storage can't shrink, since volumes only grow: set the earlier size or a "
                "larger one",
                quantities=True,
            ),
            Rule(
                "!has(oldSelf.elasticache) || oldSelf.elasticache.authentication != 'Users' || "
                "(has(self.elasticache) && self.elasticache.authentication == 'Users')",
                "spec.cache.elasticache.authentication can't go back from Users, since AWS would let everybody in "
                "meanwhile: restore it, and create a new TraceTrackDeployment for a cache with a token",
                ".elasticache.authentication",
            ),
            fixed_rule(
                "elasticache",
                "replicationGroupIdentifier",
                "spec.cache.elasticache.replicationGroupIdentifier can't be changed: "
                "restore it, and create a new TraceTrackDeployment for another replication group",
            ),
        )
    )
