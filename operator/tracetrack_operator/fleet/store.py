"""Saving a fleet's records in Kubernetes: only what changed, the Secret before the slice."""

from ..api.constants import FINALIZER
from ..context import Context
from ..engine.errors import ReconcileError, WaitingError
from ..engine.objects import Object, controller_uid, uid_of
from ..kube import finalizer
from .errors import OwnershipConflict
from .slices import SliceRecord
from .target import Target


class Store:
    """Writes for one fleet, each told to the cache at once."""

    def __init__(self, context: Context, target: Target) -> None:
        self._context = context
        self._target = target

    async def live_fleet(self) -> Object | None:
        """The fleet as it is now, None when it, or this incarnation of it, is gone."""
        names = self._target.names
        live = await self._context.kube.get("ScannerFleet", names.namespace, names.fleet)
        return live if live is not None and uid_of(live) == self._target.uid else None

    async def add_finalizer(self) -> None:
        if FINALIZER not in self._target.fleet.metadata.finalizers:
            self._context.cache.put(await finalizer.add(self._context.kube, self._target.obj))

    async def remove_finalizer(self) -> None:
        if await self.live_fleet() is None:
            return
        stored = await finalizer.remove(self._context.kube, self._target.obj)
        if stored["metadata"].get("deletionTimestamp") and not stored["metadata"].get("finalizers"):
            self._context.cache.remove(stored)
        else:
            self._context.cache.put(stored)

    async def claim(self, kind: str, name: str) -> None:
        """Make sure that no object of that name is someone else's before we first write it."""
        names = self._target.names
        live = await self._context.kube.get(kind, names.namespace, name)
        if live is None:
            return
        if live["metadata"].get("deletionTimestamp"):
            raise WaitingError("Deleting", f"The {kind} {name} is being deleted; it is made again when it is gone.")
        if controller_uid(live) != self._target.uid:
            if self._of_an_earlier_fleet(live):
                raise WaitingError(
                    "EarlierFleet", f"The {kind} {name} is of an earlier ScannerFleet {names.fleet} and about to go."
                )
            owners = live["metadata"].get("ownerReferences") or []
            owner = f"the {owners[0]['kind']} {owners[0]['name']}" if owners else "nobody this operator knows"
            raise OwnershipConflict(f"The {kind} {names.namespace}/{name}", owner)

    async def apply(self, manifest: Object) -> Object:
        stored = await self._context.kube.apply(manifest)
        self._context.cache.put(stored)
        return stored

    async def remove(self, record: SliceRecord) -> None:
        """Delete a slice that holds nothing any more, and its Secret."""
        names = self._target.names
        for kind, uid in (("Secret", record.secret_uid), ("ScannerSlice", record.slice_uid)):
            if uid:
                await self._context.kube.delete(kind, names.namespace, record.name, uid=uid)

    async def remove_children(self) -> None:
        """Delete slices and Secrets at once, not when the garbage collector gets to it."""
        names = self._target.names
        for child in self._context.children(self._target.obj):
            await self._context.kube.delete(
                child["kind"], names.namespace, child["metadata"]["name"], uid=uid_of(child)
            )

    def _of_an_earlier_fleet(self, child: Object) -> bool:
        return any(
            owner["kind"] == "ScannerFleet" and owner["name"] == self._target.names.fleet and owner.get("controller")
            for owner in child["metadata"].get("ownerReferences") or []
        )


class SliceSaver:
    """Saves one record as often as it changes.

    `forgiving`: the fleet is being deleted, perhaps with its namespace, so a record that can't be saved is no failure.
    """

    def __init__(self, store: Store, target: Target, record: SliceRecord, forgiving: bool = False) -> None:
        self._store = store
        self._target = target
        self._forgiving = forgiving
        self.record = record
        self._saved = record.copy()

    async def save(self) -> None:
        """Write what differs from what was written or read last."""
        try:
            await self._save()
        except ReconcileError:
            if not self._forgiving:
                raise

    async def _save(self) -> None:
        record, saved = self.record, self._saved
        if not record.secret_uid or record.data != saved.data:
            if not record.secret_uid:
                await self._store.claim("Secret", record.name)
            data = dict(record.data)
            record.secret_uid = uid_of(await self._store.apply(record.secret_manifest(self._target)))
            saved.data = data
        if not record.slice_uid or (record.entries, record.thing_hash) != (saved.entries, saved.thing_hash):
            if not record.slice_uid:
                await self._store.claim("ScannerSlice", record.name)
            entries, thing_hash = dict(record.entries), record.thing_hash
            record.slice_uid = uid_of(await self._store.apply(record.slice_manifest(self._target)))
            saved.entries, saved.thing_hash = entries, thing_hash
