"""The custom resource that child objects are built for."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from ..api.constants import (
    LABEL_COMPONENT,
    LABEL_DEPLOYMENT,
    LABEL_INSTANCE,
    LABEL_MANAGED_BY,
    LABEL_NAME,
    LABEL_PART_OF,
    MANAGED_BY,
)
from ..engine.objects import Object, owner_reference

APP = "app"
DATABASE = "database"
CACHE = "cache"
DRILL = "drill"


@dataclass(frozen=True)
class Parent:
    """A TraceTrackDeployment as its children see it: a name, a namespace and an owner reference."""

    name: str
    namespace: str
    uid: str
    reference: Object

    @classmethod
    def of(cls, owner: Object) -> Self:
        metadata = owner["metadata"]
        return cls(metadata["name"], metadata["namespace"], metadata["uid"], owner_reference(owner))

    def child(self, suffix: str) -> str:
        """The name of a child: `demo` and `app` give `demo-app`."""
        return f"{self.name}-{suffix}"

    def labels(self, component: str) -> dict[str, str]:
        return {
            LABEL_NAME: "tracetrack",
            LABEL_INSTANCE: self.name,
            LABEL_COMPONENT: component,
            LABEL_PART_OF: "tracetrack",
            LABEL_MANAGED_BY: MANAGED_BY,
            LABEL_DEPLOYMENT: self.name,
        }

    def selector(self, component: str) -> dict[str, str]:
        """The labels that pick the pods of a component; immutable in Deployments, hence few."""
        return {LABEL_DEPLOYMENT: self.name, LABEL_COMPONENT: component}

    def metadata(self, suffix: str, component: str, annotations: Mapping[str, str] | None = None) -> Object:
        metadata: Object = {
            "name": self.child(suffix),
            "namespace": self.namespace,
            "labels": self.labels(component),
            "ownerReferences": [self.reference],
        }
        if annotations:
            metadata["annotations"] = dict(annotations)
        return metadata
