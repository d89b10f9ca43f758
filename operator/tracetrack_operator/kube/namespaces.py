"""Namespaces."""

from ..engine.ports import KubePort


async def is_terminating(kube: KubePort, name: str) -> bool:
    """Whether the namespace is being deleted, and all in it."""
    found = await kube.get("Namespace", "", name)
    return found is None or bool(found["metadata"].get("deletionTimestamp"))
