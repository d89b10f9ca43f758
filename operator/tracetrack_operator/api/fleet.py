"""ScannerFleet: the scanners of one site."""

from typing import ClassVar, Literal

from pydantic import ConfigDict, Field

from .constants import API_VERSION, OWNER_ATTRIBUTE
from .deployment import AGE_COLUMN, READY_COLUMNS, name_rule
from .meta import CONDITIONS_EXTENSION, Condition, LocalObjectReference, ObjectMeta
from .model import ApiModel, Column, Enumeration, Names, Resource, ResourceInfo, Rule, Scale, StatusModel, rules

_ATTRIBUTE_NAME = "^[a-zA-Z0-9_.,@/:#-]{1,128}$"
_ATTRIBUTE_VALUE = r"^[a-zA-Z0-9_.,@/:#=\[\]-]*$"


class NamingSpec(ApiModel):
    """A scanner is called by the prefix and its number, from 1, filled with zeros to `digits`: lucknow-0001."""

    prefix: str | None = Field(
        default=None,
        min_length=1,
        max_length=48,
        pattern=r"^[a-z0-9][-a-z0-9]*$",
        description="What every scanner's name begins with, unique in the namespace. Absent: the fleet's name "
        "and a hyphen.",
    )
    digits: int = Field(
        default=4, ge=1, le=6, description="Digits of the number in the name: 4 is enough for 9999 scanners."
    )


class ProvisioningMode(Enumeration):
    CERTIFICATE = "Certificate"


class ProvisioningSpec(ApiModel):
    """How a scanner gets its identity."""

    mode: ProvisioningMode = Field(
        default=ProvisioningMode.CERTIFICATE,
        description="Certificate: the operator makes each scanner's key and certificate beforehand and leaves "
        "them in a Secret.",
    )


class CredentialsSpec(ApiModel):
    """The device keys that scanners sign in with."""

    key_generation: int = Field(
        default=1,
        ge=1,
        le=1_000_000,
        description="Generation of the device keys: raise it to replace them all. It never falls.",
    )

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule(
                "self.keyGeneration >= oldSelf.keyGeneration",
                "spec.credentials.keyGeneration can only grow, or withdrawn device keys would work again: "
                "set the earlier number or a larger one",
                ".keyGeneration",
            ),
        )
    )


class FleetDeletionPolicy(Enumeration):
    DELETE = "Delete"
    RETAIN = "Retain"


class ScannerFleetSpec(ApiModel):
    """The scanners that shall be provisioned."""

    deployment_ref: LocalObjectReference = Field(
        description="TraceTrackDeployment that the scanners scan for, in the same namespace. It can't be "
        "changed afterwards.",
        json_schema_extra=rules(
            Rule(
                "self.name == oldSelf.name",
                "spec.deploymentRef.name can't be changed, since the scanners hold keys for the earlier deployment: "
                "restore it, and create a new ScannerFleet for another deployment",
                ".name",
            ),
            **{"x-kubernetes-map-type": "atomic"},
        ),
    )
    replicas: int = Field(
        default=1, ge=0, le=10_000, description="Scanners in the fleet. Fewer: those with the highest numbers go."
    )
    naming: NamingSpec = Field(
        default=NamingSpec(), description="How the scanners are called. It can't be changed afterwards."
    )
    thing_type: str = Field(
        default="tracetrack-scanner",
        min_length=1,
        max_length=128,
        pattern=r"^[a-zA-Z0-9:_-]+$",
        description="AWS IoT thing type of the scanners; made if missing, shared between fleets, never deleted.",
    )
    attributes: dict[str, str] = Field(
        default_factory=dict,
        max_length=20,
        description="AWS IoT attributes of every scanner, such as the site, at most 20. Names have 1 to 128 of "
        "the characters "
        "a-z A-Z 0-9 _ . , @ / : # -, values up to 800 of the same and = [ ].",
        json_schema_extra=rules(
            Rule(
                f"self.all(name, name.matches('{_ATTRIBUTE_NAME}'))",
                "spec.attributes has a name that AWS IoT refuses: use 1 to 128 of the characters a-z A-Z 0-9 _ "
                ". , @ / : # -",
            ),
            Rule(
                f"!('{OWNER_ATTRIBUTE}' in self)",
                f"spec.attributes can't have {OWNER_ATTRIBUTE}, by which the operator knows its own scanners: "
                "choose another name",
            ),
            additionalProperties={"type": "string", "maxLength": 800, "pattern": _ATTRIBUTE_VALUE},
        ),
    )
    provisioning: ProvisioningSpec = Field(default=ProvisioningSpec(), description="How a scanner gets its identity.")
    credentials: CredentialsSpec = Field(default=CredentialsSpec(), description="The device keys of the scanners.")
    deletion_policy: FleetDeletionPolicy = Field(
        default=FleetDeletionPolicy.DELETE,
        description="What becomes of the scanners in AWS when this object is deleted. Delete: things, "
        "certificates and the "
        "signing key go. Retain: they stay.",
    )
    suspend: bool = Field(
        default=False, description="Leave everything as it is until this is false again. Deletion still works."
    )

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule(
                "self.replicas <= [9, 99, 999, 9999, 99999, 999999][self.naming.digits - 1]",
                "spec.replicas doesn't fit in spec.naming.digits digits: lower replicas, or create a new "
                "ScannerFleet "
                "with more digits",
                ".replicas",
            ),
            Rule(
                "self.naming.digits == oldSelf.naming.digits",
                "spec.naming.digits can't be changed, since every scanner would get another name: "
                "restore it, or create a new ScannerFleet",
                ".naming.digits",
            ),
        )
    )


class ScannerFleetStatus(StatusModel):
    """The scanners that exist, as last seen; each one's state is in a ScannerSlice."""

    observed_generation: int = Field(default=0, ge=0, description="metadata.generation that this status was found for.")
    conditions: list[Condition] = Field(
        default_factory=list,
        max_length=32,
        description="State by aspect; Ready sums them up.",
        json_schema_extra=CONDITIONS_EXTENSION,
    )
    replicas: int = Field(default=0, ge=0, description="Scanners that exist, in whatever state.")
    ready_replicas: int | None = Field(default=None, ge=0, description="Scanners that are provisioned and may scan.")
    selector: str | None = Field(
        default=None, max_length=512, description="Label selector of the fleet's children, for the scale subresource."
    )
    slices: int | None = Field(default=None, ge=0, description="ScannerSlices of the fleet.")
    thing_group: str | None = Field(default=None, max_length=128, description="AWS IoT thing group of the fleet.")
    signing_secret_arn: str | None = Field(
        default=None,
        max_length=2048,
        description="ARN of the Secrets Manager secret that device keys are derived from.",
    )


class ScannerFleet(Resource):
    """The scanners of one site: their number, names, AWS IoT identities and device keys."""

    api_version: Literal["tracetrack.io/v1alpha1"] = API_VERSION
    kind: Literal["ScannerFleet"] = "ScannerFleet"
    metadata: ObjectMeta
    spec: ScannerFleetSpec = Field(description="The scanners that shall be provisioned.")
    status: ScannerFleetStatus | None = Field(default=None, description="The scanners that exist, as last seen.")

    @property
    def prefix(self) -> str:
        return self.spec.naming.prefix or f"{self.metadata.name}-"

    def scanner_name(self, number: int) -> str:
        """Name of the scanner with that number, from 1: `lucknow-0001`. Raises ValueError where it doesn't fit."""
        if not 1 <= number < 10**self.spec.naming.digits:
            raise ValueError(f"scanner number {number} doesn't fit in spec.naming.digits {self.spec.naming.digits}")
        return f"{self.prefix}{number:0{self.spec.naming.digits}d}"

    info: ClassVar[ResourceInfo] = ResourceInfo(
        kind="ScannerFleet",
        names=Names("scannerfleets", "scannerfleet", "sf"),
        columns=(
            *READY_COLUMNS,
            Column(
                "Deployment", "string", ".spec.deploymentRef.name", "TraceTrackDeployment that the scanners scan for."
            ),
            Column("Desired", "integer", ".spec.replicas", "Scanners asked for."),
            Column("Provisioned", "integer", ".status.readyReplicas", "Scanners that may scan."),
            AGE_COLUMN,
        ),
        scale=Scale(".spec.replicas", ".status.replicas", ".status.selector"),
        root_rules=(
            name_rule("ScannerFleet"),
            Rule(
                "has(self.spec.naming.prefix) ? "
                "self.spec.naming.prefix == (has(oldSelf.spec.naming.prefix) ? oldSelf.spec.naming.prefix : "
                "self.metadata.name + '-') : "
                "!has(oldSelf.spec.naming.prefix) || oldSelf.spec.naming.prefix == self.metadata.name + '-'",
                "spec.naming.prefix can't be changed, since every scanner would get another name: "
                "restore it, or create a new ScannerFleet",
                ".spec.naming.prefix",
            ),
        ),
    )
