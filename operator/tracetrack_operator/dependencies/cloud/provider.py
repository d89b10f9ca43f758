"""Conducts a cloud object from observation to what shall be: created, adopted or bound, and kept as declared."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from ...api.cloud import Management
from ...api.conditions import Reason
from ...api.constants import ADOPT, APPROVE
from ...aws.client import AwsPort
from ...aws.inventory import Inventory
from ...aws.ownership import UID, tag_list, tags
from ...engine.objects import Object, annotations_of, generation_of
from ...engine.plan import Disruption, Executor
from ...engine.ports import KubePort
from ...settings import Settings
from ..binding import Binding, endpoint
from ..checks import Checks
from ..generated import GeneratedSecrets
from ..protocol import Dependency, News, Scope, Verdict
from ..rotation import Kept, asked_of, schedule_of
from . import metrics
from .access import Access
from .actions import Modify
from .asked import Asked
from .calls import CloudCalls
from .credentials import CredentialsSecret, agreed_of
from .durations import Changes, last_change
from .facts import Facts
from .failover import Failover, failover
from .fields import Comparison, Difference, Item, Origin, compare, origin_of
from .hooks import CloudObject
from .naming import raw, waiting
from .ownership import Ownership, asks_for_adoption, belongs_to_others, ownership
from .pending import sparing, strangers, values
from .refusals import CREATION, Refusals
from .refusals import waiting as put_off
from .sequence import in_turn
from .sync import Rules, Sync, decide, key, verdict
from .sync import waiting as held_back
from .vault import Vault
from .window import Window

FRESH_SECONDS = 10.0
CREDENTIALS_ROTATED = "CredentialsRotated"
FAILED_OVER = "FailedOver"
DRIFT_CORRECTED = "DriftCorrected"


class CloudProvider(CloudObject):
    """Base of RDS and ElastiCache."""

    def __init__(
        self,
        aws: AwsPort,
        kube: KubePort,
        inventory: Inventory,
        generated: GeneratedSecrets,
        checks: Checks,
        settings: Settings,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._aws = aws
        self._kube = kube
        self._inventory = inventory
        self._checks = checks
        self._settings = settings
        self._clock = clock
        vault = Vault(aws, settings.cluster)
        self._secrets = CredentialsSecret(kube, generated, vault, self.component, self.optional_credentials)
        self._asked = Asked()
        self._changes = Changes(clock)
        self._steady, self._changing = settings.aws_steady_seconds, settings.aws_changing_seconds
        self._refusals = Refusals(2 * self._changing)
        self._keeper = self.keeper()
        # A reading that another object asked for wakes the owners of what it shows changed.
        self._resting = 2 * self._steady

    def calls(self) -> CloudCalls:
        return CloudCalls(
            self._aws,
            self._inventory,
            self._asked,
            self._changes,
            self.live,
            self.waiting,
            self.tags_of,
            self.arn,
            self._changing,
            self.naming.answered,
            self._refusals,
        )

    def register(self, executor: Executor) -> None:
        calls = self.calls()
        executor.register(self.create_type, calls.create)
        executor.register(self.adopt_type, calls.adopt)
        executor.register(self.modify_type, calls.modify)
        self._keeper.register(executor)

    def identifier(self, owner: Object) -> str:
        return self.naming.identifier(self._settings.cluster, owner)

    async def observe(self, scope: Scope) -> Facts:
        region, uid = scope.spec.aws.region, scope.parent.uid
        name = self.identifier(scope.owner)
        kept = self._secrets.find(scope)
        asked_at = kept["metadata"].get("creationTimestamp", "") if kept else ""
        age = (self._clock() - datetime.fromisoformat(asked_at)).total_seconds() if asked_at else 0.0
        # Often at first, when what was asked for may be there at once; then less so, since it takes minutes.
        pace = min(self._changing, max(1.0, age / 3))
        item = (await self.listing(region, self._steady, name)).get(name)
        # Without a Secret of its credentials, nothing was ever asked for.
        coming = item is None and kept is not None
        if coming or (item is not None and item.get(self.naming.status_field) != "available"):
            item = (await self.listing(region, pace, name)).get(name)
        bound = self.section(scope).management is Management.BOUND
        found = await self.tags_of(item, region) if item is not None and not bound else {}
        beside = await self.beside(scope, name)
        if item is not None and beside:
            item = {**item, **beside}
        own = found.get(UID) == uid and not bound
        problem, credentials = await self._brought(scope) if bound else ("", await self._credentials(scope, item))
        usable = item is not None and (own or bound) and credentials
        binding = self.binding(scope, item, credentials, own) if usable and item is not None else None
        access = Access(credentials, Kept.of(kept, asked_of(scope.owner, self.component)))
        if binding is not None and item is not None:
            if own:
                access = await self._look(scope, item, binding, access)
            else:
                access = replace(access, binding=binding, check=await self._checks.result(uid, binding))
        told = raw(scope.owner, "status", self.component, "lastChange") or {}
        return Facts(
            item,
            found,
            access.values,
            access.binding,
            access.check,
            asked_at=asked_at,
            agreed=agreed_of(kept),
            asked=self._asked.of(uid),
            refused=self._refusals.of(uid, generation_of(scope.owner)),
            now=self._clock(),
            problem=problem,
            access=access,
            begun=self._changes.of(uid, told),
            told=told,
            age=age,
            pace=pace,
            beside=beside,
        )

    def desired(self, scope: Scope, facts: Facts) -> Dependency:
        if self.section(scope).management is Management.BOUND:
            return self._bound(scope, facts)
        name = self.identifier(scope.owner)
        what = f"{self.naming.what} {name}"
        if facts.item is None:
            made, uid = self.creation(scope, name, facts.credentials), scope.parent.uid
            create = self.create_type(
                what, self.naming.service, made.operation, scope.spec.aws.region, made.parameters, name=name, uid=uid
            )
            prior = self.prior(scope, facts, ())
            coming = Verdict.not_ready(Reason.PROGRESSING, f"{what} is being created. {self.naming.patience}")
            coming = prior.problem or coming
            found = Dependency(
                self.naming.provider,
                coming,
                state="absent",
                manifests=(self._secret(scope, facts, made.agreed),),
                steps=() if prior.problem else prior.steps[:1] if prior.waits else (create,),
                later=(*prior.steps[1:], create) if prior.waits and not prior.problem else (),
                look_again=facts.pace,
                sync=coming,
                details=_changed(facts, False),
            )
            refusal = facts.refused.get(CREATION)
            if refusal is None or not refusal.wait:
                return found
            told = Verdict.of_error(refusal.error)
            return replace(found, verdict=told, steps=(), later=(create,), look_again=refusal.wait)
        state = str(facts.item.get(self.naming.status_field, ""))
        owned = ownership(facts.tags, scope.parent, self._settings.cluster)
        if owned is not Ownership.OURS:
            return self._foreign(scope, facts, facts.item, owned, what, state)
        if state == "creating":
            found = self._usable(scope, facts, what, state, self._secret(scope, facts, facts.agreed))
            return replace(found, details={**found.details, **_changed(facts, False)})
        return self._kept(scope, facts, facts.item, what, state)

    def _kept(self, scope: Scope, facts: Facts, item: Item, what: str, state: str) -> Dependency:
        """An object that is ours and made: what differs from the spec is sorted, and the next call is made."""
        comparison = self.apart(scope, self._compare(scope, facts, item))
        rules = self._rules(scope, facts)
        sync = decide(what, comparison.differences, facts.asked, rules, facts.refused)
        changeable = state in self.naming.changeable
        prior = self.prior(scope, facts, sync.now)

        def ready(each: Difference, others: tuple[Difference, ...]) -> bool:
            return each.field.name not in prior.holds and self.ready_for(each, item, others)

        sequence = in_turn(sync.now, comparison.differences, ready, sync.denied)
        steps = tuple(self._modify(scope, facts, item, what, sync, batch.changes) for batch in sequence)
        first = 1 if changeable and sequence and sequence[0].able else 0
        upgrading = facts.access.kept.attempts is not None
        moved = failover(what, facts.agreed, self.primary(item), facts.now, upgrading)
        agreed = {**comparison.agreed, **moved.remembered}
        found = self._usable(scope, facts, what, state, self._secret(scope, facts, agreed))
        told = verdict(what, state, changeable, sync, rules)
        told = told if told.status != "True" else self.concern(item, what) or told
        own = sparing(facts.access.step, self.table, item, self.pending(item), sync)
        access = replace(facts.access, step=None if prior.problem else own)
        details = {
            **found.details,
            **_changed(facts, changeable and not sync.asked),
            **({"pendingChanges": [str(each) for each in sync.undone]} if sync.undone else {}),
            **({"approval": sync.tokens} if sync.tokens else {}),
            **({"credentials": access.status} if access.status else {}),
            **({"lastFailover": moved.last} if moved.last else {}),
        }
        quick = bool(sync.under_way or access.told or prior.steps) or not changeable
        next_ = access.steps(steps[0] if first else None, changeable, facts.asked | put_off(facts.refused))
        # One at a time, as all that AWS is at work on.
        before = 1 if prior.steps and not next_ and changeable and not prior.problem else 0
        return replace(
            found,
            steps=next_ or prior.steps[:before],
            later=(*prior.steps[before:], *steps[first:]),
            held=held_back(what, sync, rules),
            sync=prior.problem or access.over(told),
            details=details,
            measures=sync.measures,
            look_again=self._changing if quick else _soonest(found.look_again, sync.retry_after),
            noticed=_noticed(access, moved),
            events=_corrected(what, sequence[0].changes if first and steps[0] in next_ else ()),
        )

    def _modify(
        self, scope: Scope, facts: Facts, item: Item, what: str, sync: Sync, changes: tuple[Difference, ...]
    ) -> Modify:
        field = changes[0].field
        given = self.completed(values(self.table, item, self.pending(item), sync, changes), item)
        worst = Disruption.REBOOT if any(e.disruption is Disruption.REBOOT for e in changes) else Disruption.ONLINE
        name = self.identifier(scope.owner)
        return self.modify_type(
            what,
            self.naming.service,
            field.operation,
            scope.spec.aws.region,
            self.modify_parameters(name, field, given, facts.credentials),
            name=name,
            uid=scope.parent.uid,
            changes=tuple(map(str, changes)),
            asked=frozenset(map(key, changes)),
            disruption=worst,
            beside=self.pending(item) if field.sets_off else None,
        )

    def _compare(self, scope: Scope, facts: Facts, item: Item) -> Comparison:
        comparison = self.differences_of(
            compare(self.table, self.declared(scope), item, self.pending(item), facts.agreed)
        )
        password = self.password_of(facts)
        if facts.binding is None and (name := password.name) in facts.agreed:
            # That of what is restored is known to be another one until a login works.
            comparison = replace(comparison, agreed={**comparison.agreed, name: facts.agreed[name]})
        if not facts.access.refused:
            return comparison
        wanted = f"that of Secret {scope.parent.child(self._secrets.name)}"
        origin = origin_of(password, wanted, facts.agreed)
        refused = Difference(password, "another one", wanted, origin, Disruption.ONLINE)
        return replace(comparison, differences=(*comparison.differences, refused))

    def _rules(self, scope: Scope, facts: Facts) -> Rules:
        item = facts.item or {}
        text = scope.spec.maintenance_window or self.own_window(item)
        return Rules(
            owner=scope.parent.name,
            generation=generation_of(scope.owner),
            policy=scope.spec.drift_policy,
            approvals=frozenset(annotations_of(scope.owner).get(APPROVE, "").replace(",", " ").split()),
            window=Window.parse(text) if text else None,
            window_text=text,
            now=facts.now,
            strangers=strangers(self.table, item, self.pending(item), self.harmless()),
        )

    def _foreign(self, scope: Scope, facts: Facts, item: Item, owned: Ownership, what: str, state: str) -> Dependency:
        name = self.identifier(scope.owner)
        found = Dependency(
            self.naming.provider,
            Verdict.not_ready(Reason.PROGRESSING, f"{what} is being adopted."),
            state=state,
            # Its creation may have been tried before it was seen: what was declared then is not what it has.
            manifests=(self._secret(scope, facts, {}),),
            look_again=self._changing,
            item=item,
        )
        if owned is Ownership.FOREIGN:
            conflict = belongs_to_others(self.naming, what, facts.tags)
            return replace(found, verdict=conflict, look_again=self._resting)
        if annotations_of(scope.owner).get(ADOPT) != name:
            later = self._compare(scope, replace(facts, agreed={}, check=None), item).differences
            asked = asks_for_adoption(self.naming, what, scope.parent.name, name, facts.tags, later)
            return replace(found, verdict=asked, look_again=self._resting)
        if facts.agreed != self.remembered(scope, facts):
            # Not before that is forgotten: it is ours from then on, and the differences would be set back unasked.
            return found
        adopt = self.adopt_type(
            what,
            self.naming.service,
            "add_tags_to_resource",
            scope.spec.aws.region,
            {"ResourceName": self.arn(item), "Tags": tag_list(tags(scope.owner, self._settings.cluster))},
            name=name,
        )
        return replace(found, steps=(adopt,))

    def _bound(self, scope: Scope, facts: Facts) -> Dependency:
        name = self.identifier(scope.owner)
        what = f"{self.naming.what} {name}"
        if facts.problem:
            verdict = Verdict.not_ready(Reason.SECRET_INVALID, facts.problem)
            return Dependency(self.naming.provider, verdict, look_again=self._changing)
        if facts.item is None:
            missing = f"{what} ({self.naming.path(self.naming.identifier_field)}) does not exist in this region."
            verdict = Verdict.not_ready(
                Reason.BOUND_NOT_FOUND, f"{missing} Name one that does, or set management: Managed to have it made."
            )
            return Dependency(self.naming.provider, verdict, state="absent", look_again=self._resting)
        return self._usable(scope, facts, what, str(facts.item.get(self.naming.status_field, "")), None)

    def _usable(self, scope: Scope, facts: Facts, what: str, state: str, manifest: Object | None) -> Dependency:
        """What the application gets of it: bound once a connection has worked."""
        found = Dependency(
            self.naming.provider,
            waiting(self.naming, what, state, facts.asked_at),
            state=state,
            manifests=(manifest,) if manifest is not None else (),
            look_again=facts.pace,
            details=self.details(facts.item) if facts.item is not None else {},
            item=facts.item,
            fresh=facts.age < FRESH_SECONDS,
        )
        if facts.binding is None or facts.check is None:
            return replace(found, verdict=facts.access.waits(found.verdict))
        found = replace(found, endpoint=endpoint(facts.binding))
        if not facts.check.ok:
            return replace(
                found, verdict=Verdict.not_ready(facts.check.reason, f"{what} ({state}): {facts.check.message}")
            )
        return replace(
            found,
            verdict=Verdict.ready(f"{what} is {state} at {endpoint(facts.binding)}."),
            binding=facts.binding,
            look_again=self._resting if state == "available" else self._changing,
        )

    def _secret(self, scope: Scope, facts: Facts, agreed: Mapping[str, Any]) -> Object:
        told = {**agreed, **self.remembered(scope, facts)}
        return self._secrets.manifest(scope, facts.credentials, facts.access.kept, told)

    async def _credentials(self, scope: Scope, item: Item | None) -> dict[str, str]:
        known = self._keeper.known(self._secrets.bound_values(scope))
        return await self._secrets.ensure(scope, self._keeper.makers(), known, left=item is not None)

    async def _brought(self, scope: Scope) -> tuple[str, dict[str, str]]:
        """What is wrong with the user's Secret, or what is in it."""
        reference = self.section(scope).credentials_secret_ref
        field = self.naming.path("credentialsSecretRef.name")
        return await self._secrets.brought(scope, reference.name if reference else "", field, self.bound_credentials)

    async def _look(self, scope: Scope, item: Item, binding: Binding, before: Access) -> Access:
        settle = self._settings.credentials_settle_seconds
        schedule = schedule_of(scope.owner, self.rotation(scope), settle, self._clock(), self.component)
        if before.kept.attempts is not None:
            # What takes this one's place has the logins of the time when it was made.
            schedule = schedule.resting(before.kept)
        access = await self._keeper.look(self._secrets.seat(scope, item, binding, before, schedule))
        if access.kept.since is not None:
            labels = (scope.parent.namespace, scope.parent.name, self.naming.provider)
            metrics.CREDENTIALS_SINCE.set(access.kept.since.timestamp(), *labels)
        return access


def _noticed(access: Access, moved: Failover) -> tuple[News, ...]:
    told = (News(CREDENTIALS_ROTATED, access.news), News(FAILED_OVER, moved.news))
    return tuple(each for each in told if each.message)


def _soonest(*times: float | None) -> float | None:
    return min((each for each in times if each is not None), default=None)


def _corrected(what: str, changes: tuple[Difference, ...]) -> tuple[News, ...]:
    drift = [str(each) for each in changes if each.origin is Origin.HAND]
    return (News(DRIFT_CORRECTED, f"{what} is set back to what is declared: {'; '.join(drift)}."),) if drift else ()


def _changed(facts: Facts, done: bool) -> dict[str, Any]:
    found = last_change(facts.told, facts.begun, done, facts.now)
    return {"lastChange": found} if found else {}
