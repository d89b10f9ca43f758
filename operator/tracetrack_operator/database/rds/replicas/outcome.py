"""What becomes of one read replica. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ....api.conditions import Reason
from ....api.constants import ADOPT
from ....api.replicas import ReadReplica
from ....aws.ownership import REPLICA, describe_owner, tag_list, tags
from ....dependencies.binding import DatabaseBinding, endpoint
from ....dependencies.cloud.fields import Difference, Item, compare
from ....dependencies.cloud.naming import Naming
from ....dependencies.cloud.ownership import Ownership, ownership
from ....dependencies.cloud.pending import strangers, values
from ....dependencies.cloud.refusals import CREATION
from ....dependencies.cloud.sequence import in_turn
from ....dependencies.cloud.sync import Rules, Sync, decide, key
from ....dependencies.cloud.sync import waiting as held_back
from ....dependencies.protocol import Held, Verdict
from ....engine.objects import Object, annotations_of
from ....engine.plan import Action, Disruption
from ....manifests.parent import Parent
from ...lag import LAGGING_SECONDS, in_steps
from ..fields import HARMLESS, REBOOT, ready_for, with_storage
from .actions import WHAT, AdoptReplica, CreateReplica, ModifyReplica, removal
from .fields import TABLE, agreed_at_creation, created_with, declared
from .found import Replica, follows


@dataclass(frozen=True)
class Source:
    """The primary, for its owner, with what is declared of it; `upgrading` to another major version."""

    naming: Naming
    owner: Object
    parent: Parent
    region: str | None
    cluster: str
    item: Item
    declared: Mapping[str, Any]
    upgrading: bool = False

    @property
    def name(self) -> str:
        return str(self.item["DBInstanceIdentifier"])

    @property
    def changeable(self) -> bool:
        return self.item.get(self.naming.status_field) in self.naming.changeable

    def tags(self, replica: str) -> list[dict[str, str]]:
        return tag_list({**tags(self.owner, self.cluster), REPLICA: replica})


@dataclass(frozen=True)
class Outcome:
    """`ready` says how it serves, `sync` whether it is as declared: None where that isn't to be told.

    `agreed` is to be remembered. `binding` is how the application reaches it, None while it shouldn't. `rules` with
    `decided` are what people are told from. `coming`: AWS is at work on it. `retry_after` in seconds, until what AWS
    refused is tried again.
    """

    replica: Replica
    ready: Verdict | None
    steps: tuple[Action, ...] = ()
    later: tuple[Action, ...] = ()
    held: tuple[Held, ...] = ()
    decided: Sync | None = None
    rules: Rules | None = None
    agreed: Mapping[str, Any] | None = None
    binding: DatabaseBinding | None = field(default=None, repr=False)
    coming: bool = True
    retry_after: float | None = None

    @property
    def what(self) -> str:
        return f"{WHAT} {self.replica.identifier}"

    @property
    def changeable(self) -> bool:
        return self.decided is not None and not self.coming

    @property
    def status(self) -> dict[str, Any]:
        replica, item = self.replica, self.replica.item or {}
        lag = replica.check.lag if replica.check is not None else None
        found = {
            "name": replica.name,
            "identifier": replica.identifier,
            "state": replica.state,
            "endpoint": endpoint(replica.binding) if replica.binding is not None else "",
            "size": str(item.get("DBInstanceClass", "")),
            "serving": self.binding is not None,
            "lagSeconds": in_steps(lag) if lag is not None else None,
        }
        return {key: value for key, value in found.items() if value not in ("", None)}


def outcome(source: Source, replica: Replica, rules: Rules) -> Outcome:
    wanted, item = replica.wanted, replica.item
    if wanted is None:
        return _unwanted(source, replica)
    if item is None:
        return _absent(source, replica, wanted)
    owned = ownership(replica.tags, source.parent, source.cluster)
    if owned is not Ownership.OURS:
        return _foreign(source, replica, item, owned)
    if not follows(item):
        return _told(
            replica,
            Reason.REPLICA_PROMOTED,
            f"{WHAT} {replica.identifier} was promoted: it is a database of its own and may hold what is nowhere else, "
            "so it is left untouched. Delete or rename it in AWS to have the replica made anew, or remove it from "
            f"{source.naming.path('readReplicas')}.",
        )
    return _kept(source, replica, wanted, item, rules)


def _told(replica: Replica, reason: str, message: str, **more: Any) -> Outcome:
    return Outcome(replica, Verdict.not_ready(reason, message), agreed=replica.agreed, **more)


def _unwanted(source: Source, replica: Replica) -> Outcome:
    if replica.state == "deleting":
        return Outcome(replica, None)
    if (replica.item or {}).get("DeletionProtection"):
        return _told(replica, Reason.DELETION_PROTECTED, protected(replica.identifier))
    step = removal(replica.identifier, source.name, source.parent.uid, source.region)
    return Outcome(replica, None, steps=(step,))


def protected(identifier: str) -> str:
    return (
        f"{WHAT} {identifier} was protected against deletion in AWS. To let it go: aws rds modify-db-instance "
        f"--db-instance-identifier {identifier} --no-deletion-protection."
    )


def _absent(source: Source, replica: Replica, wanted: ReadReplica) -> Outcome:
    what = f"{WHAT} {replica.identifier}"
    if not source.item.get("BackupRetentionPeriod"):
        return _told(
            replica,
            Reason.PROGRESSING,
            f"{what} is made once DB instance {source.name} has automatic backups (backupRetentionDays).",
        )
    if not source.changeable:
        state = source.item.get(source.naming.status_field)
        return _told(
            replica, Reason.PROGRESSING, f"{what} is made once DB instance {source.name} is available, not {state}."
        )
    if source.item.get("MasterUserSecret"):
        awaited = f"{what} is made once RDS doesn't keep the master's password any more (masterCredentials)."
        return _told(replica, Reason.PROGRESSING, awaited)
    if source.upgrading:
        awaited = f"{what} is made once the upgrade of DB instance {source.name} is done."
        return _told(replica, Reason.PROGRESSING, awaited)
    values = declared(wanted, source.declared, source.item, None)
    step = CreateReplica(
        what,
        source.naming.service,
        "create_db_instance_read_replica",
        source.region,
        {
            "DBInstanceIdentifier": replica.identifier,
            "SourceDBInstanceIdentifier": source.name,
            "Tags": source.tags(replica.name),
            **created_with(values),
        },
        name=replica.identifier,
        uid=f"{source.parent.uid}/{replica.name}",
    )
    refusal = replica.refused.get(CREATION)
    if refusal is not None and refusal.wait:
        error = refusal.error
        found = _told(replica, error.reason, str(error), later=(step,), coming=False, retry_after=refusal.wait)
    else:
        found = _told(replica, Reason.PROGRESSING, f"{what} is being created. {source.naming.patience}", steps=(step,))
    return replace(found, agreed=agreed_at_creation(values))


def _foreign(source: Source, replica: Replica, item: Item, owned: Ownership) -> Outcome:
    """An earlier object's replica comes along with its primary, which was adopted by a person's word."""
    what, name = f"{WHAT} {replica.identifier}", replica.identifier
    owner = describe_owner(replica.tags)
    if owned is Ownership.FOREIGN or item.get("ReadReplicaSourceDBInstanceIdentifier") != source.name:
        return _told(
            replica,
            Reason.OWNERSHIP_CONFLICT,
            f"{what} exists and belongs to {owner}. It is left untouched. Choose another name in "
            f"{source.naming.path('readReplicas')}, or remove that one.",
            coming=False,
        )
    earlier = replica.tags.get(REPLICA) == replica.name
    if not earlier and name not in annotations_of(source.owner).get(ADOPT, "").replace(",", " ").split():
        return _told(
            replica,
            Reason.ADOPTION_REQUIRED,
            f"{what} exists, and this operator did not make it for this object ({owner}). It is left untouched. To "
            f"have it tagged and managed: kubectl annotate --overwrite ttd {source.parent.name} {ADOPT}={name}.",
            coming=False,
        )
    step = AdoptReplica(
        what,
        source.naming.service,
        "add_tags_to_resource",
        source.region,
        {"ResourceName": str(item["DBInstanceArn"]), "Tags": source.tags(replica.name)},
        name=name,
    )
    return _told(replica, Reason.PROGRESSING, f"{what} is being adopted.", steps=(step,))


def _kept(source: Source, replica: Replica, wanted: ReadReplica, item: Item, rules: Rules) -> Outcome:
    what, naming, state = f"{WHAT} {replica.identifier}", source.naming, replica.state
    ready, binding = _serves(source, replica, what)
    if state == "creating":
        return Outcome(replica, ready, agreed=replica.agreed)
    given = declared(wanted, source.declared, source.item, item)
    pending = item.get("PendingModifiedValues") or {}
    rules = replace(rules, strangers=strangers(TABLE, item, pending, HARMLESS))
    comparison = compare(TABLE, given, item, pending, replica.agreed)
    decided = decide(what, comparison.differences, replica.asked, rules, replica.refused)
    changeable = state in naming.changeable
    sequence = in_turn(
        decided.now, comparison.differences, lambda each, others: ready_for(each, item, others), decided.denied
    )
    steps = tuple(_modify(source, replica, item, decided, batch.changes) for batch in sequence)
    first = 1 if changeable and sequence and sequence[0].able else 0
    return Outcome(
        replica,
        ready,
        steps=steps[:first],
        later=steps[first:],
        held=held_back(what, decided, rules),
        decided=decided,
        rules=rules,
        agreed=comparison.agreed,
        binding=binding,
        coming=not changeable,
        retry_after=decided.retry_after,
    )


def _serves(source: Source, replica: Replica, what: str) -> tuple[Verdict, DatabaseBinding | None]:
    state, check, binding = replica.state, replica.check, replica.binding
    if state in source.naming.broken:
        return Verdict.not_ready("Failed", f"{what} is {state}. See its events in AWS; it can be deleted there."), None
    if binding is None or check is None:
        reached = bool((replica.item or {}).get("Endpoint"))
        wait = "It is asked once the application has a login." if reached else source.naming.patience
        return Verdict.not_ready(Reason.PROGRESSING, f"{what} is {state}. {wait}"), None
    if not check.ok:
        return Verdict.not_ready(check.reason, f"{what} ({state}): {check.message}"), None
    if check.lag is not None and check.lag >= LAGGING_SECONDS:
        return (
            Verdict.not_ready(
                Reason.REPLICA_LAGGING,
                f"{what} is more than {in_steps(check.lag)} s behind the primary: it is not read from. Look for long "
                "queries on it and much writing on the primary; a larger instanceClass may be needed.",
            ),
            None,
        )
    return Verdict.ready(f"{what} serves at {endpoint(binding)}."), binding


def _modify(
    source: Source, replica: Replica, item: Item, decided: Sync, changes: tuple[Difference, ...]
) -> ModifyReplica:
    operation, name = changes[0].field.operation, replica.identifier
    pending = item.get("PendingModifiedValues") or {}
    given = with_storage(values(TABLE, item, pending, decided, changes), item)
    more = {} if operation == REBOOT else {**given, "ApplyImmediately": True}
    worst = Disruption.REBOOT if any(e.disruption is Disruption.REBOOT for e in changes) else Disruption.ONLINE
    return ModifyReplica(
        f"{WHAT} {name}",
        source.naming.service,
        operation,
        source.region,
        {"DBInstanceIdentifier": name, **more},
        name=name,
        uid=f"{source.parent.uid}/{replica.name}",
        changes=tuple(map(str, changes)),
        asked=frozenset(map(key, changes)),
        disruption=worst,
    )
