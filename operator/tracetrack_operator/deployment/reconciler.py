"""Conducts: observe, desired, plan, execute, status. Decides nothing itself."""

from collections.abc import Mapping

from ..api.conditions import ConditionType, Reason
from ..api.model import InvalidResourceError
from ..aws.inventory import Inventory
from ..cache.check import check_cache
from ..cache.elasticache import ElastiCache
from ..cache.embedded import EmbeddedRedis
from ..cache.external import ExternalRedis
from ..context import Context
from ..database.check import check_database
from ..database.embedded import EmbeddedPostgres
from ..database.external import ExternalPostgres
from ..database.rds import RDS
from ..dependencies.checks import Checks
from ..dependencies.generated import GeneratedSecrets
from ..dependencies.protocol import AnyProvider
from ..engine import metrics
from ..engine.errors import ReconcileError, TerminalError, WaitingError
from ..engine.loop import Result
from ..engine.objects import Key, Object
from . import status
from .deletion import Deletion
from .desired import desired
from .execute import PlanRunner
from .observe import Observed, Observer
from .plan import Plan, make_plan

SETTLE_SECONDS = 1.0
NAMESPACE_TERMINATING = "NamespaceTerminating"


class DeploymentReconciler:
    """Makes a TraceTrackDeployment true."""

    def __init__(self, context: Context) -> None:
        self._context = context
        generated = GeneratedSecrets(context.kube, context.cache)
        inventory = Inventory(context.aws)
        settings = context.settings
        self._database_checks, self._cache_checks = Checks(check_database), Checks(check_cache)
        databases: Mapping[str, AnyProvider] = {
            "Embedded": EmbeddedPostgres(context.kube, generated, settings.embedded_image),
            "External": ExternalPostgres(context.kube, self._database_checks),
            "RDS": RDS(context.aws, inventory, generated, self._database_checks, settings),
        }
        caches: Mapping[str, AnyProvider] = {
            "Embedded": EmbeddedRedis(context.kube, generated, settings.embedded_image),
            "External": ExternalRedis(context.kube, self._cache_checks),
            "ElastiCache": ElastiCache(context.aws, inventory, generated, self._cache_checks, settings),
        }
        self._databases, self._caches = databases, caches
        self._observer = Observer(context, generated, databases, caches)
        self._runner = PlanRunner(context, [*databases.values(), *caches.values()])
        self._deletion = Deletion(context, databases, caches)

    async def reconcile(self, key: Key) -> Result:
        owner = self._context.cache.get(key.kind, key.namespace, key.name)
        if owner is None:
            metrics.forget_conditions(key.kind, key.namespace, key.name)
            return Result()
        if owner["metadata"].get("deletionTimestamp"):
            return await self._delete(owner)
        try:
            observed = await self._observer.observe(owner)
        except InvalidResourceError as error:
            await self._tell(owner, Reason.INVALID_SPEC, f"{error}")
            raise TerminalError(Reason.INVALID_SPEC, str(error)) from error
        except ReconcileError as error:
            await self._tell(owner, error.reason, str(error))
            raise
        return await self._converge(observed)

    async def _converge(self, observed: Observed) -> Result:
        spec = observed.resource.spec
        wanted = desired(observed, self._context.settings.app_repository)
        outside = (self._databases[spec.database.provider], self._caches[spec.cache.provider])
        plan = make_plan(observed, wanted, any(provider.makes_cloud_objects for provider in outside))
        done, errors = (0, {}) if spec.suspend else await self._runner.run(plan, observed)
        for error in errors.values():
            if error.reason == NAMESPACE_TERMINATING:
                raise error
        after = self._observer.refreshed(observed) if done else observed
        await self._publish(after, plan if spec.suspend else Plan(), errors)
        failures = [*errors.values(), *(d.error for d in (observed.database, observed.cache) if d.error is not None)]
        return _result(failures, [observed.database.look_again, observed.cache.look_again], done)

    async def _publish(self, observed: Observed, pending: Plan, errors: Mapping[str, ReconcileError]) -> None:
        found = status.conditions(observed, pending, errors)
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
        self._database_checks.forget(owner["metadata"]["uid"])
        self._cache_checks.forget(owner["metadata"]["uid"])
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
