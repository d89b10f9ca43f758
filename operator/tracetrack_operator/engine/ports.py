"""What the engine asks of the outside."""

from typing import Protocol

from .objects import Object


class KubePort(Protocol):
    """Kubernetes in seven methods. A failure is a `ReconcileError`."""

    async def get(self, kind: str, namespace: str, name: str) -> Object | None:
        """The live object, or None when there is none."""

    async def find(self, kind: str, namespace: str, name: str) -> Object | None:
        """As `get`, where most likely there is none: known from a listing of names that is seconds old."""

    async def list(self, kind: str, namespace: str = "", label_selector: str = "") -> list[Object]:
        """All objects of `kind`, paged, in one namespace or in all; without `metadata.managedFields`."""

    async def apply(self, manifest: Object, *, field_manager: str = ...) -> Object:
        """Server-side apply; gives the object as stored."""

    async def create(self, manifest: Object, *, field_manager: str = ...) -> tuple[Object, bool]:
        """Server-side apply that overrules nobody; gives the object as stored, and whether this has made it.

        A ReconcileError of reason Conflict where somebody else has set a field otherwise.
        """

    async def apply_status(self, manifest: Object, *, field_manager: str = ...) -> Object:
        """Server-side apply of the status subresource; gives the object as stored."""

    async def delete(self, kind: str, namespace: str, name: str, *, uid: str, propagation: str = ...) -> bool:
        """Delete that very object (UID precondition); False when it was gone already."""
