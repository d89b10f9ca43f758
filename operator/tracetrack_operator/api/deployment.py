"""TraceTrackDeployment: one running TraceTrack."""

from typing import ClassVar, Literal

from pydantic import ConfigDict, Field

from .brought import EndOfDaySpec, MailSpec
from .cache import CacheSpec
from .cloud import DriftPolicy, WeeklyWindow
from .constants import API_VERSION, NAME_MAX_LENGTH
from .database import DatabaseSpec
from .exposure import ExposureSpec
from .meta import LocalObjectReference, ObjectMeta
from .model import (
    ApiModel,
    Column,
    Enumeration,
    IntOrPercent,
    Names,
    Quantity,
    Resource,
    ResourceInfo,
    Rule,
    rules,
)
from .status import TraceTrackDeploymentStatus


def name_rule(kind: str) -> Rule:
    return Rule(
        f"self.metadata.name.size() <= {NAME_MAX_LENGTH} && self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",
        f"metadata.name of a {kind} must be a DNS label of at most {NAME_MAX_LENGTH} characters (a-z, 0-9 and "
        f"-, starting "
        "with a letter), since child objects append to it: choose such a name",
    )


class PullPolicy(Enumeration):
    IF_NOT_PRESENT = "IfNotPresent"
    ALWAYS = "Always"
    NEVER = "Never"


class ImageSpec(ApiModel):
    """Where the application's image comes from; its tag is spec.version."""

    repository: str | None = Field(
        default=None,
        max_length=255,
        pattern=r"^[a-z0-9]+([._-]+[a-z0-9]+)*(:[0-9]{1,5})?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*$",
        description="Image name without tag or digest. Absent: the operator's setting.",
    )
    digest: str | None = Field(
        default=None,
        max_length=71,
        pattern=r"^sha256:[a-f0-9]{64}$",
        description="Digest that the image must have, sha256: and 64 hexadecimal digits. Change it together "
        "with spec.version.",
    )
    pull_policy: PullPolicy = Field(
        default=PullPolicy.IF_NOT_PRESENT, description="When a node pulls the image: IfNotPresent, Always or Never."
    )
    pull_secrets: list[LocalObjectReference] = Field(
        default_factory=list,
        max_length=10,
        description="Secrets of type kubernetes.io/dockerconfigjson to pull with.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    )


class ScalingSpec(ApiModel):
    """How the HorizontalPodAutoscaler sizes the application."""

    min_replicas: int = Field(default=2, ge=1, le=100, description="Pods kept at the quietest time.")
    max_replicas: int = Field(default=20, ge=1, le=1000, description="Pods at the busiest time.")
    target_cpu_utilization_percentage: int = Field(
        default=70, ge=1, le=100, description="Average CPU use aimed at, in percent of resources.requests.cpu."
    )
    target_memory_utilization_percentage: int = Field(
        default=80, ge=1, le=300, description="Average memory use aimed at, in percent of resources.requests.memory."
    )
    scale_down_stabilization_seconds: int = Field(
        default=300, ge=0, le=3600, description="Pods go only when they were not needed for this long, in seconds."
    )

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule(
                "self.maxReplicas >= self.minReplicas",
                "spec.scaling.maxReplicas must be at least minReplicas: raise maxReplicas or lower minReplicas",
                ".maxReplicas",
            ),
        )
    )


class ResourceRequests(ApiModel):
    """What the scheduler sets aside for a pod."""

    cpu: Quantity = Field(default="250m", description="CPU, in cores or millicores (250m = a quarter of a core).")
    memory: Quantity = Field(default="192Mi", description="Memory, in bytes or with a unit (Mi, Gi).")


class ResourceLimits(ApiModel):
    """What a pod can't go beyond."""

    cpu: Quantity = Field(default="1", description="CPU, in cores or millicores.")
    memory: Quantity = Field(
        default="512Mi", description="Memory, in bytes or with a unit (Mi, Gi); a pod above it is restarted."
    )


class ResourcesSpec(ApiModel):
    """Compute resources of one application pod."""

    requests: ResourceRequests = Field(default=ResourceRequests(), description="Set aside for each pod.")
    limits: ResourceLimits = Field(default=ResourceLimits(), description="The most that each pod gets.")

    model_config = ConfigDict(
        json_schema_extra=rules(
            *(
                Rule(
                    f"quantity(string(self.limits.{name})).compareTo(quantity(string(self.requests.{name}))) >= 0",
                    f"spec.resources.limits.{name} must be at least requests.{name}: raise the limit or lower "
                    f"the request",
                    f".limits.{name}",
                )
                for name in ("cpu", "memory")
            )
        )
    )


def _not_zero(name: str) -> str:
    return f"(type(self.{name}) == string ? self.{name} != '0%' : self.{name} != 0)"


class RolloutSpec(ApiModel):
    """How a change reaches the pods, and how one stops."""

    max_surge: IntOrPercent = Field(
        default=1, description="Pods beyond the wanted number while rolling, as a number or a percentage (25%)."
    )
    max_unavailable: IntOrPercent = Field(
        default=0, description="Pods that may be missing while rolling, as a number or a percentage (25%)."
    )
    min_ready_seconds: int = Field(
        default=5, ge=0, le=3600, description="A new pod counts once it was ready this long, in seconds."
    )
    termination_grace_period_seconds: int = Field(
        default=60,
        ge=1,
        le=3600,
        description="Time that a pod has to finish what it accepted, preStop included, in seconds.",
    )
    pre_stop_seconds: int = Field(
        default=5,
        ge=0,
        le=600,
        description="Time between a pod's removal from the Service and its stop signal, in seconds, for load "
        "balancers to notice.",
    )

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule(
                f"{_not_zero('maxSurge')} || {_not_zero('maxUnavailable')}",
                "spec.rollout.maxSurge and maxUnavailable can't both be 0, or no rollout could ever start: "
                "raise one of them",
                ".maxSurge",
            ),
            Rule(
                "self.preStopSeconds < self.terminationGracePeriodSeconds",
                "spec.rollout.preStopSeconds must be less than terminationGracePeriodSeconds, or the pod is "
                "killed before it "
                "can finish: lower it or raise the grace period",
                ".preStopSeconds",
            ),
        )
    )


class LogLevel(Enumeration):
    DEBUG = "DEBUG"
    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"


class SettingsSpec(ApiModel):
    """What the application itself is told."""

    timezone: str = Field(
        default="Asia/Kolkata",
        max_length=64,
        pattern=r"^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}$",
        description="IANA time zone in which days begin and times are shown.",
    )
    parent_capacity: int = Field(default=30, ge=1, le=1000, description="Child bags that one parent bag takes.")
    log_level: LogLevel = Field(
        default=LogLevel.INFO, description="Least severity logged: DEBUG, INFO, WARNING or ERROR."
    )


class NetworkPolicySpec(ApiModel):
    """Who in the cluster may reach the application, the database and the cache."""

    enabled: bool = Field(default=True, description="Let only what is needed through. False: no NetworkPolicy.")
    ingress_namespace_selector: dict[str, str] | None = Field(
        default=None,
        max_length=20,
        description="Labels of the namespaces whose pods may reach the application, such as the ingress "
        "controller's. "
        "Absent: any source may.",
    )


class AWSSpec(ApiModel):
    """Where this deployment's AWS resources are."""

    region: str | None = Field(
        default=None,
        max_length=25,
        pattern=r"^[a-z]{2}(-[a-z]+)+-[0-9]$",
        description="AWS region. Absent: the operator's. It can't be changed once set.",
    )


class DeletionPolicy(Enumeration):
    SNAPSHOT = "Snapshot"
    RETAIN = "Retain"
    DELETE = "Delete"


class TraceTrackDeploymentSpec(ApiModel):
    """The TraceTrack that shall run."""

    version: str = Field(
        max_length=128,
        pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$",
        description="Version of TraceTrack to run: the tag of the application's image.",
    )
    image: ImageSpec = Field(default=ImageSpec(), description="Where the application's image comes from.")
    scaling: ScalingSpec = Field(default=ScalingSpec(), description="How many pods run, and what adds more.")
    resources: ResourcesSpec = Field(default=ResourcesSpec(), description="Compute resources of one application pod.")
    database: DatabaseSpec = Field(description="The PostgreSQL that keeps the scans: one provider and its section.")
    cache: CacheSpec = Field(description="The Redis for sessions, events and caching: one provider and its section.")
    exposure: ExposureSpec = Field(default=ExposureSpec(), description="How people and scanners reach the application.")
    rollout: RolloutSpec = Field(default=RolloutSpec(), description="How a change reaches the pods.")
    settings: SettingsSpec = Field(default=SettingsSpec(), description="What the application itself is told.")
    mail: MailSpec | None = Field(
        default=None, description="The mail server that the application sends through. Absent: it sends no mail."
    )
    end_of_day: EndOfDaySpec | None = Field(
        default=None, description="Who may have the end-of-day report sent. Absent: no scheduler may."
    )
    network_policy: NetworkPolicySpec = Field(
        default=NetworkPolicySpec(), description="Who may reach the pods over the cluster's network."
    )
    aws: AWSSpec = Field(default=AWSSpec(), description="Where this deployment's AWS resources are.")
    maintenance_window: WeeklyWindow | None = Field(
        default=None,
        description="Weekly window of an hour or more for what restarts or fails over a database or cache in AWS, in "
        "UTC, such as sun:20:00-sun:21:00. Absent: the windows that AWS picked. What can't wait is let go by the "
        "annotation tracetrack.io/approve, whose value the condition Synced tells.",
    )
    drift_policy: DriftPolicy = Field(
        default=DriftPolicy.CORRECT,
        description="What happens when somebody changes the database or cache in AWS by hand. Correct: it is set back "
        "as declared. Report: the condition Synced tells the difference.",
    )
    deletion_policy: DeletionPolicy = Field(
        default=DeletionPolicy.SNAPSHOT,
        description="What becomes of the data when this object is deleted. Snapshot: database and cache go once a "
        "final snapshot of each is available; Embedded volumes are kept. Retain: database, cache and volumes stay. "
        "Delete: they go, without a copy.",
    )
    suspend: bool = Field(
        default=False, description="Leave everything as it is until this is false again. Deletion still works."
    )

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule(
                "!has(oldSelf.aws.region) || self.aws.?region.orValue('') == oldSelf.aws.region",
                "spec.aws.region can't be changed once set, since the data would stay behind: "
                "restore it, and create a new TraceTrackDeployment for another region",
                ".aws.region",
            ),
            Rule(
                "!has(self.maintenanceWindow) || "
                "self.maintenanceWindow.substring(0, 9) != self.maintenanceWindow.substring(10)",
                "spec.maintenanceWindow ends when it begins, and would never be open: set a later end",
                ".maintenanceWindow",
            ),
            Rule(
                "!has(self.mail) || has(self.exposure.host)",
                "spec.mail needs spec.exposure.host, which links in mail begin with: add host or remove mail",
                ".mail",
            ),
        )
    )


READY_COLUMNS = (
    Column("Ready", "string", '.status.conditions[?(@.type=="Ready")].status', "Whether everything is as declared."),
    Column("Reason", "string", '.status.conditions[?(@.type=="Ready")].reason', "Why it is, or isn't."),
)
AGE_COLUMN = Column("Age", "date", ".metadata.creationTimestamp", "Time since the object was created.")


class TraceTrackDeployment(Resource):
    """One running TraceTrack: application, database, cache, and how it is reached."""

    api_version: Literal["tracetrack.io/v1alpha1"] = API_VERSION
    kind: Literal["TraceTrackDeployment"] = "TraceTrackDeployment"
    metadata: ObjectMeta
    spec: TraceTrackDeploymentSpec = Field(description="The TraceTrack that shall run.")
    status: TraceTrackDeploymentStatus | None = Field(
        default=None, description="The TraceTrack that runs, as last seen."
    )

    info: ClassVar[ResourceInfo] = ResourceInfo(
        kind="TraceTrackDeployment",
        names=Names("tracetrackdeployments", "tracetrackdeployment", "ttd"),
        columns=(
            *READY_COLUMNS,
            Column("Version", "string", ".status.version", "Version that all serving pods run."),
            Column("Replicas", "integer", ".status.readyReplicas", "Application pods that serve."),
            Column("Database", "string", ".spec.database.provider", "Provider of the database."),
            Column("Cache", "string", ".spec.cache.provider", "Provider of the cache."),
            Column(
                "Read-Replicas",
                "string",
                ".status.database.readyReadReplicas",
                "Read replicas of the database that serve, of those declared.",
                priority=1,
            ),
            Column("URL", "string", ".status.url", "Address of the application.", priority=1),
            AGE_COLUMN,
        ),
        root_rules=(name_rule("TraceTrackDeployment"),),
    )
