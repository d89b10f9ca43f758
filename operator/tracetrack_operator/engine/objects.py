"""Names and small readings of Kubernetes objects held as plain dictionaries."""

from collections.abc import Mapping
from typing import Any, NamedTuple

Object = dict[str, Any]


class Key(NamedTuple):
    """What a reconciler is called with: one object, by name."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.namespace}/{self.name}"


def key_of(obj: Mapping[str, Any]) -> Key:
    metadata = obj["metadata"]
    return Key(obj["kind"], metadata.get("namespace", ""), metadata["name"])


def labels_of(obj: Mapping[str, Any]) -> dict[str, str]:
    return obj["metadata"].get("labels") or {}


def annotations_of(obj: Mapping[str, Any]) -> dict[str, str]:
    return obj["metadata"].get("annotations") or {}


def generation_of(obj: Mapping[str, Any]) -> int:
    """How often the spec was changed; 0 when the object doesn't tell."""
    found: int = obj["metadata"].get("generation", 0)
    return found


def uid_of(obj: Mapping[str, Any]) -> str:
    return str(obj["metadata"].get("uid", ""))


def controller_uid(obj: Mapping[str, Any]) -> str | None:
    """The UID of the owner that has `controller: true`, if there is one."""
    for owner in obj["metadata"].get("ownerReferences") or []:
        if owner.get("controller"):
            return str(owner["uid"])
    return None


def resource_version(obj: Mapping[str, Any]) -> int:
    """The object's resourceVersion as a number, comparable within one kind (KEP-5504)."""
    value = obj["metadata"].get("resourceVersion", "0")
    return int(value) if str(value).isdigit() else 0


def owner_reference(owner: Mapping[str, Any]) -> Object:
    """A controller reference to `owner`, for a child that the garbage collector removes with it."""
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }
