from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import kopf
import pytest

from tracetrack_operator.engine.cache import ObjectCache
from tracetrack_operator.engine.objects import Key, Object
from tracetrack_operator.engine.queue import WorkQueue
from tracetrack_operator.kube.watch import Watcher


class Untouchable(dict[str, Any]):
    """Fails whoever copies it."""

    def __iter__(self) -> Iterator[str]:
        raise AssertionError("the object was copied")

    keys = __iter__  # type: ignore[assignment]


def itself(obj: Object) -> list[Key]:
    return [Key(obj["kind"], obj["metadata"]["namespace"], obj["metadata"]["name"])]


def test_kopf_copies_no_object_to_compare_it() -> None:
    settings = kopf.OperatorSettings()
    Watcher(ObjectCache(), WorkQueue(), itself).register(kopf.OperatorRegistry(), settings)
    body = kopf.Body(Untouchable())  # type: ignore[arg-type]
    storage = settings.persistence.diffbase_storage
    assert storage.build(body=body) == {}
    assert storage.fetch(body=body) is None


def test_kopf_keeps_no_task_of_an_object_at_rest() -> None:
    settings = kopf.OperatorSettings()
    Watcher(ObjectCache(), WorkQueue(), itself).register(kopf.OperatorRegistry(), settings)
    assert settings.queueing.idle_timeout < 1


class Gathered(WorkQueue):
    """Keeps the keys that are to be looked at in a while."""

    def __init__(self) -> None:
        super().__init__()
        self.keys: list[Key] = []

    def add_after(self, key: Key, delay: float) -> None:
        self.keys.append(key)


@pytest.mark.parametrize(("kind", "looked_at"), [("PodDisruptionBudget", 0), ("Deployment", 1)])
def test_a_status_that_nobody_reads_is_taken_in_and_no_reason_to_look(kind: str, looked_at: int) -> None:
    cache, queue = ObjectCache(), Gathered()
    watcher = Watcher(cache, queue, itself)

    def come(version: str, type_: str = "MODIFIED", **more: Any) -> int:
        metadata = {"namespace": "shop", "name": "demo-app", "uid": "u", "resourceVersion": version, "generation": 1}
        queue.keys.clear()
        watcher.take(kind, type_, {"metadata": {**metadata, **more}, "status": {"seen": version}})
        return len(queue.keys)

    assert come("1", "ADDED") == 1
    assert come("2") == looked_at
    held = cache.get(kind, "shop", "demo-app")
    assert held is not None
    assert held["status"] == {"seen": "2"}
    assert come("3", generation=2) == 1
    assert come("4", generation=2, ownerReferences=[{"uid": "other"}]) == 1
    assert come("5", "DELETED", generation=2) == 1
