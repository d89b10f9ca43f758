"""Conducts: observe, desired, plan, execute, status. Decides nothing itself."""

from collections.abc import Mapping

from ..api.conditions import ConditionType, Reason
from ..api.model import InvalidResourceError
from ..aws.inventory import ReadLater
from ..context import Context
from ..dependencies.cloud import metrics as cloud_metrics
from ..drills import metrics as drill_metrics
from ..drills.news import tell
from ..drills.record import Record
from ..engine import metrics
from ..engine.errors import ReconcileError, TerminalError, WaitingError
from ..engine.loop import Result
from ..engine.objects import Key, Object
from ..manifests.parent import DRILL
from . import kept, status
from .deletion import Deletion
from .execute import PlanRunner
from .observe import Observed
from .plan import Plan, bindings_of
from .planner import Planned, Planner

SETTLE_SECONDS = 1.0
DRILL_AGAIN_SECONDS = 10.0
NAMESPACE_TERMINATING = "NamespaceTerminating"


class DeploymentReconciler:
    """Makes a TraceTrackDeployment true."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._planner = Planner(
            context,
            wake=lambda namespace, name: context.queue.add(Key("TraceTrackDeployment", namespace, name)),
            trusting=True,
        )
        databases, caches = self._planner.databases, self._planner.caches
        self._runner = PlanRunner(context, [*databases.values(), *caches.values(), self._planner.drills])
        self._deletion = Deletion(context, databases, caches, self._planner.drills)

    async def follow_aws(self) -> None:
        """Never ends: has what was changed in AWS noticed in time, however seldom who it concerns looks."""
        await self._planner.inventory.keep_fresh(self._context.settings.aws_steady_seconds)

    async def reconcile(self, key: Key) -> Result:
        owner = self._context.cache.get(key.kind, key.namespace, key.name)
        if owner is None:
            metrics.CONDITIONS.forget(key.kind, key.namespace, key.name)
            cloud_metrics.forget(key.namespace, key.name)
            drill_metrics.forget(key.namespace, key.name)
            self._planner.forget_secrets(key.namespace, key.name)
            return Result()
        try:
            if owner["metadata"].get("deletionTimestamp"):
                return await self._delete(owner)
            return await self._converge(await self._plan(owner))
        except ReadLater as later:
            return Result(later.seconds)

    async def _plan(self, owner: Object) -> Planned:
        try:
            return await self._planner.plan(owner)
        except InvalidResourceError as error:
            await self._tell(owner, Reason.INVALID_SPEC, f"{error}")
            raise TerminalError(Reason.INVALID_SPEC, str(error)) from error
        except ReconcileError as error:
            await self._tell(owner, error.reason, str(error))
            raise

    async def _converge(self, planned: Planned) -> Result:
        observed, plan, suspended = planned.observed, planned.plan, planned.observed.resource.spec.suspend
        if not suspended:
            await kept.tell(self._context.recorder, observed.owner, observed.losses)
        done, errors = (0, {}) if suspended else await self._runner.run(plan, observed)
        if done and not errors and plan.immediate:
            # What it led to is told at once; what uses it is made after the other objects have had their turn.
            try:
                then = await self._plan(observed.owner)
            except ReadLater:
                await self._tell_news(observed, errors)
                raise
            _, errors = await self._runner.run(bindings_of(then.plan, observed), then.observed)
            await self._publish(then.observed, Plan(), errors)
            await self._tell_news(observed, errors)
            return Result(unfinished=True)
        for error in errors.values():
            if error.reason == NAMESPACE_TERMINATING:
                raise error
        after = self._planner.refreshed(observed) if done else observed
        await self._publish(after, plan if suspended else Plan(), errors)
        drill = errors.pop(DRILL, None)
        if not suspended:
            await self._tell_news(observed, errors)
        if observed.drill.news and Record.of(after.child("ConfigMap", DRILL)) == observed.drill.record:
            await tell(self._context.recorder, observed.owner, observed.drill.news)
        failures = [*errors.values(), *(d.error for d in (observed.database, observed.cache) if d.error is not None)]
        # Of a suspended one nothing is awaited: thousands of them would be looked at all the time.
        brought = [each.look_again for each in observed.brought.values()]
        looks = [] if suspended else [observed.database.look_again, observed.cache.look_again, *brought]
        if not suspended:
            # Whatever becomes of a drill, the rest keeps its pace.
            looks.append(DRILL_AGAIN_SECONDS if drill is not None else observed.drill.look_again)
        return _result(failures, looks, done)

    async def _tell_news(self, observed: Observed, errors: Mapping[str, ReconcileError]) -> None:
        for dependency in (observed.database, observed.cache):
            for news in (*dependency.noticed, *(() if errors else dependency.events)):
                await self._context.recorder.emit(observed.owner, "Normal", news.reason, news.message)

    async def _publish(self, observed: Observed, pending: Plan, errors: Mapping[str, ReconcileError]) -> None:
        found = status.conditions(observed, pending, errors)
        for dependency in (observed.database, observed.cache):
            owner_of = (observed.parent.namespace, observed.parent.name, dependency.provider)
            cloud_metrics.failed_over(*owner_of, dependency.details.get("lastFailover") or {})
            for outcome, count in dependency.measures.items():
                cloud_metrics.DIFFERENCES.set(count, *owner_of, outcome)
        upgrade = observed.database.details.get("upgrade") or {}
        cloud_metrics.tell_upgrade(observed.parent.namespace, observed.parent.name, upgrade.get("state", ""))
        # The finalizer may just have been added: the newer object is what the status is compared with.
        metadata = observed.owner["metadata"]
        owner = self._context.cache.get(observed.owner["kind"], metadata["namespace"], metadata["name"])
        stored = await self._context.status.publish(owner or observed.owner, status.fields(observed), found)
        if stored is not None:
            self._context.cache.put(stored)

    async def _delete(self, owner: Object) -> Result:
        try:
            await self._deletion.run(owner)
        except ReconcileError as error:
            await self._tell(owner, error.reason, str(error))
            raise
        self._planner.forget(owner["metadata"]["uid"])
        return Result()

    async def _tell(self, owner: Object, reason: str, message: str) -> None:
        """Say in `Ready` alone why nothing else could be found out; the other conditions stay as they were."""
        told = status.new_conditions(owner)
        for condition in status.previous_conditions(owner):
            if condition["type"] != ConditionType.READY:
                told.keep(condition)
        told.false(ConditionType.READY, reason, message)
        before = owner.get("status") or {}
        kept = {key: value for key, value in before.items() if key not in ("conditions", "observedGeneration")}
        stored = await self._context.status.publish(owner, kept, told)
        if stored is not None:
            self._context.cache.put(stored)


def _result(failures: list[ReconcileError], look_again: list[float | None], done: int) -> Result:
    """Errors decide first, since they carry their own pace; then what has just been changed; then what is awaited."""
    retryable = [error for error in failures if not isinstance(error, TerminalError | WaitingError)]
    if retryable:
        raise retryable[0]
    waits = [error.retry_after for error in failures if isinstance(error, WaitingError)]
    times = [seconds for seconds in (*look_again, *waits) if seconds is not None]
    if failures and not times:
        raise failures[0]
    if done:
        times.append(SETTLE_SECONDS)
    return Result(min(times) if times else None)
