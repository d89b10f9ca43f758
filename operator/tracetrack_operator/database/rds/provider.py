"""An Amazon RDS for PostgreSQL instance: created, adopted or bound, kept as declared, deleted by policy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from ...api.cloud import Management
from ...api.constants import UPGRADING
from ...api.rds import RDSDatabase
from ...aws.client import AwsPort
from ...aws.errors import AwsNotFound
from ...aws.inventory import Inventory
from ...aws.listing import Listing
from ...aws.ownership import UID, tag_map, tags
from ...dependencies.binding import DatabaseBinding
from ...dependencies.checks import Checks
from ...dependencies.cloud.access import Keeper
from ...dependencies.cloud.actions import Adopt, Create, Creation, Modify
from ...dependencies.cloud.ending import Ending
from ...dependencies.cloud.facts import Facts
from ...dependencies.cloud.fields import Comparison, Difference, Field, Item
from ...dependencies.cloud.metrics import LATEST_RESTORABLE
from ...dependencies.cloud.naming import Naming, authorities, policy_of, raw
from ...dependencies.cloud.provider import CloudProvider
from ...dependencies.external import required
from ...dependencies.generated import GeneratedSecrets
from ...dependencies.protocol import Dependency, Scope, Verdict
from ...engine.objects import Object, annotations_of, generation_of
from ...engine.plan import Executor
from ...engine.ports import KubePort
from ...manifests.parent import DATABASE
from ...settings import Settings
from ..inspection import Inspect, inspect_database
from ..lag import check_replica
from . import deletion
from .authorities import lets_in_plain, of_instance
from .creation import creation
from .declared import declared, modify_parameters
from .facts import RDSFacts
from .fields import HARMLESS, PASSWORD, TABLE, master_secret, ready_for, with_storage
from .logins import Logins
from .mastersecret import ManagedSecrets, impaired
from .replicas.calls import ReplicaCalls
from .replicas.found import REPLICAS, Replica, identifier
from .replicas.looking import REMEMBERED, look
from .replicas.outcome import Outcome, Source, outcome
from .replicas.together import to_come, with_replicas
from .upgrade import leftovers, wish
from .upgrade.act import UpgradeCall, UpgradeCalls
from .upgrade.facts import UpgradeFacts
from .upgrade.look import Concern, Lookout
from .upgrade.steps import Steps

USER = "tracetrack"
_LISTED_SECONDS = 600.0
NAMING = Naming(
    provider="RDS",
    service="rds",
    what="DB instance",
    status_field="DBInstanceStatus",
    answered="DBInstance",
    patience="RDS takes 10 to 20 minutes to make one.",
    section=("spec", "database", "rds"),
    identifier_field="instanceIdentifier",
    longest=63,
    changeable=frozenset({"available", "storage-optimization"}),
    broken=frozenset(
        {
            "failed",
            "storage-full",
            "restore-error",
            "inaccessible-encryption-credentials",
            "incompatible-network",
            "incompatible-option-group",
            "incompatible-parameters",
            "incompatible-restore",
        }
    ),
)


@dataclass(frozen=True)
class CreateInstance(Create):
    """Create a DB instance."""


@dataclass(frozen=True)
class AdoptInstance(Adopt):
    """Tag a DB instance."""


@dataclass(frozen=True)
class ModifyInstance(Modify):
    """Change or restart a DB instance."""


class RDS(CloudProvider):
    naming = NAMING
    table = TABLE
    component = DATABASE
    password_field = PASSWORD
    create_type = CreateInstance
    adopt_type = AdoptInstance
    modify_type = ModifyInstance

    def __init__(
        self,
        aws: AwsPort,
        kube: KubePort,
        inventory: Inventory,
        generated: GeneratedSecrets,
        checks: Checks,
        settings: Settings,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        inspect: Inspect = inspect_database,
        replica_checks: Checks | None = None,
    ) -> None:
        super().__init__(aws, kube, inventory, generated, checks, settings, clock)
        self._lookout = Lookout(aws, inventory, inspect)
        self._replica_checks = replica_checks or Checks(check_replica)

    async def observe(self, scope: Scope) -> RDSFacts:
        facts = await super().observe(scope)
        if facts.item is not None and facts.tags.get(UID) == scope.parent.uid and not NAMING.is_bound(scope.owner):
            facts = RDSFacts.of(facts, upgrade=await self._upgrade(scope, facts, facts.item))
        restorable = (facts.item or {}).get("LatestRestorableTime")
        if restorable is not None and facts.binding is not None:
            LATEST_RESTORABLE.set(restorable.timestamp(), scope.parent.namespace, scope.parent.name)
        return RDSFacts.of(facts, replicas=await self._replicas(scope, facts))

    async def _replicas(self, scope: Scope, facts: Facts) -> tuple[Replica, ...]:
        wanted = self.section(scope).read_replicas
        if facts.item is None or not self._is_made(scope, facts) or not (wanted or facts.item.get(REPLICAS)):
            return ()
        region = scope.spec.aws.region

        async def listing(name: str) -> Mapping[str, Item]:
            found = await self.listing(region, self._steady, name)
            rests = (found.get(name) or {}).get(NAMING.status_field) == "available"
            return found if rests else await self.listing(region, self._changing, name)

        remembered = facts.agreed.get(REMEMBERED)
        agreed = remembered if isinstance(remembered, dict) else {}
        return await look(
            scope.parent,
            wanted,
            facts.item,
            facts.binding,
            agreed,
            listing,
            self._asked,
            lambda uid: self._refusals.of(uid, generation_of(scope.owner)),
            self._replica_checks,
        )

    def _is_made(self, scope: Scope, facts: Facts) -> bool:
        """Whether the instance is the owner's, and there."""
        managed = self.section(scope).management is Management.MANAGED
        state = (facts.item or {}).get(NAMING.status_field, "creating")
        return managed and facts.tags.get(UID) == scope.parent.uid and state != "creating"

    def desired(self, scope: Scope, facts: Facts) -> Dependency:
        found = super().desired(scope, facts)
        if facts.item is None or not self._is_made(scope, facts):
            return self._with_replicas_to_come(scope, facts, found)
        return with_replicas(found, self._outcomes(scope, facts, facts.item), self._changing)

    def _with_replicas_to_come(self, scope: Scope, facts: Facts, found: Dependency) -> Dependency:
        """Of an instance that is being made, or is about to be."""
        ours = facts.item is None or facts.tags.get(UID) == scope.parent.uid
        if self.section(scope).management is Management.BOUND or not ours:
            return found
        declared = self.declared(scope)
        name = self.identifier(scope.owner)
        made = {
            "DBInstanceIdentifier": name,
            NAMING.status_field: "available",
            "BackupRetentionPeriod": declared["backupRetentionDays"],
            "AllocatedStorage": declared["allocatedStorageGiB"],
        }
        replicas = tuple(
            Replica(each.name, identifier(name, each.name), each) for each in self.section(scope).read_replicas
        )
        return to_come(found, self._outcomes(scope, RDSFacts.of(facts, replicas=replicas), made))

    def remembered(self, scope: Scope, facts: Facts) -> Mapping[str, Any]:
        if facts.item is None or not self._is_made(scope, facts):
            return {}
        outcomes = self._outcomes(scope, facts, facts.item)
        agreed = {each.replica.name: dict(each.agreed) for each in outcomes if each.agreed is not None}
        return {REMEMBERED: agreed} if agreed else {}

    def _outcomes(self, scope: Scope, facts: Facts, item: Item) -> list[Outcome]:
        source = Source(
            NAMING,
            scope.owner,
            scope.parent,
            scope.spec.aws.region,
            self._settings.cluster,
            item,
            self.declared(scope),
            isinstance(facts, RDSFacts) and facts.upgrading,
        )
        replicas = facts.replicas if isinstance(facts, RDSFacts) else ()
        return [outcome(source, each, self._rules(scope, replace(facts, item=each.item))) for each in replicas]

    def register(self, executor: Executor) -> None:
        super().register(executor)
        ReplicaCalls(self.calls()).register(executor)
        executor.register(UpgradeCall, self._upgrade_calls().run)

    async def _upgrade(self, scope: Scope, facts: Facts, item: Item) -> UpgradeFacts:
        name, region = self.identifier(scope.owner), scope.spec.aws.region
        concern = Concern(
            scope.parent.uid,
            region,
            name,
            item,
            wish.of(self._compare(scope, facts, item), self.section(scope)),
            facts.access.kept.attempts,
            self.binding(scope, item, facts.credentials, True) if facts.credentials else None,
            self._changing,
        )
        return await self._lookout.look(concern, await self.listing(region, self._steady, name))

    def apart(self, scope: Scope, comparison: Comparison) -> Comparison:
        return wish.apart(comparison, self.section(scope))

    def _kept(self, scope: Scope, facts: Facts, item: Item, what: str, state: str) -> Dependency:
        seen = facts if isinstance(facts, RDSFacts) else RDSFacts.of(facts)
        wanted = wish.of(self._compare(scope, facts, item), self.section(scope))
        found = super()._kept(scope, facts, item, what, state)
        synced = found.sync is not None and found.sync.status == "True"
        if synced and facts.check is not None and facts.check.plain:
            found = replace(found, sync=lets_in_plain(what))
        upgrade = wish.decided(
            scope,
            seen,
            found,
            wanted,
            self._rules(scope, facts),
            self._steps(scope.owner, what),
            state in NAMING.changeable,
        )
        kept = replace(facts.access.kept, attempts=upgrade.attempts)
        secret = self._secrets.manifest(scope, facts.access.values, kept, wish.agreed_of(found))
        return wish.merged(found, upgrade, seen, secret, self._changing)

    def _steps(self, owner: Object, what: str) -> Steps:
        region = raw(owner, "spec", "aws", "region")
        return Steps(what, self.identifier(owner), region, tags(owner, self._settings.cluster))

    def _upgrade_calls(self) -> UpgradeCalls:
        return UpgradeCalls(self._aws, self._inventory, self._asked, self._changes, self.live, self._changing)

    def section(self, scope: Scope) -> RDSDatabase:
        return scope.spec.database.rds or RDSDatabase()

    async def listing(self, region: str | None, max_age: float, name: str) -> Listing:
        return await self._inventory.db_instances(region, max_age, name)

    async def tags_of(self, item: Item, region: str | None) -> Mapping[str, str]:
        return tag_map(item.get("TagList", []))

    async def live(self, name: str, region: str | None) -> Item | None:
        try:
            answer = await self._aws.call("rds", "describe_db_instances", region=region, DBInstanceIdentifier=name)
        except AwsNotFound:
            return None
        found: list[Item] = answer.get("DBInstances", [])
        return found[0] if found else None

    def arn(self, item: Item) -> str:
        return str(item["DBInstanceArn"])

    def own_window(self, item: Item) -> str:
        return str(item.get("PreferredMaintenanceWindow", ""))

    def primary(self, item: Item) -> str | None:
        """The zone that it is in, where there is a standby in another one."""
        return str(item.get("AvailabilityZone") or "") or None if item.get("MultiAZ") else None

    def pending(self, item: Item) -> Mapping[str, Any]:
        return item.get("PendingModifiedValues") or {}

    def declared(self, scope: Scope) -> dict[str, Any]:
        return declared(self.section(scope), scope.spec.maintenance_window, self._settings)

    def keeper(self) -> Keeper:
        return Logins(USER, self._checks, self._secrets.live, ManagedSecrets(self._aws))

    def concern(self, item: Item, what: str) -> Verdict | None:
        return impaired(item, what)

    def rotation(self, scope: Scope) -> int | None:
        return scope.spec.database.rotation.every_days if scope.spec.database.rotation else None

    def bound_credentials(self, secret: dict[str, str]) -> dict[str, str]:
        return {
            "username": required(secret, "username"),
            "password": required(secret, "password"),
            "database": secret.get("database", "").strip(),
        }

    def binding(self, scope: Scope, item: Item, credentials: Mapping[str, str], own: bool) -> DatabaseBinding | None:
        at = item.get("Endpoint") or {}
        if not at.get("Address") or not at.get("Port"):
            return None
        authority = authorities(self._settings.aws_ca_file) or of_instance(item)
        return DatabaseBinding(
            provider="rds",
            host=at["Address"],
            port=int(at["Port"]),
            database=credentials.get("database") or self.section(scope).database_name or item.get("DBName") or USER,
            # Of an adopted instance, the user that it was made with.
            username=item.get("MasterUsername") or USER if own else credentials["username"],
            password=credentials["password"],
            sslmode="verify-full" if authority else "require",
            ca_crt=authority,
        )

    def creation(self, scope: Scope, name: str, credentials: Mapping[str, str]) -> Creation:
        return creation(scope, self.declared(scope), name, credentials, self._settings.cluster)

    def modify_parameters(
        self, name: str, field: Field, values: Mapping[str, Any], secret: Mapping[str, str]
    ) -> dict[str, Any]:
        return modify_parameters(name, field, values, secret)

    def ready_for(self, difference: Difference, item: Item, differences: tuple[Difference, ...]) -> bool:
        if difference.field.name == "backupRetentionDays" and not difference.wanted and item.get(REPLICAS):
            # The replicas go first.
            return False
        return ready_for(difference, item, differences)

    def harmless(self) -> frozenset[str]:
        return HARMLESS

    def completed(self, values: dict[str, Any], item: Item) -> dict[str, Any]:
        return with_storage(values, item)

    def details(self, item: Item) -> dict[str, Any]:
        restorable = item.get("LatestRestorableTime")
        return {
            "identifier": item["DBInstanceIdentifier"],
            "version": str(item.get("EngineVersion", "")),
            "size": str(item.get("DBInstanceClass", "")),
            "storageGiB": int(item.get("AllocatedStorage") or 0),
            "replicas": len(item.get("ReadReplicaDBInstanceIdentifiers") or []) + bool(item.get("MultiAZ")),
            "maintenanceWindow": self.own_window(item),
            **({"masterSecretStatus": str(kept)} if (kept := master_secret(item).get("SecretStatus")) else {}),
            **({"latestRestorableTime": f"{restorable:%Y-%m-%dT%H:%M:%SZ}"} if restorable else {}),
        }

    async def delete(self, owner: Object) -> str:
        name = self.identifier(owner)
        if NAMING.is_bound(owner):
            return f"DB instance {name} is left untouched: it was bound, not managed."
        region = raw(owner, "spec", "aws", "region")
        item = await self.live(name, region)
        await self._clear(owner, name, region, item)
        ending = Ending(self.calls(), self._kube, self._secrets, NAMING, deletion.COPIES)
        return await deletion.delete(ending, ReplicaCalls(self.calls()), owner, name, item)

    async def _clear(self, owner: Object, name: str, region: str | None, item: Item | None) -> None:
        """What an upgrade has left goes first. Raises WaitingError until it has."""
        metadata = owner["metadata"]
        secret = await self._kube.get("Secret", metadata["namespace"], f"{metadata['name']}-{self._secrets.name}")
        told = raw(owner, "status", DATABASE, "upgrade")
        begun = bool(told) or UPGRADING in annotations_of(secret or {"metadata": {}})
        if not begun and (item is None or item.get("DBInstanceStatus") == "deleting"):
            return
        await leftovers.clear(
            self._aws,
            self._upgrade_calls(),
            self._steps(owner, f"DB instance {name}"),
            metadata["uid"],
            # What is ours is read anew after each of our calls.
            await self.listing(region, self._changing if begun else _LISTED_SECONDS, name),
            begun,
            policy_of(owner),
            self._clock(),
        )
