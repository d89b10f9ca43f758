"""Conducts restore drills: looks, has it decided, and gives what is to be made and called."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from ..api.conditions import Reason
from ..api.constants import DRILL as REQUEST
from ..api.database import DatabaseProvider
from ..api.drill import DrillSpec
from ..aws.client import AwsPort
from ..aws.inventory import Inventory
from ..aws.ownership import bounded_name
from ..database.rds.provider import RDS
from ..dependencies.binding import DatabaseBinding
from ..dependencies.checks import Checks
from ..dependencies.cloud.naming import raw
from ..dependencies.generated import GeneratedSecrets, password
from ..dependencies.protocol import Dependency, Scope, Verdict
from ..deployment.specs.image import image
from ..engine.errors import ReconcileError, WaitingError
from ..engine.objects import Object, annotations_of
from ..engine.plan import Action, Executor
from ..manifests.parent import DRILL
from ..settings import Settings
from . import calls, manifests, metrics, texts
from .calls import DrillCalls
from .decide import DELETING, Children, Decision, Facts, News, current, decide, due, next_run, removal
from .record import Record, told
from .schedule import InvalidSchedule, Schedule

NAME_LENGTH = 63
SUFFIX = "drill"


@dataclass(frozen=True)
class Drill:
    """The outcome of looking at the drills of one deployment.

    `manifests` are the children that shall exist, `steps` what is done after they do; `kept`: the others of a drill
    stay as they are. `verdict` is the condition, None where there is none, and `error` what kept it from being found.
    """

    manifests: tuple[Object, ...] = field(default=(), repr=False)
    steps: tuple[Action, ...] = ()
    kept: bool = False
    verdict: Verdict | None = None
    status: Mapping[str, Any] = field(default_factory=dict)
    look_again: float | None = None
    news: tuple[News, ...] = ()
    record: Record | None = None
    error: ReconcileError | None = None


NO_DRILL = Drill()


class Drills:
    """`clock` gives the time in UTC."""

    def __init__(
        self,
        aws: AwsPort,
        inventory: Inventory,
        rds: RDS,
        generated: GeneratedSecrets,
        checks: Checks,
        settings: Settings,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._aws = aws
        self._inventory = inventory
        self._rds = rds
        self._generated = generated
        self._checks = checks
        self._settings = settings
        self._clock = clock
        self._calls = DrillCalls(aws, inventory, rds.live, lambda uid: checks.forget(_check_key(uid)))

    def register(self, executor: Executor) -> None:
        self._calls.register(executor)

    def identifier(self, owner: Object) -> str:
        """The name of the scratch instance."""
        return bounded_name((self._rds.identifier(owner), SUFFIX), "-", NAME_LENGTH)

    def forget(self, uid: str) -> None:
        self._calls.forget(uid)

    async def look(self, scope: Scope, database: Dependency) -> Drill:
        """Changes nothing; `scope` has the pods of the look through."""
        if scope.spec.database.provider is not DatabaseProvider.RDS:
            return NO_DRILL
        if database.error is not None:
            return Drill(kept=True, error=database.error)
        try:
            return await self._look(scope, database)
        except ReconcileError as error:
            return Drill(kept=True, error=error, look_again=self._settings.aws_changing_seconds)

    async def delete(self, owner: Object) -> None:
        """For a deleted owner, whose spec may not parse. Raises WaitingError until there is no scratch instance."""
        name, region = self.identifier(owner), raw(owner, "spec", "aws", "region")
        changing = self._settings.aws_changing_seconds
        item = (await self._inventory.db_instances(region, changing, name)).get(name)
        facts = Facts(self._now(), owner["metadata"]["uid"], name, timedelta(), item=item)
        if not facts.began:
            return
        if removal(facts) is not None:
            await self._calls.remove(calls.remove_scratch(facts, region))
        raise WaitingError(
            Reason.DELETING, f"{facts.what} of a restore drill is being deleted, without a copy.", retry_after=changing
        )

    async def _look(self, scope: Scope, database: Dependency) -> Drill:
        spec, region, name = scope.spec.database.drill, scope.spec.aws.region, self.identifier(scope.owner)
        record = Record.of(scope.children.get(("ConfigMap", scope.parent.child(DRILL))))
        changing = self._settings.aws_changing_seconds
        running = record is not None and record.current is not None
        age = changing if running else self._settings.aws_steady_seconds
        item = (await self._rds.listing(region, age, name)).get(name)
        facts = Facts(self._now(), scope.parent.uid, name, _timeout(spec), record, item=item)
        if spec is None:
            if record is not None:
                metrics.forget(scope.parent.namespace, scope.parent.name)
            remove = (calls.remove_scratch(facts, region),) if removal(facts) is not None else ()
            return Drill(steps=remove, look_again=changing if facts.began else None)
        invalid, schedule = "", None
        try:
            schedule = Schedule.of(spec)
        except InvalidSchedule as error:
            invalid = str(error)
        noted = self._calls.problem(scope.parent.uid, record)
        facts = replace(
            facts,
            schedule=schedule,
            wanted=f"{spec.schedule} {spec.time_zone or 'UTC'}" if spec.schedule else "",
            request=annotations_of(scope.owner).get(REQUEST, ""),
            primary=database.item,
            problem=noted.text,
            refused=noted.text if noted.final else "",
        )
        binding = await self._binding(scope, database, facts)
        facts = await self._known(scope, facts, binding)
        return self._desired(scope, spec, facts, decide(facts), binding, invalid)

    async def _known(self, scope: Scope, facts: Facts, binding: DatabaseBinding | None) -> Facts:
        """With what is only looked for when it is needed."""
        uid = scope.parent.uid
        if binding is not None:
            check = await self._checks.result(_check_key(uid), binding)
            facts = replace(facts, reachable=True, check=check, opened=self._calls.opened(uid, facts.began))
        run = current(facts).current
        if run is not None:
            made = scope.children.get(("Job", scope.parent.child(manifests.job_suffix(run.started))))
            return replace(facts, job=made, pods=scope.pods)
        wanted = facts.item is None and due(facts)
        return replace(facts, snapshot=await self._latest(scope, facts.primary)) if wanted else facts

    async def _latest(self, scope: Scope, primary: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
        """The latest snapshot of the database that there is now: one of an earlier life of its name is none of it."""
        if primary is None:
            return None
        own, region = primary["DBInstanceIdentifier"], scope.spec.aws.region
        found = [
            each
            async for each in self._aws.pages(
                "rds", "describe_db_snapshots", "DBSnapshots", region=region, DBInstanceIdentifier=own
            )
            if each.get("Status") == "available"
            and each.get("DbiResourceId", primary.get("DbiResourceId")) == primary.get("DbiResourceId")
        ]
        return max(found, key=lambda each: each["SnapshotCreateTime"], default=None)

    async def _binding(self, scope: Scope, database: Dependency, facts: Facts) -> DatabaseBinding | None:
        """How the scratch instance of the drill under way is reached; None while it can't be."""
        run = current(facts).current
        if run is None or facts.item is None or facts.began != told(run.started) or facts.state == DELETING:
            return None
        if not (facts.item.get("Endpoint") or {}).get("Address"):
            return None
        drawn = await self._generated.ensure(scope.parent, manifests.BINDING, {"password": password})
        known = database.binding.database if isinstance(database.binding, DatabaseBinding) else ""
        return self._rds.binding(scope, facts.item, {**drawn, "database": known}, own=True)

    def _desired(
        self,
        scope: Scope,
        spec: DrillSpec,
        facts: Facts,
        decision: Decision,
        binding: DatabaseBinding | None,
        invalid: str,
    ) -> Drill:
        record, parent = decision.record, scope.parent
        metrics.measure(parent.namespace, parent.name, record)
        following = next_run(record, facts.schedule)
        coming = told(following) if following is not None else ""
        changing = self._settings.aws_changing_seconds
        wait = max(1.0, (following - facts.now).total_seconds()) if following is not None else None
        call = calls.of(decision, facts, scope, self._settings.cluster, spec.instance_class, binding)
        return Drill(
            manifests=(
                manifests.record_config(parent, record),
                *self._children(scope, decision, binding, facts.timeout, facts.job),
            ),
            steps=(call,) if call is not None else (),
            # A Job that is there is left as it was made: its pods can't be changed.
            kept=decision.children is Children.KEPT or facts.job is not None,
            verdict=texts.verdict(record, invalid, coming),
            status=texts.status(record, coming, decision.step, facts.problem),
            look_again=changing if decision.busy else wait,
            news=decision.news,
            record=record,
        )

    def _children(
        self,
        scope: Scope,
        decision: Decision,
        binding: DatabaseBinding | None,
        timeout: timedelta,
        made: Object | None,
    ) -> tuple[Object, ...]:
        run = decision.record.current
        if binding is None or run is None or decision.children not in (Children.BINDING, Children.ALL):
            return ()
        found = [manifests.binding_secret(scope.parent, binding)]
        if decision.children is Children.ALL:
            if scope.spec.network_policy.enabled:
                found.append(manifests.network_policy(scope.parent, binding.port))
            if made is None:
                tag = image(scope.spec.image, scope.spec.version, self._settings.app_repository)
                seconds = round(timeout.total_seconds())
                found.append(manifests.job(scope.parent, scope.spec, tag, run.started, seconds))
        return tuple(found)

    def _now(self) -> datetime:
        return self._clock().replace(microsecond=0)


def _timeout(spec: DrillSpec | None) -> timedelta:
    return timedelta(minutes=spec.timeout_minutes if spec is not None else 0)


def _check_key(uid: str) -> str:
    return f"{uid}/{SUFFIX}"
