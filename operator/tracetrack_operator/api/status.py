"""The status of a TraceTrackDeployment."""

from pydantic import Field

from .drill import DrillStatus
from .meta import CONDITIONS_EXTENSION, Condition
from .model import StatusModel, Timestamp
from .replicas import ReadReplicaStatus

PENDING_CHANGES = 50
LONGEST_REQUEST = 128


class CredentialsStatus(StatusModel):
    """What the application logs in with."""

    user: str = Field(default="", max_length=63, description="User name; empty where there is none.")
    request: str = Field(
        default="",
        max_length=LONGEST_REQUEST,
        description="Value of the annotation tracetrack.io/rotate that was granted last: these credentials, or ones "
        "before them, came of it.",
    )
    rotated_at: str = Field(default="", max_length=20, description="Time when the application was given them, in UTC.")
    next_rotation: str = Field(default="", max_length=20, description="Earliest time of the next rotation, in UTC.")


class LastChange(StatusModel):
    """The last call that made or changed the object in AWS."""

    operation: str = Field(max_length=64, description="The call, such as modify_db_instance.")
    disruption: str = Field(default="", max_length=16, description="Its class: none, online or reboot.")
    started_at: Timestamp = Field(description="When it was made.")
    seconds: int | None = Field(
        default=None, ge=0, description="Time until AWS had it done, in seconds; absent while it is under way."
    )


class LastFailover(StatusModel):
    """The last time that another server took over, as the operator saw it."""

    at: Timestamp = Field(description="When it was noticed.")
    from_: str = Field(alias="from", max_length=128, description="What served before: a node, or a zone.")
    to: str = Field(max_length=128, description="What serves since.")


class UpgradeStatus(StatusModel):
    """A major upgrade of the database."""

    from_version: str = Field(default="", max_length=32, description="Version that serves, or served before.")
    to_version: str = Field(default="", max_length=32, description="Version that it is upgraded to.")
    state: str = Field(
        default="",
        max_length=32,
        description="Blocked, AwaitingApproval, Preparing, Prepared, SwitchingOver, SwitchedOver, Failed or "
        "Withdrawing.",
    )
    since: str = Field(
        default="", max_length=20, description="When the green instance was begun; once switched over, when that was."
    )
    former_instance: str = Field(default="", max_length=80, description="Instance whose place was taken.")
    former_until: str = Field(default="", max_length=20, description="When it is deleted, in UTC.")


class DependencyStatus(StatusModel):
    """The database or the cache, as last seen."""

    provider: str = Field(default="", max_length=32, description="Provider in use.")
    endpoint: str = Field(default="", max_length=512, description="host:port that the application connects to.")
    state: str = Field(
        default="", max_length=64, description="State in the provider's own words, such as available or creating."
    )
    identifier: str = Field(default="", max_length=63, description="Name of the object in AWS.")
    version: str = Field(default="", max_length=32, description="Version of the engine.")
    size: str = Field(default="", max_length=64, description="Instance class or node type.")
    storage_gib: int | None = Field(default=None, ge=0, description="Size of the storage, in GiB.")
    replicas: int | None = Field(default=None, ge=0, description="Standbys and replicas beside the primary.")
    maintenance_window: str = Field(default="", max_length=19, description="Weekly window in force, in UTC.")
    latest_restorable_time: str = Field(
        default="",
        max_length=20,
        description="Time up to which the database could be restored, in UTC, when the status was last written: for "
        "its sake alone, once a day. The metric tracetrack_operator_database_latest_restorable_timestamp_seconds has "
        "it as it is now.",
    )
    master_secret_status: str = Field(
        default="",
        max_length=16,
        description="State of the secret in which RDS keeps the master's password: creating, active, rotating or "
        "impaired.",
    )
    pending_changes: list[str] = Field(
        default_factory=list,
        max_length=PENDING_CHANGES,
        description="Differences from the spec that are not done yet; the last one tells how many more there are.",
    )
    approval: str = Field(
        default="", max_length=2048, description="Value of the annotation tracetrack.io/approve that lets them go."
    )
    credentials: CredentialsStatus | None = Field(
        default=None, description="What the application logs in with, where the operator rotates it."
    )
    upgrade: UpgradeStatus | None = Field(
        default=None, description="The major upgrade that is wanted, under way, or done with its former instance kept."
    )
    last_change: LastChange | None = Field(default=None, description="The last change in AWS, and how long it took.")
    last_failover: LastFailover | None = Field(default=None, description="The last fail-over that was noticed.")
    ready_read_replicas: str = Field(
        default="", max_length=8, description="Read replicas that serve, of those declared, such as 1/2."
    )
    read_replicas: list[ReadReplicaStatus] = Field(
        default_factory=list,
        max_length=16,
        description="Read replicas, as last seen.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    )
    drill: DrillStatus | None = Field(default=None, description="Its restore drills, where there are any.")


class TraceTrackDeploymentStatus(StatusModel):
    """The TraceTrack that runs, as last seen."""

    observed_generation: int = Field(default=0, ge=0, description="metadata.generation that this status was found for.")
    conditions: list[Condition] = Field(
        default_factory=list,
        max_length=32,
        description="State by aspect; Ready sums them up.",
        json_schema_extra=CONDITIONS_EXTENSION,
    )
    replicas: int | None = Field(default=None, ge=0, description="Application pods that exist.")
    ready_replicas: int | None = Field(default=None, ge=0, description="Application pods that serve.")
    version: str | None = Field(default=None, max_length=128, description="Version that all serving pods run.")
    url: str | None = Field(default=None, max_length=512, description="Address of the application.")
    database: DependencyStatus | None = Field(default=None, description="The database, as last seen.")
    cache: DependencyStatus | None = Field(default=None, description="The cache, as last seen.")
    fleets: int | None = Field(default=None, ge=0, description="ScannerFleets whose scanners may scan here.")
