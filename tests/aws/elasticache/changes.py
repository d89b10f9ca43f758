"""ModifyReplicationGroup: what applies at once, what waits for the nodes' maintenance, and tokens that rotate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from moto.core.responses import ActionResult
from moto.core.utils import utcnow
from moto.elasticache.models import elasticache_backends
from moto.elasticache.responses import ElastiCacheResponse

from tests.aws.elasticache import parameters, rules, users
from tests.aws.elasticache.errors import available, combination, wrong
from tests.aws.elasticache.groups import check_token_change
from tests.aws.estate import Estate, Step
from tests.aws.patch import put
from tests.backing import RedisServer

_AT_ONCE = {
    "ReplicationGroupDescription": "description",
    "SnapshotRetentionLimit": "snapshot_retention_limit",
    "SnapshotWindow": "snapshot_window",
    "SnapshottingClusterId": "snapshotting_cluster_id",
    "PreferredMaintenanceWindow": "preferred_maintenance_window",
    "NotificationTopicArn": "notification_topic_arn",
    "AutoMinorVersionUpgrade": "auto_minor_version_upgrade",
    "SecurityGroupIds": "security_group_ids",
}
_DEFERRED = (
    "CacheNodeType",
    "Engine",
    "EngineVersion",
    "AutomaticFailoverEnabled",
    "MultiAZEnabled",
    "CacheParameterGroupName",
)
# Changes by which every node is replaced, so that clients must connect anew.
_REPLACING = ("CacheNodeType", "Engine", "EngineVersion")
_HANDLED = (
    *("ReplicationGroupId", "ApplyImmediately", "AuthToken", "AuthTokenUpdateStrategy", "PrimaryClusterId"),
    *("UserGroupIdsToAdd", "UserGroupIdsToRemove", "RemoveUserGroups"),
)


def disconnect(server: RedisServer) -> None:
    """Drop every client, as when the primary moves."""
    for kind in ("normal", "pubsub"):
        server.command("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")


def _present(group: Any, name: str) -> Any:
    return {
        "CacheNodeType": group.cache_node_type,
        "Engine": group.engine,
        "EngineVersion": group.engine_version,
        "AutomaticFailoverEnabled": group.automatic_failover == "enabled",
        "MultiAZEnabled": group.multi_az == "enabled",
        "CacheParameterGroupName": parameters.name_of(group),
    }[name]


def _check(group: Any, given: dict[str, Any]) -> None:
    for name in given:
        if name not in (*_AT_ONCE, *_DEFERRED, *_HANDLED):
            raise NotImplementedError(f"ModifyReplicationGroup with {name}")
    future = {name: given.get(name, group.waiting.get(name, _present(group, name))) for name in _DEFERRED}
    rules.check_node_type(future["CacheNodeType"])
    rules.check_failover(len(group.member_clusters), future["AutomaticFailoverEnabled"], future["MultiAZEnabled"])
    version = (future["Engine"], future["EngineVersion"])
    rules.check_upgrade((group.engine, group.engine_version), version)
    named = given.get("CacheParameterGroupName")
    if named or not parameters.is_default(parameters.name_of(group)):
        parameters.check(group.backend, named or parameters.name_of(group), *version)
    days = given.get("SnapshotRetentionLimit")
    if days is not None and not 0 <= days <= 35:
        raise wrong(f"Invalid SnapshotRetentionLimit: {days}. Must be between 0 and 35.")
    for name in ("SnapshottingClusterId", "PrimaryClusterId"):
        if name in given and given[name] not in group.member_clusters:
            raise wrong(f"The parameter {name} must be a member of the replication group: {given[name]}")
    if "PrimaryClusterId" in given and group.automatic_failover == "enabled":
        raise combination("Cannot change the primary cluster while automatic failover is enabled.")
    _check_user_groups(group, given)
    if "AuthToken" in given:
        check_token_change(group, given["AuthToken"], given.get("AuthTokenUpdateStrategy"))


def _user_groups(group: Any, given: dict[str, Any]) -> list[str]:
    """The user groups that a request leads to."""
    leaving = group.user_group_ids if given.get("RemoveUserGroups") else given.get("UserGroupIdsToRemove", [])
    kept = [name for name in group.user_group_ids if name not in leaving]
    return [*kept, *given.get("UserGroupIdsToAdd", [])]


def _check_user_groups(group: Any, given: dict[str, Any]) -> None:
    named = _user_groups(group, given)
    users.check_association(group.backend, named, group.engine, group.transit_encryption_enabled)
    strategy = given.get("AuthTokenUpdateStrategy")
    if named and group.tokens and strategy != "DELETE":
        raise combination(
            "User group can't be associated with auth token enabled. Pass AuthStrategy delete to proceed."
        )
    if strategy == "DELETE" and (not named or "AuthToken" in given):
        raise combination("The AuthTokenUpdateStrategy DELETE is allowed only when transitioning to RBAC.")


def _user_group_step(group: Any, given: dict[str, Any], seconds: float) -> list[Step[RedisServer]]:
    named, present = _user_groups(group, given), list(group.user_group_ids)
    if named == present:
        return []
    group.user_groups_pending = {
        "UserGroupIdsToAdd": [name for name in named if name not in present],
        "UserGroupIdsToRemove": [name for name in present if name not in named],
    }

    def settle() -> None:
        group.user_group_ids, group.user_groups_pending = named, None
        group.tokens, group.auth_token_enabled = [], False

    def change(server: RedisServer) -> None:
        users.enforce(server, users.users_of(group.backend, named))
        settle()
        if present:
            return
        # Who logged in with the token is let in as the user default, or not at all.
        disconnect(server)

    def beside_others(server: RedisServer) -> None:
        users.admit(server, users.users_of(group.backend, named))
        settle()

    return [Step("modifying", seconds, change, beside_others)]


def _token_step(group: Any, given: dict[str, Any], seconds: float) -> list[Step[RedisServer]]:
    """ROTATE lets the new token in beside the last one, SET leaves the new one alone."""
    token, strategy = given.get("AuthToken"), given.get("AuthTokenUpdateStrategy")
    if token is None:
        return []
    kept = [token] if strategy == "SET" else [*group.tokens[-1:], token]
    group.token_status = "SETTING" if strategy == "SET" else "ROTATING"

    def change(server: RedisServer) -> None:
        first = ["resetpass"] if group.tokens or strategy == "SET" else []
        if server.command("ACL", "SETUSER", "default", *first, *(f">{one}" for one in kept)) != "+OK":
            raise RuntimeError("redis refused the new token")
        group.tokens = kept

    def beside_others(server: RedisServer) -> None:
        gone = [f"<{one}" for one in group.tokens if one not in kept]
        if server.command("ACL", "SETUSER", "default", f">{token}", *gone) != "+OK":
            raise RuntimeError("the shared redis refused the new token")
        group.tokens = kept

    return [Step("modifying", seconds, change, beside_others)]


def _settle(group: Any, values: dict[str, Any]) -> None:
    attributes = {"CacheNodeType": "cache_node_type", "Engine": "engine", "EngineVersion": "engine_version"}
    family = rules.family(group.engine, group.engine_version)
    for name, attribute in attributes.items():
        if name in values:
            setattr(group, attribute, values[name])
    for name, attribute in (("AutomaticFailoverEnabled", "automatic_failover"), ("MultiAZEnabled", "multi_az")):
        if name in values:
            setattr(group, attribute, "enabled" if values[name] else "disabled")
    if "CacheParameterGroupName" in values:
        group.cache_parameter_group_name = values["CacheParameterGroupName"]
    elif rules.family(group.engine, group.engine_version) != family:
        group.cache_parameter_group_name = None
    group.waiting = {name: value for name, value in group.waiting.items() if name not in values}
    if group.token_status:
        group.auth_token_enabled, group.auth_token_last_modified_date = True, utcnow()
        group.token_status = None
    parameters.apply(group)


def _run(estate: Estate, group: Any, values: dict[str, Any], steps: list[Step[RedisServer]]) -> None:
    replacing = any(name in values for name in _REPLACING)
    if values:
        steps = [*steps, Step("modifying", estate.settings.modify_seconds, disconnect if replacing else None)]
    if steps:
        group.backing.change(*steps, done=lambda: _settle(group, values))


def modify(estate: Estate, backend: Any, given: dict[str, Any]) -> Any:
    """Carry out one ModifyReplicationGroup; `given` by the names of the API, without what is None."""
    group = available(backend, given["ReplicationGroupId"])
    _check(group, given)
    for name, attribute in _AT_ONCE.items():
        if name in given:
            setattr(group, attribute, given[name])
    planned = {name: given[name] for name in _DEFERRED if name in given}
    changed = {name: value for name, value in planned.items() if value != _present(group, name)}
    group.waiting = {**{name: value for name, value in group.waiting.items() if name not in planned}, **changed}
    seconds = estate.settings.modify_seconds
    steps = [*_token_step(group, given, seconds), *_user_group_step(group, given, seconds)]
    if given.get("PrimaryClusterId", group.primary) != group.primary:
        steps.append(failover_step(estate, group, given["PrimaryClusterId"]))
    _run(estate, group, dict(group.waiting) if given.get("ApplyImmediately") else {}, steps)
    return group


def failover_step(estate: Estate, group: Any, primary: str) -> Step[RedisServer]:
    """Another member becomes the primary; whoever is connected must connect anew."""

    def move(server: RedisServer) -> None:
        disconnect(server)
        group.primary = primary

    return Step("modifying", estate.settings.modify_seconds, move)


def _newer(group: Any) -> dict[str, Any]:
    latest = rules.NEWEST[group.engine]
    same_major = latest.partition(".")[0] == group.engine_version.partition(".")[0]
    outdated = group.auto_minor_version_upgrade and same_major and latest != group.engine_version
    return {"EngineVersion": latest} if outdated else {}


def _open_window(estate: Estate, name: str | None, minor_versions: bool) -> list[str]:
    """Apply what waits for one group or for all. ValueError when the one isn't there or isn't at rest."""
    backends = [backend for regions in elasticache_backends.values() for backend in regions.values()]
    every = [group for backend in backends for group in list(backend.replication_groups.values())]
    chosen = [group for group in every if name in (None, group.replication_group_id)]
    if name is not None and not (chosen and chosen[0].status == "available"):
        raise ValueError(f"maintenance.identifier: there is no available replication group {name}")
    due = []
    for group in chosen:
        values = {**(_newer(group) if minor_versions else {}), **group.waiting}
        if group.status == "available" and values:
            group.waiting = values
            _run(estate, group, dict(values), [])
            due.append(str(group.replication_group_id))
    return due


def install(estate: Estate) -> None:
    def modify_replication_group(self: Any) -> ActionResult:
        given = {name: value for name, value in self._get_params().items() if value is not None}
        with estate.lock:
            group = modify(estate, self.elasticache_backend, given)
        return ActionResult({"ReplicationGroup": group})

    put(ElastiCacheResponse, modify_replication_group)
    window: Callable[[str | None, bool], list[str]] = lambda name, minor: _open_window(estate, name, minor)  # noqa: E731
    estate.windows["elasticache"] = window
