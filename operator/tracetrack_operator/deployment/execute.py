"""Runs a plan: a child that can't be made doesn't keep the others from being made."""

import logging
from collections.abc import Iterable

from ..api.constants import FIELD_MANAGER
from ..context import Context
from ..dependencies.protocol import AnyProvider
from ..engine import metrics
from ..engine.errors import ReconcileError
from ..engine.objects import labels_of, uid_of
from ..engine.plan import Action, Apply, Delete, Executor
from ..kube import finalizer
from ..kube.children import ChildWriter
from ..manifests.parent import APP, CACHE, DATABASE
from .observe import Observed
from .plan import FLEET_KEYS_HASH, AddFinalizer, AnnotatePod, Plan, RaiseReplicas

logger = logging.getLogger(__name__)
REPLICAS_MANAGER = f"{FIELD_MANAGER}-replicas"
PODS_MANAGER = f"{FIELD_MANAGER}-pods"


class PlanRunner:
    """`run` gives how many actions were done, and the first error of each component."""

    def __init__(self, context: Context, providers: Iterable[AnyProvider]) -> None:
        self._kube = context.kube
        self._cache = context.cache
        writer = ChildWriter(context.kube, context.cache)
        self._executor = Executor()
        self._executor.register(Apply, writer.apply)
        self._executor.register(Delete, writer.delete)
        self._executor.register(AddFinalizer, self._add_finalizer)
        self._executor.register(RaiseReplicas, self._raise_replicas)
        self._executor.register(AnnotatePod, self._annotate)
        for provider in providers:
            provider.register(self._executor)

    async def run(self, plan: Plan, observed: Observed) -> tuple[int, dict[str, ReconcileError]]:
        errors: dict[str, ReconcileError] = {}
        done = 0
        for stage in (plan.first, plan.children, plan.last):
            for action in stage:
                try:
                    done += await self._do(action)
                except ReconcileError as error:
                    errors.setdefault(component_of(action, observed), error)
            if errors:
                break
        return done, errors

    async def _do(self, action: Action) -> int:
        logger.info("action", extra={"action": action.describe()})
        count = await self._executor.run([action])
        metrics.ACTIONS.labels("TraceTrackDeployment", type(action).__name__).inc()
        return count

    async def _add_finalizer(self, action: AddFinalizer) -> None:
        self._cache.put(await finalizer.add(self._kube, action.owner))

    async def _raise_replicas(self, action: RaiseReplicas) -> None:
        live = self._cache.get("Deployment", action.namespace, action.name)
        if live is None:
            return
        # By a field manager of its own: were it ours, the next apply without the field would set it to 1.
        manifest = {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": action.name, "namespace": action.namespace, "uid": uid_of(live)},
            "spec": {"replicas": action.replicas},
        }
        self._cache.put(await self._kube.apply(manifest, field_manager=REPLICAS_MANAGER))

    async def _annotate(self, action: AnnotatePod) -> None:
        metadata = {"name": action.name, "namespace": action.namespace, "uid": action.uid}
        manifest = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {**metadata, "annotations": {FLEET_KEYS_HASH: action.value}},
        }
        try:
            self._cache.put(await self._kube.apply(manifest, field_manager=PODS_MANAGER))
        except ReconcileError as error:
            if error.reason not in ("Conflict", "NotFound"):
                raise
            logger.info("pod is gone", extra={"pod": action.name})


def component_of(action: Action, observed: Observed) -> str:
    """Whose condition tells that an action failed."""
    if isinstance(action, Apply):
        return labels_of(action.manifest).get("app.kubernetes.io/component", APP)
    if action in observed.database.steps:
        return DATABASE
    return CACHE if action in observed.cache.steps else APP
