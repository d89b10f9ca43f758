"""`spec.database.rds.readReplicas`: instances that follow the primary and are read from."""

from pydantic import ConfigDict, Field

from .model import ApiModel, Rule, StatusModel, rules

MOST = 5


class ReadReplica(ApiModel):
    """A read replica. What isn't here is as the primary has it."""

    name: str = Field(
        max_length=20,
        pattern=r"^[a-z](-?[a-z0-9])*$",
        description="Name in this list. The DB instance identifier is that of the primary, a hyphen and this.",
    )
    instance_class: str | None = Field(
        default=None,
        max_length=40,
        pattern=r"^db\.[a-z0-9-]+\.[a-z0-9]+$",
        description="DB instance class. Absent: that of the primary.",
    )
    multi_az: bool = Field(default=False, description="Keep a standby of the replica in a second availability zone.")
    availability_zone: str | None = Field(
        default=None,
        max_length=32,
        pattern=r"^[a-z]{2}(-[a-z0-9]+)+$",
        description="Availability zone, such as ap-south-1b. Absent: RDS picks one. It can't be changed in place.",
    )

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule(
                "!self.name.matches('^(drill|old[0-9]+|green-.*)$')",
                "spec.database.rds.readReplicas[].name can't be drill, old1 or green-…, as restore drills and upgrades "
                "call their instances: choose another one",
                ".name",
            ),
            Rule(
                "!self.multiAZ || !has(self.availabilityZone)",
                "spec.database.rds.readReplicas[].availabilityZone can't be chosen with multiAZ, whose zones RDS "
                "picks: remove one of them",
                ".availabilityZone",
            ),
        )
    )


def replicas_field() -> list[ReadReplica]:
    """The field `readReplicas`."""
    return Field(
        default_factory=list,
        max_length=MOST,
        description="Read replicas, which lists and reports are read from: the application is given the first by name "
        "that answers. They need automatic backups (backupRetentionDays). One that is removed here is deleted.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    )


def replicas_rules(section: str) -> tuple[Rule, ...]:
    """What replicas need of their primary."""
    return (
        Rule(
            "!has(self.readReplicas) || size(self.readReplicas) == 0 || self.backupRetentionDays >= 1",
            f"{section}.readReplicas need automatic backups: set backupRetentionDays to 1 or more, or remove them",
            ".readReplicas",
        ),
        Rule(
            "!has(self.readReplicas) || size(self.readReplicas) == 0 || self.management != 'Bound'",
            f"{section}.readReplicas do not apply to management Bound, whose instance is never changed: remove them",
            ".readReplicas",
        ),
        Rule(
            "!has(self.readReplicas) || size(self.readReplicas) == 0 || self.masterCredentials == 'Generated'",
            f"{section}.readReplicas can't be had with masterCredentials ManagedByRDS: set it to Generated, or remove "
            "them",
            ".readReplicas",
        ),
    )


class ReadReplicaStatus(StatusModel):
    """A read replica, as last seen."""

    name: str = Field(max_length=20, description="Its name in the spec.")
    identifier: str = Field(default="", max_length=63, description="DB instance identifier.")
    state: str = Field(default="", max_length=64, description="State in AWS's words; absent: there is none yet.")
    endpoint: str = Field(default="", max_length=512, description="host:port.")
    size: str = Field(default="", max_length=64, description="Instance class.")
    serving: bool = Field(default=False, description="Whether it answers, and is not far behind.")
    lag_seconds: int | None = Field(
        default=None,
        ge=0,
        description="How far it is behind the primary at least, in seconds, in steps (0, 10, 30, 60, 120, 300, ...); "
        "the metric tracetrack_operator_database_replica_lag_seconds has it exactly. Absent: not known.",
    )
