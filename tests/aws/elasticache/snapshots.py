"""Snapshots of caches, each with the data of the real one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from moto.core.responses import ActionResult
from moto.elasticache.exceptions import SnapshotAlreadyExists, SnapshotNotFound
from moto.elasticache.models import ElastiCacheBackend, Snapshot
from moto.elasticache.responses import ElastiCacheResponse

from tests.aws.clock import clock
from tests.aws.elasticache.errors import available, refusal
from tests.aws.estate import Estate, Step
from tests.aws.lists import paged
from tests.aws.patch import put
from tests.backing import RedisServer

_moto_create: Callable[..., Any] = ElastiCacheBackend.create_snapshot


def _status(snapshot: Any) -> str:
    if snapshot.__dict__.get("copying") or clock.now() < snapshot.__dict__.get("ready_at", 0.0):
        return "creating"
    return str(snapshot.__dict__.get("_status"))


def begin(estate: Estate, backend: Any, group: Any, name: str, **options: Any) -> Callable[[RedisServer], None]:
    """Record a snapshot that is being made; what makes it takes the server."""
    if name in backend.snapshots:
        raise SnapshotAlreadyExists(name)
    recorded = {"kms_key_id": None, "tags": None, **options}
    snapshot = _moto_create(backend, name, group.replication_group_id, None, **recorded)
    snapshot.ready_at = clock.now() + estate.settings.modify_seconds
    if estate.settings.backing == "shared":
        # Others' data are in there too: it stays a record.
        return lambda server: None
    snapshot.copying = True

    def copy(server: RedisServer) -> None:
        try:
            snapshot.data = server.saved()
        finally:
            snapshot.copying = False

    return copy


def kept(backend: Any, name: str) -> bytes:
    """The data of a snapshot that is ready. SnapshotNotFoundFault, InvalidSnapshotState."""
    snapshot = backend.snapshots.get(name)
    if snapshot is None:
        raise SnapshotNotFound(name)
    if snapshot.snapshot_status != "available":
        raise refusal("InvalidSnapshotState", f"Snapshot {name} is not available: {snapshot.snapshot_status}.")
    data: bytes = snapshot.data
    return data


def install(estate: Estate) -> None:
    cls: Any = Snapshot
    cls.snapshot_status = property(_status, lambda self, value: self.__dict__.__setitem__("_status", value))

    def create_snapshot(self: Any) -> ActionResult:
        backend, name = self.elasticache_backend, self._get_param("SnapshotName")
        if self._get_param("CacheClusterId"):
            raise NotImplementedError("CreateSnapshot with CacheClusterId")
        group = available(backend, self._get_param("ReplicationGroupId") or "")
        options = {"kms_key_id": self._get_param("KmsKeyId"), "tags": self._get_param("Tags", [])}
        copy = begin(estate, backend, group, name, **options)
        group.backing.change(Step("snapshotting", estate.settings.modify_seconds, copy))
        return ActionResult({"Snapshot": backend.snapshots[name]})

    def describe_snapshots(self: Any) -> ActionResult:
        """A group's snapshots outlive the group."""
        name, of = self._get_param("SnapshotName"), self._get_param("ReplicationGroupId")
        source = {"user": "manual", "system": "automated"}.get(self._get_param("SnapshotSource") or "")
        snapshots = self.elasticache_backend.snapshots
        if name and name not in snapshots:
            raise SnapshotNotFound(name)
        chosen = [
            snapshot
            for snapshot in snapshots.values()
            if name in (None, snapshot.snapshot_name)
            and of in (None, snapshot.replication_group_id)
            and source in (None, snapshot.snapshot_source)
        ]
        return paged(self.params, "Snapshots", chosen, lambda snapshot: str(snapshot.snapshot_name))

    def delete_snapshot(self: Any) -> ActionResult:
        backend, name = self.elasticache_backend, self._get_param("SnapshotName")
        kept(backend, name)
        snapshot = backend.snapshots.pop(name)
        snapshot.snapshot_status = "deleting"
        return ActionResult({"Snapshot": snapshot})

    put(ElastiCacheResponse, create_snapshot)
    put(ElastiCacheResponse, describe_snapshots)
    put(ElastiCacheResponse, delete_snapshot)
