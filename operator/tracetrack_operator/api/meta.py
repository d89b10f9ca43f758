"""What every kind shares: metadata, references and conditions."""

from typing import Any, Final

from pydantic import ConfigDict, Field

from .model import ApiModel, Enumeration, StatusModel, Timestamp


class OwnerReference(StatusModel):
    api_version: str
    kind: str
    name: str
    uid: str
    controller: bool = False


class ObjectMeta(StatusModel):
    """The part of an object's metadata that the operator reads."""

    name: str = Field(min_length=1)
    namespace: str = Field(min_length=1)
    uid: str = ""
    generation: int = 0
    resource_version: str = ""
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
    finalizers: list[str] = Field(default_factory=list)
    owner_references: list[OwnerReference] = Field(default_factory=list)
    creation_timestamp: Timestamp | None = None
    deletion_timestamp: Timestamp | None = None


class LocalObjectReference(ApiModel):
    """An object in the same namespace."""

    model_config = ConfigDict(json_schema_extra={"x-kubernetes-map-type": "atomic"})

    name: str = Field(
        min_length=1,
        max_length=253,
        pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$",
        description="Name of the object, in the namespace of this one.",
    )


class ObjectRef(ApiModel):
    """One incarnation of an object in the same namespace."""

    name: str = Field(min_length=1, max_length=253, description="Name of the object, in the namespace of this one.")
    uid: str = Field(
        min_length=1, max_length=64, description="UID of the object: a new object of that name has another."
    )


class ConditionStatus(Enumeration):
    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class Condition(StatusModel):
    """One aspect of the object's state, as the Kubernetes API conventions define it."""

    type: str = Field(
        min_length=1,
        max_length=316,
        pattern=r"^[A-Za-z]([A-Za-z0-9_.\-/]*[A-Za-z0-9])?$",
        description="Aspect of the state, in CamelCase.",
    )
    status: ConditionStatus = Field(description="Whether the aspect holds: True, False or Unknown.")
    reason: str = Field(
        min_length=1,
        max_length=1024,
        pattern=r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$",
        description="Why the status is what it is, in one CamelCase word for programs to read.",
    )
    message: str = Field(
        default="",
        max_length=32768,
        description="The same for people: what is wrong, with which object, and the remedy.",
    )
    last_transition_time: Timestamp = Field(description="When the status last changed.")
    observed_generation: int = Field(
        default=0,
        ge=0,
        description="metadata.generation that the condition was found for; an older one is out of date.",
    )


CONDITIONS_EXTENSION: Final[dict[str, Any]] = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]}
