"""Executes plans on child objects: nothing foreign is overwritten, nothing is deleted on the cache's word."""

from ..api.constants import FIELD_MANAGER
from ..engine.cache import ObjectCache
from ..engine.errors import ReconcileError, WaitingError
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
        """Apply a child. One that the cache lacks is made, unless its name is somebody else's."""
        manifest = action.manifest
        if action.why != MISSING:
            self._cache.put(await self._kube.apply(manifest))
            return
        metadata = manifest["metadata"]
        live = await self._kube.find(manifest["kind"], metadata["namespace"], metadata["name"])
        if live is None:
            live = await self._make(manifest)
        if live is None:
            return
        if controller_uid(live) != controller_uid(manifest):
            raise foreign(live, _owner_name(manifest))
        self._cache.put(live)
        if difference(manifest, live) is not None:
            self._cache.put(await self._kube.apply(manifest))

    async def _make(self, manifest: Object) -> Object | None:
        """None once it is made; what somebody made since its name was looked up is left as it was, and given."""
        metadata = manifest["metadata"]
        name = (manifest["kind"], metadata["namespace"], metadata["name"])
        try:
            stored, made = await self._kube.create(manifest)
        except ReconcileError as error:
            # Invalid is an object that another controller has: there can be one only.
            if error.reason not in ("Conflict", "Invalid") or (live := await self._kube.get(*name)) is None:
                raise
            return live
        if not made and _touched_by_others(stored):
            # It was merged into what others have made: an apply of nothing takes back what is ours alone.
            bare = {"name": metadata["name"], "namespace": metadata["namespace"], "uid": uid_of(stored)}
            return await self._kube.apply({**{k: manifest[k] for k in ("apiVersion", "kind")}, "metadata": bare})
        self._cache.put(stored)
        return None

    async def delete(self, action: Delete) -> None:
        """Delete a child if it is still the one that was seen."""
        live = await self._kube.get(action.kind, action.namespace, action.name)
        if live is None or uid_of(live) != action.uid or live["metadata"].get("deletionTimestamp"):
            return
        await self._kube.delete(action.kind, action.namespace, action.name, uid=action.uid)


def _touched_by_others(stored: Object) -> bool:
    """Whether anybody has set fields of it but the operator and the controllers, which write to what is ours too."""
    entries = stored["metadata"].get("managedFields") or []
    return any(
        not entry["manager"].startswith(FIELD_MANAGER)
        and entry["manager"] != "kube-controller-manager"
        and not entry.get("subresource")
        for entry in entries
    )


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
