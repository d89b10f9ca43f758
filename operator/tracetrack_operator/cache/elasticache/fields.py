"""The table of changes of a replication group without cluster mode.

Classes after the Amazon ElastiCache User Guide, "Scaling", "Modifying a replication group" and "Version management".
"""

from __future__ import annotations

from typing import Any

from ...dependencies.cloud.fields import Difference, Field, Item
from ...dependencies.cloud.reference import CREDENTIALS, MANAGEMENT, Beside
from ...dependencies.protocol import Verdict
from ...engine.plan import Disruption
from .users import USER, attached, members, same_access

MODIFY = "modify_replication_group"
INCREASE = "increase_replica_count"
DECREASE = "decrease_replica_count"
MODIFY_USER = "modify_user"
MODIFY_USER_GROUP = "modify_user_group"
AUTHENTICATION = "authentication"
PARAMETER_GROUP = "parameterGroupName"
PARAMETERS_PENDING = "ParametersPending"
TOKEN, USERS = "Token", "Users"
MEMBER = "Member"
"""Where the inventory puts the description of the first member, which tells what that of the group leaves out."""


def replicas(item: Item) -> int:
    """Those of each shard."""
    return len(item.get("MemberClusters") or []) // (_shards(item) or 1) - 1


def _shards(item: Item) -> int | None:
    return len(item.get("NodeGroups") or []) or None


def _member(name: str) -> Any:
    return lambda item: (item.get(MEMBER) or {}).get(name)


def _security_groups(item: Item) -> list[str] | None:
    groups = (item.get(MEMBER) or {}).get("SecurityGroups")
    return None if groups is None else sorted(group["SecurityGroupId"] for group in groups)


def same_version(actual: str, wanted: str) -> bool:
    """major.minor stands for its patches."""
    return actual.split(".")[:2] == wanted.split(".")


def _version_class(actual: str, wanted: str) -> Disruption:
    later = [int(part) for part in wanted.split(".")] > [int(part) for part in actual.split(".")[:2]]
    return Disruption.REBOOT if later else Disruption.REPLACE


def parameters_pending(item: Item, what: str) -> Verdict | None:
    """What a person has to know of a parameter group that isn't wholly in force."""
    group = (item.get(MEMBER) or {}).get("CacheParameterGroup") or {}
    if group.get("ParameterApplyStatus") != "pending-reboot":
        return None
    shards = item.get("NodeGroups") or []
    nodes = [node for shard in shards for node in shard.get("NodeGroupMembers") or []]
    nodes.sort(key=lambda node: (node.get("CurrentRole") == "primary", str(node["CacheClusterId"])))
    restarts = "; ".join(
        f"aws elasticache reboot-cache-cluster --cache-node-ids-to-reboot 0001 --cache-cluster-id {each}"
        for each in (node["CacheClusterId"] for node in nodes)
    )
    return Verdict.not_ready(
        PARAMETERS_PENDING,
        f"{what} is as declared, but static parameters of {group.get('CacheParameterGroupName')} wait for a restart of "
        f"its nodes, which break connections for seconds. One after the other: {restarts}.",
    )


def is_another_major(difference: Difference) -> bool:
    """Whether it is of a version with parameter groups of its own."""
    if difference.field.name != "engineVersion":
        return False
    return str(difference.actual).partition(".")[0] != str(difference.wanted).partition(".")[0]


def _authentication(item: Item) -> str:
    groups = item.get("UserGroupIds") or []
    if not groups:
        return TOKEN
    return USERS if attached(item) else f"UserGroup {','.join(groups)}"


def _authentication_class(actual: str, wanted: str) -> Disruption:
    return Disruption.ONLINE if (actual, wanted) == (TOKEN, USERS) else Disruption.REPLACE


def _to_users(wanted: str, item: Item) -> dict[str, Any]:
    """A token is taken away in the same call: a group has the one or the other."""
    token = {"AuthTokenUpdateStrategy": "DELETE"} if item.get("AuthTokenEnabled") else {}
    return {"UserGroupIdsToAdd": [item["ReplicationGroupId"]], **token}


def _regrouped(wanted: list[str], item: Item) -> dict[str, Any]:
    present = members(item) or []
    found = {
        "UserIdsToAdd": [each for each in wanted if each not in present],
        "UserIdsToRemove": [each for each in present if each not in wanted],
    }
    return {key: value for key, value in found.items() if value}


_ANEW = (
    "To have it all the same: aws elasticache delete-replication-group --replication-group-id {object}. The operator "
    "makes it anew as declared, in 5 to 15 minutes; it holds nothing that the database hasn't, but people log in again."
)

TABLE: tuple[Field, ...] = (
    Field(
        "nodeType",
        "CacheNodeType",
        lambda item: item.get("CacheNodeType"),
        Disruption.REBOOT,
        MODIFY,
        "other nodes take over at the end: connections break for seconds, without replicas for minutes.",
    ),
    Field(
        "engineVersion",
        "EngineVersion",
        _member("EngineVersion"),
        _version_class,
        MODIFY,
        "a later version fails over for seconds. An earlier one is not taken: restore the field.",
        way=_ANEW,
        same=same_version,
        # Told to the patch, and taken without it.
        send=lambda wanted, item: ".".join(wanted.split(".")[:2]),
        classes=(Disruption.REBOOT, Disruption.REPLACE),
    ),
    Field(
        "shards",
        "NodeGroupCount",
        _shards,
        Disruption.REPLACE,
        MODIFY,
        "always 1: the application speaks to one that has all the keys.",
        way=_ANEW,
    ),
    Field(
        "replicas",
        "NewReplicaCount",
        replicas,
        Disruption.ONLINE,
        INCREASE,
        "added and removed while in use.",
        sets_off=False,
    ),
    Field(
        "automaticFailover",
        "AutomaticFailoverEnabled",
        lambda item: item.get("AutomaticFailover") in ("enabled", "enabling"),
        Disruption.ONLINE,
        MODIFY,
        "on with replicas.",
        group="failover",
        pending="AutomaticFailoverStatus",
    ),
    Field(
        "multiAZ",
        "MultiAZEnabled",
        lambda item: item.get("MultiAZ") == "enabled",
        Disruption.ONLINE,
        MODIFY,
        "on with replicas.",
        group="failover",
    ),
    Field(
        "subnetGroupName",
        "CacheSubnetGroupName",
        _member("CacheSubnetGroupName"),
        Disruption.REPLACE,
        MODIFY,
        "a cache stays in its network: restore the field.",
        way=_ANEW,
    ),
    Field(
        "securityGroupIds",
        "SecurityGroupIds",
        _security_groups,
        Disruption.ONLINE,
        MODIFY,
        "in force at once.",
    ),
    Field(
        PARAMETER_GROUP,
        "CacheParameterGroupName",
        lambda item: ((item.get(MEMBER) or {}).get("CacheParameterGroup") or {}).get("CacheParameterGroupName"),
        Disruption.ONLINE,
        MODIFY,
        "in force at once, but for static parameters, for which the nodes have to be restarted: Synced tells how. That "
        "of another major version goes with the version.",
    ),
    Field(
        "snapshotRetentionDays",
        "SnapshotRetentionLimit",
        lambda item: item.get("SnapshotRetentionLimit"),
        Disruption.ONLINE,
        MODIFY,
        "in force at once.",
    ),
    Field(
        "snapshotWindow",
        "SnapshotWindow",
        lambda item: item.get("SnapshotWindow"),
        Disruption.ONLINE,
        MODIFY,
        "a time only.",
    ),
    Field(
        "maintenanceWindow",
        "PreferredMaintenanceWindow",
        _member("PreferredMaintenanceWindow"),
        Disruption.ONLINE,
        MODIFY,
        "a time only (spec.maintenanceWindow).",
    ),
    Field(
        "atRestEncryption",
        "AtRestEncryptionEnabled",
        lambda item: item.get("AtRestEncryptionEnabled"),
        Disruption.REPLACE,
        MODIFY,
        "always true; a cache is encrypted at rest from its creation on, or never.",
        way=_ANEW,
    ),
    Field(
        "transitEncryption",
        "TransitEncryptionEnabled",
        lambda item: item.get("TransitEncryptionEnabled"),
        Disruption.REPLACE,
        MODIFY,
        "always true; a cache is encrypted in transit from its creation on, or never.",
        way=_ANEW,
    ),
    Field(
        AUTHENTICATION,
        "UserGroupIdsToAdd",
        _authentication,
        _authentication_class,
        MODIFY,
        "from Token to Users while in use, with the former token let in until consumers have gone over. Not back, nor "
        "from user groups of others: AWS would let everybody in between: restore the field.",
        way=_ANEW,
        send=_to_users,
        group=AUTHENTICATION,
        classes=(Disruption.ONLINE, Disruption.REPLACE),
    ),
    Field(
        "accessString",
        "AccessString",
        lambda item: (item.get(USER) or {}).get("AccessString"),
        Disruption.ONLINE,
        MODIFY_USER,
        "always what the application needs; connections stay.",
        same=same_access,
        sets_off=False,
    ),
    Field(
        "userIds",
        "UserIds",
        members,
        Disruption.ONLINE,
        MODIFY_USER_GROUP,
        "always the application's user alone; whoever else was let in is cut off.",
        send=_regrouped,
        sets_off=False,
    ),
)

PASSWORD = Field(
    "authToken",
    "AuthToken",
    lambda item: None,
    Disruption.ONLINE,
    MODIFY,
    "added beside the one in force when that in the Secret is refused.",
    group="password",
)

USER_PASSWORD = Field(
    "userPassword",
    "Passwords",
    lambda item: None,
    Disruption.ONLINE,
    MODIFY_USER,
    "set anew when that in the Secret is refused.",
    group="password",
    sets_off=False,
)

BESIDE: tuple[Beside, ...] = (
    Beside(
        "replicationGroupIdentifier",
        (Disruption.REPLACE,),
        "the API server refuses another one: restore the field.",
    ),
    MANAGEMENT,
    CREDENTIALS,
)
"""What changes of the fields do that are no row of the table."""
