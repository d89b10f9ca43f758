"""The end of a deployment: the application first, then what is in the cloud, whatever the spec has become."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.operator.deployment.factory import owner, pod, stored
from tests.unit.operator.deployment.test_writing import LiveKube
from tracetrack_operator.context import INDEXERS, Context
from tracetrack_operator.deployment.deletion import Deletion
from tracetrack_operator.engine.cache import ObjectCache
from tracetrack_operator.engine.errors import ReconcileError, RetryableError, WaitingError
from tracetrack_operator.engine.events import EventRecorder
from tracetrack_operator.engine.objects import Object
from tracetrack_operator.manifests.parent import Parent

ENDING = {"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["tracetrack.io/cleanup"]}


class FakeProvider:
    def __init__(self, failure: ReconcileError | None = None, cloud: bool = True) -> None:
        self.makes_cloud_objects = cloud
        self.failure = failure
        self.calls = 0

    async def delete(self, _: Object) -> str:
        self.calls += 1
        if self.failure:
            raise self.failure
        return "It is gone."


def setup(obj: Object, *cached: Object, **providers: FakeProvider) -> tuple[LiveKube, Deletion]:
    kube, cache = LiveKube(obj, *cached), ObjectCache(INDEXERS)
    for item in cached:
        cache.put(item)
    recorder: Any = EventRecorder(kube, "test", "test")
    nothing: Any = None
    context = Context(nothing, cache, kube, nothing, queue=nothing, recorder=recorder, status=nothing)
    databases: Any = {"RDS": providers.get("rds") or FakeProvider(), "Embedded": FakeProvider(cloud=False)}
    caches: Any = {
        "ElastiCache": providers.get("elasticache") or FakeProvider(),
        "Embedded": FakeProvider(cloud=False),
    }
    drills: Any = providers.get("drills") or FakeProvider()
    return kube, Deletion(context, databases, caches, drills)


def released(kube: LiveKube) -> bool:
    return any(m["kind"] == "TraceTrackDeployment" and m["metadata"]["finalizers"] == [] for m in kube.applied)


async def test_without_a_finalizer_the_garbage_collector_does_it_all() -> None:
    kube, deletion = setup(owner(deletionTimestamp="2026-01-01T00:00:00Z"))
    await deletion.run(owner(deletionTimestamp="2026-01-01T00:00:00Z"))
    assert not kube.applied
    assert kube.reads == 0


async def test_the_application_stops_before_the_data_is_copied() -> None:
    obj = owner({"database": {"provider": "RDS"}}, **ENDING)
    rds = FakeProvider()
    metadata = Parent.of(obj).metadata("app", "app")
    children = [
        stored({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata}),
        stored({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": dict(metadata)}),
    ]
    kube, deletion = setup(obj, *children, rds=rds)
    with pytest.raises(WaitingError, match="application to stop"):
        await deletion.run(obj)
    assert [kind for kind, *_ in kube.deleted] == ["HorizontalPodAutoscaler", "Deployment"]
    kube, deletion = setup(obj, pod("demo-app-1", deletionTimestamp="2026-01-01T00:00:00Z"), rds=rds)
    with pytest.raises(WaitingError, match="application to stop"):
        await deletion.run(obj)
    assert rds.calls == 0, "a pod that is still on its way out may still write"


@pytest.mark.parametrize(
    "spec", [{"database": {"provider": "RDS"}}, {"database": None}, {"database": {"provider": "?"}}]
)
async def test_a_spec_that_no_longer_fits_is_cleaned_up_after_all_the_same(spec: dict[str, Any]) -> None:
    obj = owner(spec, **ENDING)
    rds = FakeProvider()
    kube, deletion = setup(obj, rds=rds)
    await deletion.run(obj)
    assert rds.calls == 1
    assert released(kube)
    assert [m["message"] for m in kube.applied if m["kind"] == "Event"] == ["It is gone."]


@pytest.mark.parametrize("failure", [WaitingError("Deleting", "Still going."), RetryableError("AwsError", "No.")])
async def test_the_finalizer_stays_until_all_is_done(failure: ReconcileError) -> None:
    obj = owner({"database": {"provider": "RDS"}, "cache": {"provider": "ElastiCache"}}, **ENDING)
    rds, elasticache = FakeProvider(failure), FakeProvider()
    kube, deletion = setup(obj, rds=rds, elasticache=elasticache)
    with pytest.raises(type(failure)):
        await deletion.run(obj)
    assert elasticache.calls == 1, "one doesn't wait for the other"
    assert not released(kube)


async def test_an_object_that_only_the_cache_thinks_is_going_is_left_alone() -> None:
    rds = FakeProvider()
    kube, deletion = setup(owner({"database": {"provider": "RDS"}}), rds=rds)
    await deletion.run(owner({"database": {"provider": "RDS"}}, **ENDING))
    assert rds.calls == 0
    assert not kube.applied
