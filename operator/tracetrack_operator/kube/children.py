"""Executes plans on child objects: nothing foreign is overwritten, nothing is deleted on the cache's word."""

from ..engine.cache import ObjectCache
from ..engine.errors import WaitingError
from ..engine.objects import Object, controller_uid, uid_of
from ..engine.plan import Apply, Delete
from ..engine.ports import KubePort
from .compare import MISSING, difference


class ChildWriter:
    """Handlers for `Apply` and `Delete`; what the API server answers goes into the cache at once."""

    def __init__(self, kube: KubePort, cache: ObjectCache) -> None:
        self._kube = kube
        self._cache = cache

    async def apply(self, action: Apply) -> None:
        """Apply a child. One that the cache lacks is looked up live first, since its name may be somebody else's."""
        manifest = action.manifest
        if action.why == MISSING:
            metadata = manifest["metadata"]
            live = await self._kube.get(manifest["kind"], metadata["namespace"], metadata["name"])
            if live is not None:
                if controller_uid(live) != controller_uid(manifest):
                    raise foreign(live, _owner_name(manifest))
                self._cache.put(live)
                if difference(manifest, live) is None:
                    return
        self._cache.put(await self._kube.apply(manifest))

    async def delete(self, action: Delete) -> None:
        """Delete a child if it is still the one that was seen."""
        live = await self._kube.get(action.kind, action.namespace, action.name)
        if live is None or uid_of(live) != action.uid or live["metadata"].get("deletionTimestamp"):
            return
        await self._kube.delete(action.kind, action.namespace, action.name, uid=action.uid)


def _owner_name(manifest: Object) -> str:
    return str(manifest["metadata"]["ownerReferences"][0]["name"])


def foreign(live: Object, wanted_by: str) -> WaitingError:
    """The refusal to overwrite an object that `wanted_by` doesn't control."""
    metadata = live["metadata"]
    owners = [o for o in metadata.get("ownerReferences") or [] if o.get("controller")]
    whose = f"belongs to {owners[0]['kind']} {owners[0]['name']}" if owners else "has no owner"
    return WaitingError(
        "OwnershipConflict",
        f"{live['kind']} {metadata['name']} exists and {whose} (uid {metadata['uid']}); {wanted_by} needs that name.",
        "Rename or delete it; it is left untouched until then.",
        retry_after=10.0,
    )
