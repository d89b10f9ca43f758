"""The finalizer, held by a field manager of its own so that nothing else in the object is touched."""

from ..api.constants import FIELD_MANAGER, FINALIZER
from ..engine.objects import Object
from ..engine.ports import KubePort

MANAGER = f"{FIELD_MANAGER}-finalizer"


async def add(kube: KubePort, owner: Object) -> Object:
    """Add it; gives the object as stored. The UID keeps a successor of the same name from getting it."""
    return await kube.apply(_manifest(owner, [FINALIZER]), field_manager=MANAGER)


async def remove(kube: KubePort, owner: Object) -> Object:
    """Let the object go; gives it as stored, for the last time if it was being deleted."""
    return await kube.apply(_manifest(owner, []), field_manager=MANAGER)


def _manifest(owner: Object, finalizers: list[str]) -> Object:
    metadata = {key: owner["metadata"][key] for key in ("name", "namespace", "uid")}
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "metadata": {**metadata, "finalizers": finalizers},
    }
