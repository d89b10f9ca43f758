"""An Amazon ElastiCache replication group with Valkey: created, adopted or bound, kept as declared, deleted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ...api.cache import CacheAuthentication, ElastiCacheCache
from ...api.cloud import Management
from ...api.conditions import Reason
from ...api.deployment import DeletionPolicy
from ...aws.errors import AwsNotFound
from ...aws.ownership import UID, describe_owner, tag_list, tags
from ...dependencies.binding import CacheBinding
from ...dependencies.cloud.access import Keeper, Seat
from ...dependencies.cloud.actions import Adopt, Create, Creation, Modify
from ...dependencies.cloud.ending import Copies, Ending
from ...dependencies.cloud.facts import Facts
from ...dependencies.cloud.fields import Comparison, Difference, Field, Item
from ...dependencies.cloud.naming import Naming, authorities, policy_of, raw
from ...dependencies.cloud.prior import Prior
from ...dependencies.cloud.provider import CloudProvider
from ...dependencies.external import required
from ...dependencies.protocol import Scope, Verdict
from ...dependencies.rotation import Kept, told
from ...engine.objects import Object
from ...engine.plan import Executor
from ...manifests.parent import CACHE
from . import users
from .fields import (
    AUTHENTICATION,
    DECREASE,
    MEMBER,
    MODIFY_USER,
    MODIFY_USER_GROUP,
    PARAMETER_GROUP,
    PASSWORD,
    TABLE,
    USER_PASSWORD,
    is_another_major,
    parameters_pending,
    replicas,
)
from .tokens import FORMER, Tokens
from .usercalls import UserCalls

NAMING = Naming(
    provider="ElastiCache",
    service="elasticache",
    what="Replication group",
    status_field="Status",
    answered="ReplicationGroup",
    patience="ElastiCache takes 5 to 15 minutes to make one.",
    section=("spec", "cache", "elasticache"),
    identifier_field="replicationGroupIdentifier",
    longest=40,
    changeable=frozenset({"available"}),
    broken=frozenset({"create-failed"}),
)
COPIES = Copies("cache snapshot", "describe_snapshots", "SnapshotName", "Snapshots", "SnapshotStatus")
_WITHOUT_SNAPSHOTS = frozenset({"cache.t1.micro"})
_FAILOVER = frozenset({"automaticFailover", "multiAZ"})
_NOT_AT_CREATION = frozenset({"shards", "replicas", AUTHENTICATION, "accessString", "userIds"})


@dataclass(frozen=True)
class CreateGroup(Create):
    """Create a replication group."""


@dataclass(frozen=True)
class AdoptGroup(Adopt):
    """Tag a replication group."""


@dataclass(frozen=True)
class ModifyGroup(Modify):
    """Change a replication group."""


def _writable(item: Item) -> Mapping[str, Any]:
    """The endpoint that takes writes; empty while there is none."""
    groups = item.get("NodeGroups") or [{}]
    return groups[0].get("PrimaryEndpoint") or item.get("ConfigurationEndpoint") or {}


class ElastiCache(CloudProvider):
    naming = NAMING
    table = TABLE
    component = CACHE
    optional_credentials = (FORMER,)
    password_field = PASSWORD
    create_type = CreateGroup
    adopt_type = AdoptGroup
    modify_type = ModifyGroup

    def section(self, scope: Scope) -> ElastiCacheCache:
        return scope.spec.cache.elasticache or ElastiCacheCache()

    async def listing(self, region: str | None, max_age: float, name: str) -> Mapping[str, Item]:
        return await self._inventory.replication_groups(region, max_age, name)

    async def tags_of(self, item: Item, region: str | None) -> Mapping[str, str]:
        return await self._inventory.cache_tags(item, region)

    async def live(self, name: str, region: str | None) -> Item | None:
        try:
            answer = await self._aws.call(
                "elasticache", "describe_replication_groups", region=region, ReplicationGroupId=name
            )
        except AwsNotFound:
            return None
        found: list[Item] = answer.get("ReplicationGroups", [])
        return found[0] if found else None

    def arn(self, item: Item) -> str:
        return str(item["ARN"])

    def own_window(self, item: Item) -> str:
        return str((item.get(MEMBER) or {}).get("PreferredMaintenanceWindow") or "")

    def pending(self, item: Item) -> Mapping[str, Any]:
        ours = item.get("PendingModifiedValues") or {}
        theirs = (item.get(MEMBER) or {}).get("PendingModifiedValues") or {}
        found = {**theirs, **ours}
        if "AutomaticFailoverStatus" in found:
            found["AutomaticFailoverStatus"] = found["AutomaticFailoverStatus"] == "enabled"
        return found

    async def completely(self, item: Item, region: str | None) -> Item:
        name = next(iter(item.get("MemberClusters") or []), None)
        if name is None:
            return item
        try:
            answer = await self._aws.call("elasticache", "describe_cache_clusters", region=region, CacheClusterId=name)
        except AwsNotFound:
            return item
        return {**item, MEMBER: answer["CacheClusters"][0]}

    def concern(self, item: Item, what: str) -> Verdict | None:
        return parameters_pending(item, what)

    def harmless(self) -> frozenset[str]:
        return frozenset({"AuthTokenStatus", "UserGroups", "LogDeliveryConfigurations"})

    def primary(self, item: Item) -> str | None:
        members = [member for shard in item.get("NodeGroups") or [] for member in shard.get("NodeGroupMembers") or []]
        serving = [member["CacheClusterId"] for member in members if member.get("CurrentRole") == "primary"]
        return serving[0] if len(serving) == 1 else None

    def declared(self, scope: Scope) -> dict[str, Any]:
        wanted, settings = self.section(scope), self._settings
        with_users = _with_users(wanted)
        return {
            "nodeType": wanted.node_type,
            "engineVersion": wanted.engine_version,
            "shards": 1,
            "replicas": wanted.replicas,
            "automaticFailover": wanted.replicas > 0,
            "multiAZ": wanted.replicas > 0,
            "subnetGroupName": wanted.subnet_group_name or settings.elasticache_subnet_group or None,
            "securityGroupIds": sorted(wanted.security_group_ids or settings.elasticache_security_groups) or None,
            "parameterGroupName": wanted.parameter_group_name,
            "snapshotRetentionDays": wanted.snapshot_retention_days,
            "snapshotWindow": wanted.snapshot_window,
            "maintenanceWindow": scope.spec.maintenance_window,
            "atRestEncryption": True,
            "transitEncryption": True,
            AUTHENTICATION: str(wanted.authentication),
            "accessString": users.ACCESS_STRING if with_users else None,
            "userIds": [users.user_id(self.identifier(scope.owner))] if with_users else None,
        }

    def keeper(self) -> Keeper:
        self._users = UserCalls(self._aws, self._inventory, self._steady, self._changing)
        return Tokens(self._checks, self._secrets.live, ModifyGroup, self._place)

    def register(self, executor: Executor) -> None:
        super().register(executor)
        calls = self.calls()
        executor.register(users.MakeUsers, self._users.make)
        executor.register(users.ChangeUsers, lambda action: self._users.change(action, calls))

    async def beside(self, scope: Scope, name: str) -> Mapping[str, Item]:
        if not _with_users(self.section(scope)):
            return {}
        return await self._users.beside(name, scope.spec.aws.region)

    def prior(self, scope: Scope, facts: Facts, now: tuple[Difference, ...]) -> Prior:
        """The user group, before the replication group has it; and the tags of one that was adopted with it."""
        if not _with_users(self.section(scope)):
            return Prior()
        place = self._place_of(scope, facts.credentials, facts.access.kept)
        if facts.item is None:
            found = users.prepared(place, facts.beside, bridge=False)
            holds = frozenset() if found.ready else frozenset({AUTHENTICATION})
            return Prior(users.making(place, found), holds, _conflict(found))
        if users.attached(facts.item):
            found = users.retagged(place, facts.beside)
            return Prior(users.changing(place, found), problem=_conflict(found))
        if not any(each.field.name == AUTHENTICATION for each in now):
            return Prior()
        if FORMER in facts.credentials:
            return Prior(holds=frozenset({AUTHENTICATION}))
        found = users.prepared(place, facts.beside, bridge=True)
        holds = frozenset() if found.ready else frozenset({AUTHENTICATION})
        return Prior(users.changing(place, found), holds, _conflict(found))

    def _place(self, seat: Seat) -> users.Place:
        return self._place_of(seat.scope, seat.values, seat.kept)

    def _place_of(self, scope: Scope, credentials: Mapping[str, str], kept: Kept) -> users.Place:
        name, labels = self.identifier(scope.owner), tags(scope.owner, self._settings.cluster)
        since = told(kept.since) if kept.since is not None else ""
        return users.Place(name, scope.spec.aws.region, labels, credentials.get("password", ""), since)

    def password_of(self, facts: Facts) -> Field:
        return USER_PASSWORD if facts.item is not None and users.attached(facts.item) else PASSWORD

    def rotation(self, scope: Scope) -> int | None:
        return scope.spec.cache.rotation.every_days if scope.spec.cache.rotation else None

    def bound_credentials(self, secret: dict[str, str]) -> dict[str, str]:
        return {"password": required(secret, "password"), "username": secret.get("username", "").strip()}

    def binding(self, scope: Scope, item: Item, credentials: Mapping[str, str], own: bool) -> CacheBinding | None:
        at = _writable(item)
        if not at.get("Address") or not at.get("Port") or item.get("Status") == "creating":
            return None
        return CacheBinding(
            provider="elasticache",
            host=at["Address"],
            port=int(at["Port"]),
            username=users.LOGIN if own and users.attached(item) else credentials.get("username", ""),
            password=credentials["password"],
            tls=bool(item.get("TransitEncryptionEnabled", True)),
            ca_crt=authorities(self._settings.aws_ca_file),
        )

    def creation(self, scope: Scope, name: str, credentials: Mapping[str, str]) -> Creation:
        declared = self.declared(scope)
        fields = {
            field.parameter: declared[field.name]
            for field in TABLE
            if field.name not in _NOT_AT_CREATION and declared[field.name] is not None
        }
        with_users = _with_users(self.section(scope))
        parameters = {
            "ReplicationGroupId": name,
            "ReplicationGroupDescription": f"TraceTrack {scope.parent.namespace}/{scope.parent.name}",
            "Engine": users.ENGINE,
            "NumCacheClusters": declared["replicas"] + 1,
            **({"UserGroupIds": [name]} if with_users else {"AuthToken": credentials["password"]}),
            "Tags": tag_list(tags(scope.owner, self._settings.cluster)),
            **fields,
        }
        return Creation("create_replication_group", parameters, declared)

    def ready_for(self, difference: Difference, item: Item, differences: tuple[Difference, ...]) -> bool:
        """Failing over needs a replica: it is switched on after the first is there, and off before the last goes."""
        name, operation = difference.field.name, difference.field.operation
        if operation in (MODIFY_USER, MODIFY_USER_GROUP):
            changed = item.get(users.USER if operation == MODIFY_USER else users.USER_GROUP) or {}
            return changed.get("Status") == "active"
        if name in _FAILOVER and difference.wanted:
            return replicas(item) > 0
        if name == "replicas" and difference.wanted == 0:
            return not any(each.field.name in _FAILOVER for each in differences)
        return True

    def modify_parameters(
        self, name: str, field: Field, values: Mapping[str, Any], secret: Mapping[str, str]
    ) -> dict[str, Any]:
        if field.operation == MODIFY_USER:
            given = {"Passwords": [secret["password"]]} if field is USER_PASSWORD else values
            return {"UserId": users.user_id(name), **given}
        if field.operation == MODIFY_USER_GROUP:
            return {"UserGroupId": name, **values[field.parameter]}
        others = {key: value for key, value in values.items() if key != field.parameter}
        group = {"ReplicationGroupId": name, "ApplyImmediately": True, **others}
        if field.name == AUTHENTICATION:
            return {**group, **values[field.parameter]}
        if field is PASSWORD:
            return {**group, "AuthToken": secret["password"], "AuthTokenUpdateStrategy": "ROTATE"}
        return {**group, **values}

    def differences_of(self, comparison: Comparison) -> Comparison:
        """Fewer replicas are another call than more, and a parameter group goes with the version that it is for."""
        major = next((each for each in comparison.differences if is_another_major(each)), None)

        def told(each: Difference) -> Difference:
            if each.field.name == "replicas" and each.wanted < each.actual:
                return replace(each, field=replace(each.field, operation=DECREASE))
            if major is not None and each.field.name == PARAMETER_GROUP:
                return replace(each, disruption=major.disruption)
            return each

        return replace(comparison, differences=tuple(map(told, comparison.differences)))

    def details(self, item: Item) -> dict[str, Any]:
        return {
            "identifier": item["ReplicationGroupId"],
            "version": str((item.get(MEMBER) or {}).get("EngineVersion", "")),
            "size": str(item.get("CacheNodeType", "")),
            "replicas": max(0, replicas(item)),
            "maintenanceWindow": self.own_window(item),
        }

    async def delete(self, owner: Object) -> str:
        region, name = raw(owner, "spec", "aws", "region"), self.identifier(owner)
        if NAMING.is_bound(owner):
            return f"Replication group {name} is left untouched: it was bound, not managed."
        ending = Ending(self.calls(), self._kube, self._secrets, NAMING, COPIES)
        item = await self.live(name, region)
        found: Mapping[str, str] = {}
        if item is None:
            await ending.settled(owner, name)
        else:
            found = await self._inventory.cache_tags(item, region, live=True)
        mine = found.get(UID) == owner["metadata"]["uid"]
        if not mine and raw(owner, *NAMING.section, "authentication") == CacheAuthentication.USERS:
            await self._users.remove(owner, name, region)
        if item is None:
            return await ending.gone(owner, name)
        if not mine:
            return f"Replication group {name} is left untouched: it belongs to {describe_owner(found)}."
        host = str(_writable(item).get("Address", ""))
        if policy_of(owner) is DeletionPolicy.RETAIN:
            return await ending.kept(owner, name, host, "deletionPolicy Retain")
        copied = item.get("Status") not in NAMING.broken and item.get("CacheNodeType") not in _WITHOUT_SNAPSHOTS

        async def ask(snapshot: str) -> None:
            final = {"FinalSnapshotIdentifier": snapshot} if snapshot else {}
            await self._aws.call(
                "elasticache", "delete_replication_group", region=region, ReplicationGroupId=name, **final
            )

        return await ending.go(owner, name, item, host, ask, copied)


def _with_users(section: ElastiCacheCache) -> bool:
    return section.authentication is CacheAuthentication.USERS and section.management is Management.MANAGED


def _conflict(found: users.Preparation) -> Verdict | None:
    if not found.conflict:
        return None
    return Verdict.not_ready(
        Reason.OWNERSHIP_CONFLICT,
        f"{found.conflict} It is left untouched. Remove it, or choose another name in "
        f"{NAMING.path(NAMING.identifier_field)} (with a new TraceTrackDeployment).",
    )
