"""Replication groups: created, described, deleted; each with its states and a real Redis."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from moto.core.responses import ActionResult
from moto.elasticache.exceptions import CacheClusterNotFound, ReplicationGroupAlreadyExists, ReplicationGroupNotFound
from moto.elasticache.models import ElastiCacheBackend, ReplicationGroup
from moto.elasticache.responses import ElastiCacheResponse

from tests.aws.elasticache import parameters, rules, snapshots, users
from tests.aws.elasticache.errors import available, combination, wrong
from tests.aws.estate import Estate
from tests.aws.lists import paged
from tests.aws.patch import put

_TOKEN_NEEDS_TLS = "The AUTH token is only supported when encryption-in-transit is enabled"
_UNMADE = ("global_replication_group_id", "primary_cluster_id", "snapshot_arns")


def _check_create(given: dict[str, Any]) -> None:
    for option in ("num_node_groups", "replicas_per_node_group"):
        if (given.get(option) or 0) > 1:
            raise NotImplementedError(f"CreateReplicationGroup with {option}={given[option]}")
    for option in _UNMADE:
        if given.get(option):
            raise NotImplementedError(f"CreateReplicationGroup with {option}")
    if given.get("cluster_mode") not in (None, "disabled") or given.get("transit_encryption_mode") == "preferred":
        raise NotImplementedError("CreateReplicationGroup with cluster mode or preferred transit encryption")
    rules.check_name(given["replication_group_id"])
    given["engine"] = given.get("engine") or "redis"
    given["engine_version"] = given.get("engine_version") or rules.NEWEST.get(given["engine"], "")
    rules.check_engine(given["engine"], given["engine_version"])
    rules.check_node_type(given.get("cache_node_type"))
    nodes = rules.nodes_of(given)
    if not 1 <= nodes <= rules.MOST_REPLICAS + 1:
        raise wrong(f"NumCacheClusters must be between 1 and {rules.MOST_REPLICAS + 1}")
    rules.check_failover(nodes, bool(given.get("automatic_failover_enabled")), bool(given.get("multi_az_enabled")))
    if given.get("auth_token"):
        rules.check_token(given["auth_token"])
        if not given.get("transit_encryption_enabled"):
            raise combination(_TOKEN_NEEDS_TLS)
        if given.get("user_group_ids"):
            raise combination("User group can't be associated with auth token enabled.")


def check_token_change(group: Any, token: str, strategy: str | None) -> None:
    """SET takes a token that ROTATE has brought before, or the first one."""
    rules.check_token(token)
    if not group.transit_encryption_enabled:
        raise combination(_TOKEN_NEEDS_TLS)
    if group.user_group_ids:
        raise combination("The AUTH token can't be enabled while a user group is associated.")
    if strategy not in ("SET", "ROTATE"):
        raise combination("AuthTokenUpdateStrategy is required with AuthToken")
    if strategy == "SET" and group.tokens and token != group.tokens[-1]:
        raise combination("The AuthTokenUpdateStrategy SET is allowed only after ROTATE, with the same AUTH token.")


def zone(group: Any, member: str) -> str:
    number = int(member.rpartition("-")[2]) - 1
    return f"{group.region}{'abc'[number % 3]}"


def _status(group: Any) -> str:
    frozen = group.__dict__.get("frozen")
    if frozen is not None:
        return str(frozen["status"])
    backing = group.__dict__.get("backing")
    return str(backing.status if backing else group.__dict__.get("_status"))


def _node_groups(estate: Estate, group: Any) -> list[dict[str, Any]]:
    """The one shard of a group; without endpoints while it is being created. Replicas are named, not run."""
    frozen = group.__dict__.get("frozen")
    status, port = (frozen["status"], frozen["port"]) if frozen is not None else (group.status, group.backing.port)
    if status == "creating":
        return []
    endpoint = {"address": estate.settings.advertise, "port": port}
    members = [
        {
            "cache_cluster_id": member,
            "cache_node_id": "0001",
            "preferred_availability_zone": zone(group, member),
            "current_role": "primary" if member == group.primary else "replica",
            **({"read_endpoint": endpoint} if port else {}),
        }
        for member in group.member_clusters
        if member not in group.joining
    ]
    shard: dict[str, Any] = {"node_group_id": "0001", "status": status, "node_group_members": members}
    return [{**shard, **({"primary_endpoint": endpoint, "reader_endpoint": endpoint} if port else {})}]


def _member(group: Any, name: str) -> dict[str, Any]:
    """A node of a group as DescribeCacheClusters shows it; only there are the version and what waits for the nodes."""
    status = "creating" if name in group.joining else "deleting" if name in group.leaving else group.status
    return {
        "cache_cluster_id": name,
        "replication_group_id": group.replication_group_id,
        "cache_cluster_status": status,
        "cache_node_type": group.cache_node_type,
        "engine": group.engine,
        "engine_version": group.engine_version,
        "num_cache_nodes": 1,
        "preferred_availability_zone": zone(group, name),
        "cache_cluster_create_time": group.replication_group_create_time,
        "preferred_maintenance_window": group.preferred_maintenance_window,
        "cache_subnet_group_name": group.cache_subnet_group_name,
        "auto_minor_version_upgrade": group.auto_minor_version_upgrade,
        "security_groups": [{"security_group_id": one, "status": "active"} for one in group.security_group_ids or []],
        "snapshot_retention_limit": group.snapshot_retention_limit,
        "snapshot_window": group.snapshot_window,
        "cache_parameter_group": {
            "cache_parameter_group_name": parameters.name_of(group),
            "parameter_apply_status": parameters.status(group),
        },
        "pending_modified_values": {
            waiting: group.waiting[waiting]
            for waiting in ("CacheNodeType", "EngineVersion")
            if waiting in group.waiting
        },
        "transit_encryption_enabled": group.transit_encryption_enabled,
        "at_rest_encryption_enabled": group.at_rest_encryption_enabled,
        "auth_token_enabled": group.auth_token_enabled,
        "arn": group.arn.replace(f":replicationgroup:{group.replication_group_id}", f":cluster:{name}"),
    }


def _pending(group: Any) -> dict[str, Any]:
    waiting = group.__dict__.get("waiting", {})
    shown: dict[str, Any] = {}
    if "AutomaticFailoverEnabled" in waiting:
        shown["AutomaticFailoverStatus"] = "enabled" if waiting["AutomaticFailoverEnabled"] else "disabled"
    if group.__dict__.get("token_status"):
        shown["AuthTokenStatus"] = group.token_status
    if group.__dict__.get("user_groups_pending"):
        shown["UserGroups"] = group.user_groups_pending
    return shown


def _complete(group: Any, given: dict[str, Any], region: str) -> None:
    group.region = region
    group.transit_encryption_mode = "required" if group.transit_encryption_enabled else None
    name = group.replication_group_id
    group.member_clusters = [f"{name}-{number:03}" for number in range(1, rules.nodes_of(given) + 1)]
    group.primary = group.member_clusters[0]
    group.joining, group.leaving = frozenset[str](), frozenset[str]()
    group.tokens = [given["auth_token"]] if given.get("auth_token") else []
    group.waiting, group.token_status, group.user_groups_pending = {}, None, None
    group.preferred_maintenance_window = group.preferred_maintenance_window or "sun:23:00-mon:01:30"
    group.auto_minor_version_upgrade = given.get("auto_minor_version_upgrade") is not False
    group.security_group_ids = group.security_group_ids or []
    group.in_force = parameters.wanted(group)


def install(estate: Estate) -> None:
    create: Callable[..., Any] = ElastiCacheBackend.create_replication_group
    moto_delete: Callable[..., Any] = ElastiCacheBackend.delete_replication_group
    cls: Any = ReplicationGroup
    cls.status = property(_status, lambda self, value: self.__dict__.__setitem__("_status", value))
    cls.pending_modified_values = property(_pending)
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
        _check_create(given)
        parameters.check(self, given.get("cache_parameter_group_name"), given["engine"], given["engine_version"])
        encrypted, named = bool(given.get("transit_encryption_enabled")), given.get("user_group_ids") or []
        users.check_association(self, named, given["engine"], encrypted)
        kept = snapshots.kept(self, given["snapshot_name"]) if given.get("snapshot_name") else None
        with estate.lock:
            group = create(self, **given)
            group.backend = self
            _complete(group, given, self.region_name)
            group.backing = estate.cache(
                given.get("auth_token"),
                encrypted,
                fill=lambda server: (parameters.start_with(server, group), kept and server.load(kept)),
                ready=lambda server: named and users.enforce(server, users.users_of(self, group.user_group_ids)),
            )
        return group

    def describe_replication_groups(self: Any) -> ActionResult:
        name = self._get_param("ReplicationGroupId")
        every = self.elasticache_backend.replication_groups
        with estate.lock:
            shown = estate.views.shown("elasticache:DescribeReplicationGroups", "group", every)
        if name and name.lower() not in shown:
            raise ReplicationGroupNotFound(name)
        chosen = [shown[name.lower()]] if name else shown.values()
        return paged(self.params, "ReplicationGroups", chosen, lambda group: str(group.replication_group_id))

    def describe_cache_clusters(self: Any) -> ActionResult:
        name, every = self._get_param("CacheClusterId"), self.elasticache_backend.replication_groups
        with estate.lock:
            shown = estate.views.shown("elasticache:DescribeCacheClusters", "group", every)
        members = [_member(group, member) for group in shown.values() for member in group.member_clusters]
        chosen = [member for member in members if name in (None, member["cache_cluster_id"])]
        if name and not chosen:
            raise CacheClusterNotFound(name)
        return paged(self.params, "CacheClusters", chosen, lambda member: str(member["cache_cluster_id"]))

    def delete_replication_group(self: Any) -> ActionResult:
        backend, name = self.elasticache_backend, self._get_param("ReplicationGroupId").lower()
        group = available(backend, name)
        if self._get_bool_param("RetainPrimaryCluster"):
            raise NotImplementedError("DeleteReplicationGroup with RetainPrimaryCluster")
        final = self._get_param("FinalSnapshotIdentifier")
        last = snapshots.begin(estate, backend, group, final) if final else None
        moto_delete(backend, name, False)

        def gone() -> None:
            with estate.lock:
                if backend.replication_groups.get(name) is group:
                    del backend.replication_groups[name]
                    backend.tagging_service.delete_all_tags_for_resource(group.arn)

        group.backing.delete(estate.settings.delete_seconds, gone, last)
        return ActionResult({"ReplicationGroup": group})

    put(ElastiCacheBackend, create_replication_group)
    put(ElastiCacheResponse, describe_replication_groups)
    put(ElastiCacheResponse, describe_cache_clusters)
    put(ElastiCacheResponse, delete_replication_group)
