"""Generated Secrets and the writing of children: nothing foreign is overwritten, nothing is made up twice."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.operator.deployment.factory import owner, stored
from tests.unit.operator.engine.objects import RecordingKube
from tracetrack_operator.dependencies.generated import GeneratedSecrets
from tracetrack_operator.engine.cache import ObjectCache
from tracetrack_operator.engine.errors import RetryableError, WaitingError
from tracetrack_operator.engine.objects import Object
from tracetrack_operator.engine.plan import Apply, Delete
from tracetrack_operator.kube.children import ChildWriter
from tracetrack_operator.kube.compare import MISSING, with_hash
from tracetrack_operator.manifests.parent import Parent
from tracetrack_operator.manifests.secret import secret

PARENT = Parent.of(owner())
MAKERS = {"username": lambda: "admin", "password": lambda: "fresh"}


class LiveKube(RecordingKube):
    """Answers reads from `live`, and counts them."""

    def __init__(self, *live: Object) -> None:
        super().__init__()
        self.live = {(obj["kind"], obj["metadata"]["name"]): obj for obj in live}
        self.reads = 0

    async def get(self, kind: str, namespace: str, name: str) -> Object | None:
        self.reads += 1
        return self.live.get((kind, name))


def admin(values: dict[str, str], **metadata: Any) -> Object:
    made = stored(secret(PARENT.metadata("admin", "app"), values))
    made["metadata"] |= metadata
    return made


async def ensure(kube: LiveKube, cached: Object | None = None, known: dict[str, str] | None = None) -> dict[str, str]:
    cache = ObjectCache()
    if cached:
        cache.put(cached)
    return await GeneratedSecrets(kube, cache).ensure(PARENT, "admin", MAKERS, known)


async def test_what_the_cache_has_needs_no_read() -> None:
    kube = LiveKube()
    assert await ensure(kube, admin({"username": "root", "password": "old"})) == {"username": "root", "password": "old"}
    assert kube.reads == 0


async def test_what_the_cache_merely_lacks_is_read_live_and_kept() -> None:
    assert await ensure(LiveKube(admin({"username": "root", "password": "old"}))) == {
        "username": "root",
        "password": "old",
    }


async def test_only_missing_values_are_made_up() -> None:
    assert await ensure(LiveKube(admin({"password": "old"}))) == {"username": "admin", "password": "old"}
    assert await ensure(LiveKube(admin({"password": ""}))) == {"username": "admin", "password": "fresh"}
    assert await ensure(LiveKube(), known={"password": "bound"}) == {"username": "admin", "password": "bound"}


async def test_somebody_elses_secret_is_not_used() -> None:
    with pytest.raises(WaitingError, match="Secret demo-admin exists and has no owner") as refusal:
        await ensure(LiveKube(admin({"password": "theirs"}, ownerReferences=[])))
    assert refusal.value.reason == "OwnershipConflict"
    assert "theirs" not in str(refusal.value)


MANIFEST = with_hash(
    {"apiVersion": "v1", "kind": "ConfigMap", "metadata": PARENT.metadata("app", "app"), "data": {"a": "1"}}
)


async def test_a_child_that_only_the_cache_lacks_is_not_applied_again() -> None:
    kube, cache = LiveKube(stored(MANIFEST)), ObjectCache()
    await ChildWriter(kube, cache).apply(Apply(MANIFEST, MISSING))
    assert not kube.applied
    assert cache.get("ConfigMap", "shop", "demo-app") is not None


@pytest.mark.parametrize("owners", [[], [{"kind": "Other", "name": "x", "uid": "another", "controller": True}]])
async def test_a_namesake_of_somebody_elses_is_left_alone(owners: list[dict[str, Any]]) -> None:
    live = stored(MANIFEST)
    live["metadata"]["ownerReferences"] = owners
    kube = LiveKube(live)
    with pytest.raises(WaitingError, match="needs that name"):
        await ChildWriter(kube, ObjectCache()).apply(Apply(MANIFEST, MISSING))
    assert not kube.applied


class MergingKube(LiveKube):
    """Somebody makes an object of the name after it was looked up, and `create` meets it."""

    def __init__(self, live: Object, refusal: str = "") -> None:
        super().__init__(live)
        self.refusal = refusal

    async def find(self, kind: str, namespace: str, name: str) -> Object | None:
        return None

    async def create(self, manifest: Object, *, field_manager: str = "") -> tuple[Object, bool]:
        if self.refusal:
            raise RetryableError(self.refusal, "field data.a is somebody else's")
        [theirs] = self.live.values()
        metadata = {**theirs["metadata"], "ownerReferences": manifest["metadata"]["ownerReferences"]}
        return {**theirs, "metadata": metadata}, False

    async def apply(self, manifest: Object, *, field_manager: str = "") -> Object:
        await super().apply(manifest)
        [theirs] = self.live.values()
        return theirs


def made_by(*managers: str, **metadata: Any) -> Object:
    live = stored(MANIFEST)
    live["metadata"] |= {"managedFields": [{"manager": each} for each in managers], **metadata}
    return live


@pytest.mark.parametrize("refusal", ["Conflict", "Invalid", ""])
async def test_what_somebody_makes_meanwhile_is_left_as_it_was(refusal: str) -> None:
    kube, cache = MergingKube(made_by("kubectl", ownerReferences=[]), refusal), ObjectCache()
    with pytest.raises(WaitingError, match="needs that name"):
        await ChildWriter(kube, cache).apply(Apply(MANIFEST, MISSING))
    taken_back = [sorted(manifest) for manifest in kube.applied]
    assert taken_back == ([] if refusal else [["apiVersion", "kind", "metadata"]])
    assert len(cache) == 0


async def test_what_an_operator_before_us_made_meanwhile_is_ours() -> None:
    kube, cache = MergingKube(made_by("tracetrack-operator", "kube-controller-manager")), ObjectCache()
    await ChildWriter(kube, cache).apply(Apply(MANIFEST, MISSING))
    assert not kube.applied
    assert cache.get("ConfigMap", "shop", "demo-app") is not None


async def test_a_conflict_over_nothing_is_tried_again() -> None:
    kube = MergingKube(made_by("kubectl"), "Conflict")
    kube.live.clear()
    with pytest.raises(RetryableError):
        await ChildWriter(kube, ObjectCache()).apply(Apply(MANIFEST, MISSING))


async def test_deletes_only_the_very_object_that_was_seen() -> None:
    action = Delete("ConfigMap", "shop", "demo-app", "uid-ConfigMap-demo-app")
    successor = stored(MANIFEST)
    successor["metadata"]["uid"] = "another"
    for kube, deleted in ((LiveKube(), 0), (LiveKube(successor), 0), (LiveKube(stored(MANIFEST)), 1)):
        await ChildWriter(kube, ObjectCache()).delete(action)
        assert len(kube.deleted) == deleted
