"""What the engine asks of the outside."""

from typing import Protocol

from .objects import Object


class KubePort(Protocol):
    """Kubernetes in five methods. A failure is a `ReconcileError`."""

    async def get(self, kind: str, namespace: str, name: str) -> Object | None:
        """The live object, or None when there is none."""

    async def list(self, kind: str, namespace: str = "", label_selector: str = "") -> list[Object]:
        """All objects of `kind`, paged, in one namespace or in all."""

    async def apply(self, manifest: Object, *, field_manager: str = ...) -> Object:
        """Server-side apply; gives the object as stored."""

    async def apply_status(self, manifest: Object, *, field_manager: str = ...) -> Object:
        """Server-side apply of the status subresource; gives the object as stored."""

    async def delete(self, kind: str, namespace: str, name: str, *, uid: str, propagation: str = ...) -> bool:
        """Delete that very object (UID precondition); False when it was gone already."""
