"""Tags of ElastiCache's objects, of those that exist."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from moto.core.resource_tagging import TaggedResource
from moto.core.responses import ActionResult
from moto.elasticache.exceptions import ReplicationGroupNotFound, SnapshotNotFound, UserNotFound
from moto.elasticache.models import ElastiCacheBackend
from moto.elasticache.responses import ElastiCacheResponse

from tests.aws.elasticache import parameters, users
from tests.aws.patch import put


def _known(backend: Any, arn: str) -> str:
    """The kind of an object that exists."""
    kind, _, name = arn.split(":", 5)[-1].partition(":")
    if kind == "replicationgroup" and name not in backend.replication_groups:
        raise ReplicationGroupNotFound(name)
    if kind == "snapshot" and name not in backend.snapshots:
        raise SnapshotNotFound(name)
    if kind == "parametergroup":
        parameters.group_of(backend, name)
    if kind == "usergroup":
        users.group_of(backend, name)
    if kind == "user" and name not in backend.users:
        raise UserNotFound(name)
    return kind


def _taggable(backend: Any) -> list[tuple[str, str]]:
    """Type and ARN of what GetResources shows, by the names that ARNs have for them."""
    kinds = {
        "replicationgroup": backend.replication_groups.values(),
        "snapshot": backend.snapshots.values(),
        "user": backend.users.values(),
        "usergroup": users.groups_of(backend).values(),
    }
    return [(kind, one.arn) for kind, found in kinds.items() for one in list(found)]


def install() -> None:
    add: Callable[..., Any] = ElastiCacheBackend.add_tags_to_resource
    listing: Callable[..., Any] = ElastiCacheBackend.list_tags_for_resource
    remove: Callable[..., Any] = ElastiCacheBackend.remove_tags_from_resource

    def list_tags_for_resource(self: Any, arn: str) -> Any:
        if _known(self, arn) in ("parametergroup", "usergroup"):
            return self.tagging_service.list_tags_for_resource(arn)
        return listing(self, arn)

    def _told(self: Any, arn: str) -> ActionResult:
        return ActionResult({"TagList": self.elasticache_backend.list_tags_for_resource(arn)["Tags"]})

    def add_tags_to_resource(self: Any) -> ActionResult:
        arn = self._get_param("ResourceName")
        _known(self.elasticache_backend, arn)
        add(self.elasticache_backend, arn, self._get_param("Tags", []))
        return _told(self, arn)

    def remove_tags_from_resource(self: Any) -> ActionResult:
        arn = self._get_param("ResourceName")
        _known(self.elasticache_backend, arn)
        remove(self.elasticache_backend, arn, self._get_param("TagKeys", []))
        return _told(self, arn)

    def iter_tagged_resources(self: Any) -> Iterator[TaggedResource]:
        for type_, arn in _taggable(self):
            tags = self.tagging_service.get_tag_dict_for_resource(arn)
            if tags:
                yield TaggedResource(arn, tags, f"elasticache:{type_}")

    put(ElastiCacheBackend, iter_tagged_resources)
    put(ElastiCacheBackend, list_tags_for_resource)
    put(ElastiCacheResponse, add_tags_to_resource)
    put(ElastiCacheResponse, remove_tags_from_resource)
