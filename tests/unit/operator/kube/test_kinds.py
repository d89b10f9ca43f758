from __future__ import annotations

from typing import Any, ClassVar

import kopf

from tracetrack_operator.api.constants import GROUP, MANAGED_SELECTOR
from tracetrack_operator.engine.cache import ObjectCache
from tracetrack_operator.engine.objects import Key, Object
from tracetrack_operator.engine.queue import WorkQueue
from tracetrack_operator.kube.kinds import CHILDREN, KINDS, OWN, WATCHED, selector_of
from tracetrack_operator.kube.watch import GATHER_SECONDS, Watcher


class _Resource:
    group = ""
    plural = "configmaps"


async def deliver(watcher: Watcher, type_: str | None, version: int) -> None:
    obj = {"metadata": {"name": "a", "namespace": "shop", "uid": "u", "resourceVersion": str(version)}}
    event: Any = {"type": type_, "object": obj}
    resource: Any = _Resource()
    await watcher.handle(event=event, resource=resource)


class Routed:
    seen: ClassVar[list[str]] = []

    def __call__(self, obj: Object) -> list[Key]:
        return [Key("Widget", "shop", obj["metadata"]["name"])]


def test_children_are_watched_by_label_and_primaries_whole() -> None:
    assert selector_of("Pod") == MANAGED_SELECTOR
    assert selector_of("TraceTrackDeployment") == ""
    assert selector_of("ScannerFleet") == ""
    assert "Secret" in CHILDREN
    assert all(selector_of(name) for name in CHILDREN), "else every Secret of the cluster would be held in memory"
    assert {*OWN, *CHILDREN} == {*WATCHED}


def test_no_handler_writes_to_the_objects() -> None:
    registry, settings = kopf.OperatorRegistry(), kopf.OperatorSettings()
    Watcher(ObjectCache(), WorkQueue(), Routed()).register(registry, settings)
    assert not registry._changing.get_all_handlers()
    assert not registry._spawning.get_all_handlers()
    assert not registry._indexing.get_all_handlers()
    watched = {(handler.selector.group, handler.selector.any_name) for handler in registry._watching.get_all_handlers()}
    assert watched == {(KINDS[name].group, KINDS[name].plural) for name in OWN}


def test_group_versions_are_spelt_as_manifests_do() -> None:
    assert KINDS["Secret"].api_version == "v1"
    assert KINDS["Deployment"].api_version == "apps/v1"
    assert KINDS["ScannerFleet"].api_version == f"{GROUP}/v1alpha1"


async def test_events_feed_the_cache_and_the_queue() -> None:
    now = [0.0]
    cache, queue = ObjectCache(), WorkQueue(clock=lambda: now[0])
    watcher = Watcher(cache, queue, Routed())
    assert watcher.silent_for("ConfigMap") == float("inf")
    await deliver(watcher, None, 3)
    held = cache.get("ConfigMap", "shop", "a")
    assert held is not None
    assert (held["apiVersion"], held["kind"]) == ("v1", "ConfigMap")
    assert watcher.silent_for("ConfigMap") < 5
    assert len(queue) == 0, "children change in bursts, so the end of one is waited for"
    now[0] += GATHER_SECONDS
    assert await queue.get() == Key("Widget", "shop", "a")
    queue.done(Key("Widget", "shop", "a"))
    await deliver(watcher, "MODIFIED", 3)
    now[0] += GATHER_SECONDS
    assert queue.oldest_wait() == 0
    assert len(queue) == 0, "what is known already concerns nobody"
    await deliver(watcher, "DELETED", 4)
    assert len(cache) == 0
    now[0] += GATHER_SECONDS
    assert queue.oldest_wait() == 0
    assert len(queue) == 1


def fleet(version: int, generation: int = 1, status: str = "", **metadata: Any) -> Object:
    own = {"name": "a", "namespace": "shop", "uid": "u", "resourceVersion": str(version), "generation": generation}
    return {"metadata": {**own, **metadata}, "status": {"is": status}}


def test_our_own_status_is_news_to_others_only() -> None:
    cache, queue = ObjectCache(), WorkQueue()
    own, other = Key("ScannerFleet", "shop", "a"), Key("TraceTrackDeployment", "shop", "b")
    watcher = Watcher(cache, queue, lambda obj: [own, other])

    def told(obj: Object, type_: str = "MODIFIED") -> list[Key]:
        watcher.take("ScannerFleet", type_, obj)
        keys = [*queue._ready]
        queue._ready.clear()
        return keys

    assert told(fleet(1), "ADDED") == [own, other]
    assert told(fleet(2, status="new")) == [other]
    for change in (
        {"generation": 2},
        {"annotations": {"a": "b"}},
        {"labels": {"a": "b"}},
        {"finalizers": ["a"]},
        {"deletionTimestamp": "now"},
        {"uid": "another"},
    ):
        version = int(cache.get("ScannerFleet", "shop", "a")["metadata"]["resourceVersion"])  # type: ignore[index]
        assert told(fleet(version + 1, **change)) == [own, other], change
    assert told(fleet(99, uid="another"), "DELETED") == [own, other]
