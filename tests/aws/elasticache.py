"""Corrections to moto's ElastiCache: states with a clock, a real Redis, node counts, deletion that ends."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from moto.core.responses import ActionResult
from moto.core.utils import utcnow
from moto.elasticache.exceptions import (
    ElastiCacheException,
    InvalidParameterCombinationException,
    InvalidParameterValueException,
    ReplicationGroupAlreadyExists,
    ReplicationGroupNotFound,
)
from moto.elasticache.models import ElastiCacheBackend, ReplicationGroup
from moto.elasticache.responses import ElastiCacheResponse

from tests.aws.estate import Estate
from tests.aws.patch import put
from tests.backing import RedisServer

_NEWEST = {"redis": "7.1", "valkey": "8.1"}
_VERSIONS = {"redis": r"(5\.0\.6|6\.[0x2]|7\.[01])(\.\d+)?", "valkey": r"(7\.2|8\.[0-2])(\.\d+)?"}


def _check_token(token: str) -> None:
    if not re.fullmatch(r"[!#-.0-?A-~]{16,128}", token):
        raise InvalidParameterValueException(
            "Invalid AuthToken provided. It must have 16 to 128 printable characters without '@', '\"' and '/'."
        )


def _check_name(name: str) -> None:
    if not re.fullmatch(r"[a-z](?!.*--)[a-z0-9-]{0,39}", name) or name.endswith("-"):
        raise InvalidParameterValueException(
            "The parameter ReplicationGroupIdentifier is not a valid identifier. Identifiers must begin with a letter; "
            "must contain only ASCII letters, digits, and hyphens; and must not end with a hyphen or contain two "
            "consecutive hyphens."
        )


def _check_supported(given: dict[str, Any]) -> None:
    for option in ("num_node_groups", "replicas_per_node_group"):
        if (given.get(option) or 0) > 1:
            raise NotImplementedError(f"CreateReplicationGroup with {option}={given[option]}")
    unmade = ("global_replication_group_id", "primary_cluster_id", "snapshot_name", "snapshot_arns", "user_group_ids")
    for option in unmade:
        if given.get(option):
            raise NotImplementedError(f"CreateReplicationGroup with {option}")
    if given.get("cluster_mode") not in (None, "disabled") or given.get("transit_encryption_mode") == "preferred":
        raise NotImplementedError("CreateReplicationGroup with cluster mode or preferred transit encryption")


def _check_engine(given: dict[str, Any]) -> None:
    engine = given["engine"] = given.get("engine") or "redis"
    if engine not in _NEWEST:
        raise InvalidParameterValueException(f"Invalid value for Engine: {engine}")
    version = given["engine_version"] = given.get("engine_version") or _NEWEST[engine]
    if not re.fullmatch(_VERSIONS[engine], version):
        raise InvalidParameterValueException(f"Unsupported engine version {version} for {engine}")
    if not re.fullmatch(r"cache\.[a-z0-9]+\.[a-z0-9]+", given.get("cache_node_type") or ""):
        raise InvalidParameterValueException(f"Invalid cache node type: {given.get('cache_node_type')}")


def _check_nodes(given: dict[str, Any]) -> None:
    nodes = _nodes(given)
    if not 1 <= nodes <= 6:
        raise InvalidParameterValueException("NumCacheClusters must be between 1 and 6")
    if given.get("automatic_failover_enabled") and nodes < 2:
        raise InvalidParameterCombinationException(
            "Replication group with automatic failover enabled must have at least one replica."
        )
    if given.get("multi_az_enabled") and not given.get("automatic_failover_enabled"):
        raise InvalidParameterCombinationException("MultiAZ requires automatic failover to be enabled.")
    if given.get("auth_token"):
        _check_token(given["auth_token"])
        if not given.get("transit_encryption_enabled"):
            raise InvalidParameterCombinationException(
                "The AUTH token is only supported when encryption-in-transit is enabled"
            )


def _nodes(given: dict[str, Any]) -> int:
    return int(given.get("num_cache_clusters") or (given.get("replicas_per_node_group") or 0) + 1)


def install(estate: Estate) -> None:
    """Put the corrections in place; `estate` makes the Redis servers."""
    _install_groups(estate)
    _install_changes(estate)
    _install_tags()
    for name in ("create_cache_cluster", "delete_cache_cluster"):
        _forbid(name)


def _forbid(name: str) -> None:
    def missing(self: Any) -> Any:
        raise NotImplementedError(f"{name}: no real server would stand behind it")

    setattr(ElastiCacheResponse, name, missing)


def _status(group: Any) -> str:
    backing = group.__dict__.get("backing")
    return str(backing.status if backing else group.__dict__.get("_status"))


def _node_groups(estate: Estate, group: Any) -> list[dict[str, Any]]:
    """The one shard of a group; without endpoints while it is being created. Replicas are named, not run."""
    status, port = group.status, group.backing.port
    if status == "creating":
        return []
    endpoint = {"address": estate.settings.advertise, "port": port}
    members = [
        {
            "cache_cluster_id": member,
            "cache_node_id": "0001",
            "preferred_availability_zone": f"{group.region}{'abc'[index % 3]}",
            "current_role": "replica" if index else "primary",
            **({"read_endpoint": endpoint} if port else {}),
        }
        for index, member in enumerate(group.member_clusters)
    ]
    shard: dict[str, Any] = {"node_group_id": "0001", "status": status, "node_group_members": members}
    return [{**shard, **({"primary_endpoint": endpoint, "reader_endpoint": endpoint} if port else {})}]


def _install_groups(estate: Estate) -> None:
    create: Callable[..., Any] = ElastiCacheBackend.create_replication_group
    clusters: Callable[..., Any] = ElastiCacheBackend.describe_cache_clusters
    cls: Any = ReplicationGroup
    cls.status = property(_status, lambda self, value: self.__dict__.__setitem__("_status", value))
    cls.node_groups = property(
        lambda self: (
            _node_groups(estate, self) if "backing" in self.__dict__ else self.__dict__.setdefault("_none", [])
        ),
        lambda self, value: None,
    )

    def create_replication_group(self: Any, **given: Any) -> Any:
        given["replication_group_id"] = given["replication_group_id"].lower()
        if given["replication_group_id"] in self.replication_groups:
            raise ReplicationGroupAlreadyExists(given["replication_group_id"])
        _check_name(given["replication_group_id"])
        _check_supported(given)
        _check_engine(given)
        _check_nodes(given)
        group = create(self, **given)
        group.region = self.region_name
        group.transit_encryption_mode = "required" if group.transit_encryption_enabled else None
        group.member_clusters = [f"{group.replication_group_id}-{number:03}" for number in range(1, _nodes(given) + 1)]
        group.backing = estate.cache(given.get("auth_token"), bool(given.get("transit_encryption_enabled")))
        return group

    def describe_cache_clusters(self: Any, cache_cluster_id: str | None = None) -> Any:
        """The members of replication groups, which moto leaves out."""
        members = {
            name: {
                "cache_cluster_id": name,
                "replication_group_id": group.replication_group_id,
                "cache_cluster_status": group.status,
                "cache_node_type": group.cache_node_type,
                "engine": group.engine,
                "engine_version": group.engine_version,
                "num_cache_nodes": 1,
                "cache_cluster_create_time": group.replication_group_create_time,
                "transit_encryption_enabled": group.transit_encryption_enabled,
                "auth_token_enabled": group.auth_token_enabled,
                "arn": group.arn.replace(f":replicationgroup:{group.replication_group_id}", f":cluster:{name}"),
            }
            for group in self.replication_groups.values()
            for name in group.member_clusters
        }
        if cache_cluster_id is None:
            return [*members.values(), *clusters(self)]
        return [members[cache_cluster_id]] if cache_cluster_id in members else clusters(self, cache_cluster_id)

    put(ElastiCacheBackend, create_replication_group)
    put(ElastiCacheBackend, describe_cache_clusters)


def _available(backend: Any, name: str) -> Any:
    group = backend.replication_groups.get(name.lower())
    if group is None:
        raise ReplicationGroupNotFound(name)
    if group.status != "available":
        raise ElastiCacheException(
            "InvalidReplicationGroupState", f"Replication group {name} is not in available state: {group.status}."
        )
    return group


def _install_changes(estate: Estate) -> None:
    modify: Callable[..., Any] = ElastiCacheResponse.modify_replication_group
    moto_delete: Callable[..., Any] = ElastiCacheBackend.delete_replication_group

    def modify_replication_group(self: Any) -> Any:
        group = _available(self.elasticache_backend, self._get_param("ReplicationGroupId"))
        for name in ("EngineVersion", "UserGroupIdsToAdd", "TransitEncryptionEnabled", "ClusterMode"):
            if self._get_param(name) is not None:
                raise NotImplementedError(f"ModifyReplicationGroup with {name}")
        token, strategy = self._get_param("AuthToken"), self._get_param("AuthTokenUpdateStrategy")
        if token is not None:
            _check_token(token)
            if not group.transit_encryption_enabled:
                raise InvalidParameterCombinationException(
                    "The AUTH token is only supported when encryption-in-transit is enabled"
                )
            if strategy not in ("SET", "ROTATE"):
                raise InvalidParameterCombinationException("AuthTokenUpdateStrategy is required with AuthToken")
        answer = modify(self)
        group.backing.change("modifying", estate.settings.modify_seconds, _token_change(token, strategy))
        if token is not None:
            group.auth_token_enabled, group.auth_token_last_modified_date = True, utcnow()
        return answer

    def delete_replication_group(self: Any) -> ActionResult:
        backend, name = self.elasticache_backend, self._get_param("ReplicationGroupId").lower()
        group = _available(backend, name)
        if self._get_bool_param("RetainPrimaryCluster"):
            raise NotImplementedError("DeleteReplicationGroup with RetainPrimaryCluster")
        snapshot = self._get_param("FinalSnapshotIdentifier")
        if snapshot:
            backend.create_snapshot(snapshot, name, None, None, None)
        moto_delete(backend, name, False)
        group.backing.delete(
            estate.settings.delete_seconds,
            lambda: (
                backend.replication_groups.pop(name, None)
                and backend.tagging_service.delete_all_tags_for_resource(group.arn)
            ),
        )
        return ActionResult({"ReplicationGroup": group})

    put(ElastiCacheResponse, modify_replication_group)
    put(ElastiCacheResponse, delete_replication_group)
    _install_snapshots()


def _token_change(token: str | None, strategy: str | None) -> Callable[[RedisServer], object] | None:
    """ROTATE lets the new token in beside the old one, SET leaves the new one alone."""
    if token is None:
        return None

    def change(server: RedisServer) -> None:
        words = ["resetpass"] if strategy == "SET" else []
        if server.command("ACL", "SETUSER", "default", *words, f">{token}") != "+OK":
            raise RuntimeError("redis refused the new token")
        if strategy == "SET":
            server.password = token

    return change


def _install_snapshots() -> None:
    describe: Callable[..., Any] = ElastiCacheBackend.describe_snapshots

    def describe_snapshots(self: Any, replication_group_id: str | None = None, **options: Any) -> Any:
        """A group's snapshots outlive the group."""
        if replication_group_id and replication_group_id not in self.replication_groups:
            return self._get_snapshots_by_param(ref_id=replication_group_id, source=options.get("snapshot_source"))
        return describe(self, replication_group_id=replication_group_id, **options)

    put(ElastiCacheBackend, describe_snapshots)


def _install_tags() -> None:
    add: Callable[..., Any] = ElastiCacheBackend.add_tags_to_resource
    listing: Callable[..., Any] = ElastiCacheBackend.list_tags_for_resource

    def known(backend: Any, arn: str) -> None:
        kind, _, name = arn.partition(":elasticache:")[2].partition(":")[2].partition(":")[2].partition(":")
        if kind == "replicationgroup" and name not in backend.replication_groups:
            raise ReplicationGroupNotFound(name)

    def add_tags_to_resource(self: Any, arn: str, tags: list[dict[str, str]]) -> None:
        known(self, arn)
        add(self, arn, tags)

    def list_tags_for_resource(self: Any, arn: str) -> Any:
        known(self, arn)
        return listing(self, arn)

    def answer(self: Any) -> ActionResult:
        arn = self._get_param("ResourceName")
        self.elasticache_backend.add_tags_to_resource(arn, self._get_param("Tags", []))
        return ActionResult({"TagList": self.elasticache_backend.list_tags_for_resource(arn)["Tags"]})

    put(ElastiCacheBackend, add_tags_to_resource)
    put(ElastiCacheBackend, list_tags_for_resource)
    answer.__name__ = "add_tags_to_resource"
    put(ElastiCacheResponse, answer)
