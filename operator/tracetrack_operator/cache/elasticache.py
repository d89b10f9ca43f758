"""An Amazon ElastiCache replication group with Valkey: created with tags, awaited, bound, deleted by policy."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..api.cache import ElastiCacheCache
from ..api.deployment import DeletionPolicy
from ..aws.client import AwsPort
from ..aws.errors import AwsAlreadyExists, AwsConflict, AwsNotFound
from ..aws.inventory import IN_TRANSITION_SECONDS, STEADY_SECONDS, Inventory
from ..aws.ownership import UID, describe_owner, tag_list, tags
from ..dependencies.binding import CacheBinding
from ..dependencies.checks import Checks
from ..dependencies.cloud import (
    CreateCloudObject,
    Facts,
    Naming,
    authorities,
    compare,
    credentials_lost,
    dependency,
    identifier,
    policy_of,
    raw,
)
from ..dependencies.generated import GeneratedSecrets, password
from ..dependencies.protocol import Dependency, Scope
from ..engine.errors import WaitingError
from ..engine.objects import Object
from ..engine.plan import Executor
from ..manifests.parent import CACHE
from ..manifests.secret import secret, values
from ..settings import Settings

LONGEST = 40
CREDENTIALS = "cache-credentials"
_NAMING = Naming(
    provider="ElastiCache",
    what="Replication group",
    status_field="Status",
    patience="ElastiCache takes 5 to 15 minutes to make one.",
    identifier_field="spec.cache.elasticache.replicationGroupIdentifier",
    broken=frozenset({"create-failed"}),
)


@dataclass(frozen=True)
class CreateGroup(CreateCloudObject):
    """Create a replication group."""


class ElastiCache:
    makes_cloud_objects = True

    def __init__(
        self, aws: AwsPort, inventory: Inventory, generated: GeneratedSecrets, checks: Checks, settings: Settings
    ) -> None:
        self._aws = aws
        self._inventory = inventory
        self._generated = generated
        self._checks = checks
        self._settings = settings

    def register(self, executor: Executor) -> None:
        executor.register(CreateGroup, self._create)

    async def observe(self, scope: Scope) -> Facts:
        region = scope.spec.aws.region
        name = self._identifier(scope.owner)
        item = (await self._inventory.replication_groups(region, STEADY_SECONDS)).get(name)
        if item is None or item.get("Status") != "available":
            item = (await self._inventory.replication_groups(region, IN_TRANSITION_SECONDS)).get(name)
        found = await self._inventory.cache_tags(item, region) if item is not None else {}
        ours = found.get(UID) == scope.parent.uid
        credentials = await self._credentials(scope, name, ours)
        asked = scope.children.get(("Secret", scope.parent.child(CREDENTIALS)))
        binding = self._binding(item, credentials) if item is not None and ours else None
        check = await self._checks.result(scope.parent.uid, binding) if binding is not None else None
        asked_at = asked["metadata"].get("creationTimestamp", "") if asked else ""
        return Facts(item, found, credentials, binding, check, asked_at)

    def desired(self, scope: Scope, facts: Facts) -> Dependency:
        name = self._identifier(scope.owner)
        manifest = secret(scope.parent.metadata(CREDENTIALS, CACHE), facts.credentials)
        create = CreateGroup(
            f"replication group {name}",
            "elasticache",
            "create_replication_group",
            scope.spec.aws.region,
            self._parameters(scope, name, facts.credentials),
        )
        differences = _differences(_section(scope), facts.item) if facts.item is not None else []
        return dependency(_NAMING, scope, name, facts, manifest, create, differences)

    async def delete(self, owner: Object) -> str:
        """A cache holds nothing that isn't in the database, so Snapshot deletes it like Delete does."""
        region = raw(owner, "spec", "aws", "region")
        name = self._identifier(owner)
        item = await self._live(name, region)
        if item is None:
            return ""
        found = await self._inventory.cache_tags(item, region)
        if found.get(UID) != owner["metadata"]["uid"]:
            return f"Replication group {name} is left untouched: it belongs to {describe_owner(found)}."
        if policy_of(owner) is DeletionPolicy.RETAIN:
            return (
                f"Replication group {name} is kept (deletionPolicy Retain). Its AUTH token went with Secret "
                f"{CREDENTIALS}: set a new one with modify-replication-group to use it."
            )
        state = item.get("Status", "")
        if state != "deleting":
            try:
                await self._aws.call("elasticache", "delete_replication_group", region=region, ReplicationGroupId=name)
            except (AwsConflict, AwsNotFound):
                pass
            finally:
                self._inventory.expire("elasticache", region)
        raise WaitingError("Deleting", f"Replication group {name} is going.", retry_after=IN_TRANSITION_SECONDS)

    def _identifier(self, owner: Object) -> str:
        explicit = raw(owner, "spec", "cache", "elasticache", "replicationGroupIdentifier")
        return identifier(self._settings.cluster, owner, explicit, LONGEST)

    async def _credentials(self, scope: Scope, name: str, group_exists: bool) -> dict[str, str]:
        bound = scope.children.get(("Secret", scope.parent.child("cache-binding")))

        def new_password() -> str:
            if group_exists:
                credentials_lost(
                    scope.parent.child(CREDENTIALS),
                    f"Restore the Secret, or set a new AUTH token for {name} with modify-replication-group and put it "
                    "there (key password).",
                )
            return password()

        return await self._generated.ensure(
            scope.parent, CREDENTIALS, {"password": new_password}, values(bound) if bound else None
        )

    def _binding(self, item: Mapping[str, Any], credentials: Mapping[str, str]) -> CacheBinding | None:
        groups = item.get("NodeGroups") or [{}]
        at = groups[0].get("PrimaryEndpoint") or item.get("ConfigurationEndpoint") or {}
        if not at.get("Address") or not at.get("Port") or item.get("Status") == "creating":
            return None
        return CacheBinding(
            provider="elasticache",
            host=at["Address"],
            port=int(at["Port"]),
            password=credentials["password"],
            tls=True,
            ca_crt=authorities(self._settings.aws_ca_file),
        )

    def _parameters(self, scope: Scope, name: str, credentials: Mapping[str, str]) -> dict[str, Any]:
        wanted = _section(scope)
        groups = wanted.security_group_ids or list(self._settings.elasticache_security_groups) or None
        optional = {
            "CacheSubnetGroupName": wanted.subnet_group_name or self._settings.elasticache_subnet_group or None,
            "SecurityGroupIds": groups,
        }
        return {
            "ReplicationGroupId": name,
            "ReplicationGroupDescription": f"TraceTrack {scope.parent.namespace}/{scope.parent.name}",
            "Engine": "valkey",
            "EngineVersion": wanted.engine_version,
            "CacheNodeType": wanted.node_type,
            "NumCacheClusters": wanted.replicas + 1,
            "AutomaticFailoverEnabled": wanted.replicas > 0,
            "MultiAZEnabled": wanted.replicas > 0,
            "TransitEncryptionEnabled": True,
            "AtRestEncryptionEnabled": True,
            "AuthToken": credentials["password"],
            "Tags": tag_list(tags(scope.owner, self._settings.cluster)),
            **{key: value for key, value in optional.items() if value is not None},
        }

    async def _create(self, action: CreateGroup) -> None:
        self._inventory.expire("elasticache", action.region)
        try:
            await self._aws.call("elasticache", "create_replication_group", region=action.region, **action.parameters)
        except AwsAlreadyExists:
            # An earlier call whose answer was lost, or somebody else's: the next look tells by the tags.
            pass
        finally:
            self._inventory.expire("elasticache", action.region)

    async def _live(self, name: str, region: str | None) -> Mapping[str, Any] | None:
        try:
            answer = await self._aws.call(
                "elasticache", "describe_replication_groups", region=region, ReplicationGroupId=name
            )
        except AwsNotFound:
            return None
        found: list[Mapping[str, Any]] = answer.get("ReplicationGroups", [])
        return found[0] if found else None


def _section(scope: Scope) -> ElastiCacheCache:
    return scope.spec.cache.elasticache or ElastiCacheCache()


def _differences(wanted: ElastiCacheCache, item: Mapping[str, Any]) -> list[str]:
    return compare(
        {
            "nodeType": (item.get("CacheNodeType"), wanted.node_type),
            "replicas": (len(item.get("MemberClusters", [])) - 1, wanted.replicas),
        }
    )
