"""Runs a plan: a child that can't be made doesn't keep the others from being made."""

import logging
from collections.abc import Iterable
from typing import Protocol

from ..api.constants import FIELD_MANAGER
from ..context import Context
from ..dependencies.cloud.actions import Modify, OfReplica
from ..dependencies.rotation import ChangeCredentials
from ..engine import metrics
from ..engine.errors import ReconcileError
from ..engine.objects import labels_of, uid_of
from ..engine.plan import Action, Apply, Delete, Executor
from ..kube import finalizer
from ..kube.children import ChildWriter
from ..manifests.parent import APP, CACHE, DATABASE, DRILL
from .observe import Observed
from .plan import MOUNTED_HASH, AddFinalizer, AnnotatePod, Plan, RaiseReplicas

logger = logging.getLogger(__name__)
SYNC = "sync"
"""What a change in AWS that failed is told by: the object itself serves on."""
REPLICAS = "replicas"
"""What a read replica that could not be made or removed is told by."""
REPLICAS_MANAGER = f"{FIELD_MANAGER}-replicas"
PODS_MANAGER = f"{FIELD_MANAGER}-pods"


class Doer(Protocol):
    """Has steps of its own in plans."""

    def register(self, executor: Executor) -> None:
        """Register what executes them."""


class PlanRunner:
    """`run` gives how many actions were done, and the first error of each component."""

    def __init__(self, context: Context, doers: Iterable[Doer]) -> None:
        self._kube = context.kube
        self._cache = context.cache
        writer = ChildWriter(context.kube, context.cache)
        self._executor = Executor()
        self._executor.register(Apply, writer.apply)
        self._executor.register(Delete, writer.delete)
        self._executor.register(AddFinalizer, self._add_finalizer)
        self._executor.register(RaiseReplicas, self._raise_replicas)
        self._executor.register(AnnotatePod, self._annotate)
        for doer in doers:
            doer.register(self._executor)

    async def run(self, plan: Plan, observed: Observed) -> tuple[int, dict[str, ReconcileError]]:
        errors: dict[str, ReconcileError] = {}
        done = await self._each(plan.first, observed, errors)
        if errors:
            return done, errors
        made = sum([await self._in_order(group, observed, errors) for group in plan.early])
        if made or plan.patient:
            return done + made, errors
        done += await self._each(plan.children, observed, errors)
        if not errors:
            done += await self._each(plan.last, observed, errors)
        return done + await self._in_order(plan.aside, observed, errors), errors

    async def _each(self, actions: Iterable[Action], observed: Observed, errors: dict[str, ReconcileError]) -> int:
        done = 0
        for action in actions:
            try:
                done += await self._do(action)
            except ReconcileError as error:
                errors.setdefault(component_of(action, observed), error)
        return done

    async def _in_order(self, actions: Iterable[Action], observed: Observed, errors: dict[str, ReconcileError]) -> int:
        """Until one fails: what comes after it needs it. 0 unless all were done."""
        done = 0
        for action in actions:
            try:
                done += await self._do(action)
            except ReconcileError as error:
                errors.setdefault(component_of(action, observed), error)
                return 0
        return done

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
            "metadata": {**metadata, "annotations": {MOUNTED_HASH: action.value}},
        }
        try:
            self._cache.put(await self._kube.apply(manifest, field_manager=PODS_MANAGER))
        except ReconcileError as error:
            if error.reason not in ("Conflict", "NotFound"):
                raise
            logger.info("pod is gone", extra={"pod": action.name})


def component_of(action: Action, observed: Observed) -> str:
    """Whose condition tells that an action failed."""
    if isinstance(action, Modify) or (isinstance(action, ChangeCredentials) and action.serving):
        return SYNC
    if isinstance(action, OfReplica):
        return REPLICAS
    if isinstance(action, Apply):
        return labels_of(action.manifest).get("app.kubernetes.io/component", APP)
    if action in observed.drill.steps:
        return DRILL
    if action in observed.database.steps:
        return DATABASE
    return CACHE if action in observed.cache.steps else APP
