"""How soon a deployment is looked at again although nothing may change in the cluster."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tests.unit.operator.deployment.factory import CACHE, DATABASE, REPOSITORY, dependency, observed, owner, settled
from tests.unit.operator.engine.objects import RecordingKube
from tracetrack_operator.aws.inventory import ReadLater
from tracetrack_operator.dependencies.protocol import Dependency
from tracetrack_operator.deployment.desired import desired
from tracetrack_operator.deployment.execute import PlanRunner
from tracetrack_operator.deployment.observe import Observed
from tracetrack_operator.deployment.plan import make_plan
from tracetrack_operator.deployment.planner import Planned
from tracetrack_operator.deployment.reconciler import DeploymentReconciler
from tracetrack_operator.engine.cache import ObjectCache
from tracetrack_operator.engine.errors import RetryableError
from tracetrack_operator.engine.objects import Key

AWAITED = dependency(None, look_again=10.0)


def reconciler(seen: Observed) -> DeploymentReconciler:
    async def plan(_: object) -> Planned:
        wanted = desired(seen, REPOSITORY)
        return Planned(seen, wanted, make_plan(seen, wanted, needs_finalizer=False))

    async def publish(*_: object) -> None:
        return None

    cache = ObjectCache()
    cache.put({**seen.owner, "metadata": {**seen.owner["metadata"], "resourceVersion": "1"}})
    context: Any = SimpleNamespace(
        kube=RecordingKube(),
        cache=cache,
        status=SimpleNamespace(publish=publish),
        recorder=SimpleNamespace(),
    )
    made = DeploymentReconciler.__new__(DeploymentReconciler)
    made.__dict__ |= {
        "_context": context,
        "_planner": SimpleNamespace(plan=plan, refreshed=lambda seen: seen),
        "_runner": PlanRunner(context, []),
    }
    return made


async def looked_again(seen: Observed) -> float | None:
    return (await reconciler(seen).reconcile(Key("TraceTrackDeployment", "shop", "demo"))).requeue_after


async def test_what_is_awaited_is_looked_at_again_by_the_soonest() -> None:
    cache = dependency(CACHE, look_again=60.0)
    assert await looked_again(settled(database=AWAITED, cache=cache)) == pytest.approx(10.0)
    assert await looked_again(settled(database=dependency(DATABASE, look_again=60.0), cache=cache)) == 60.0


async def test_of_a_suspended_one_nothing_is_awaited() -> None:
    assert await looked_again(observed(owner({"suspend": True}), database=AWAITED)) is None


async def test_what_could_not_be_found_out_is_tried_again_all_the_same() -> None:
    failed = Dependency.failed("Embedded", RetryableError("KubernetesUnreachable", "no answer"))
    with pytest.raises(RetryableError):
        await looked_again(observed(owner({"suspend": True}), database=failed))


async def test_nothing_is_done_or_told_before_aws_may_be_read_again() -> None:
    async def plan(_: object) -> Planned:
        raise ReadLater(2.5)

    made = reconciler(settled())
    made.__dict__["_planner"] = SimpleNamespace(plan=plan)
    made.__dict__["_context"].status.publish = None
    result = await made.reconcile(Key("TraceTrackDeployment", "shop", "demo"))
    assert (result.requeue_after, result.unfinished) == (2.5, False)
