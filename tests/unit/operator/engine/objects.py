"""Kubernetes objects and a Kubernetes port in memory, for tests of the engine."""

from __future__ import annotations

from typing import Any

from tracetrack_operator.engine.errors import ReconcileError
from tracetrack_operator.engine.objects import Object


def thing(
    name: str, version: int = 1, *, kind: str = "ConfigMap", uid: str = "", namespace: str = "shop", **extra: Any
) -> Object:
    metadata = {"name": name, "namespace": namespace, "uid": uid or f"uid-{name}", "resourceVersion": str(version)}
    metadata.update(extra.pop("metadata", {}))
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata, **extra}


class RecordingKube:
    """A `KubePort` that keeps what is written; `failure` is raised instead when it is set."""

    def __init__(self) -> None:
        self.applied: list[Object] = []
        self.statuses: list[Object] = []
        self.deleted: list[tuple[str, str, str, str]] = []
        self.failure: ReconcileError | None = None

    async def get(self, kind: str, namespace: str, name: str) -> Object | None:
        return None

    async def find(self, kind: str, namespace: str, name: str) -> Object | None:
        return await self.get(kind, namespace, name)

    async def create(self, manifest: Object, *, field_manager: str = "") -> tuple[Object, bool]:
        return await self.apply(manifest), True

    async def list(self, kind: str, namespace: str = "", label_selector: str = "") -> list[Object]:
        return []

    async def apply(self, manifest: Object, *, field_manager: str = "") -> Object:
        if self.failure:
            raise self.failure
        self.applied.append(manifest)
        return manifest

    async def apply_status(self, manifest: Object, *, field_manager: str = "") -> Object:
        if self.failure:
            raise self.failure
        self.statuses.append(manifest)
        return manifest

    async def delete(self, kind: str, namespace: str, name: str, *, uid: str, propagation: str = "") -> bool:
        self.deleted.append((kind, namespace, name, uid))
        return True
