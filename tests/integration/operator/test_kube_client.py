"""The operator's client on a real API server: what it says of failures, and that it takes nothing from anybody."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.cluster.controlplane import ControlPlane
from tracetrack_operator.engine.cache import ObjectCache
from tracetrack_operator.engine.errors import RetryableError, TerminalError, WaitingError
from tracetrack_operator.engine.objects import Object
from tracetrack_operator.engine.plan import Apply
from tracetrack_operator.kube.children import ChildWriter
from tracetrack_operator.kube.client import KubeClient, load_configuration
from tracetrack_operator.kube.compare import MISSING, with_hash

NAMESPACE = "kube-client"
OWNER: dict[str, Any] = {"apiVersion": "v1", "kind": "Namespace", "name": NAMESPACE, "controller": True}


def secret(name: str, **data: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "type": "Opaque",
        "data": {key: base64.b64encode(value.encode()).decode() for key, value in data.items()},
    }


def child(name: str, **data: str) -> Object:
    made = secret(name, **data)
    labels = {"app.kubernetes.io/managed-by": "tracetrack-operator"}
    return with_hash({**made, "metadata": {**made["metadata"], "labels": labels, "ownerReferences": [OWNER]}})


@pytest.fixture
async def kube(control_plane: ControlPlane) -> AsyncIterator[KubeClient]:
    client = KubeClient(load_configuration(control_plane.kubeconfig))
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "namespace": ""}}
    stored = await client.apply(namespace)
    # Of an owner that isn't there, the garbage collector would take the children away.
    OWNER["uid"] = stored["metadata"]["uid"]
    yield client
    await client.close()


async def test_failures_are_told_by_who_has_to_move(kube: KubeClient, control_plane: ControlPlane) -> None:
    assert await kube.get("Secret", NAMESPACE, "none") is None
    assert await kube.delete("Secret", NAMESPACE, "none", uid="any") is False
    with pytest.raises(TerminalError, match=r'refused to apply a Secret: .*Invalid value: "b@d"') as invalid:
        await kube.apply({**secret("bad"), "metadata": {"name": "b@d", "namespace": NAMESPACE}})
    assert invalid.value.reason == "Invalid"
    with pytest.raises(RetryableError, match='namespaces "nowhere" not found'):
        await kube.apply({**secret("lost"), "metadata": {"name": "lost", "namespace": "nowhere"}})
    made = await kube.apply(secret("mine", a="1"))
    with pytest.raises(RetryableError, match="the UID in the precondition") as conflict:
        await kube.delete("Secret", NAMESPACE, "mine", uid="another")
    assert conflict.value.reason == "Conflict"
    assert await kube.delete("Secret", NAMESPACE, "mine", uid=made["metadata"]["uid"])
    away = KubeClient(load_configuration(control_plane.kubeconfig))
    away._transport._configuration.host = "https://127.0.0.1:1"
    with pytest.raises(RetryableError, match="Cannot reach the Kubernetes API") as unreachable:
        await away.get("Secret", NAMESPACE, "mine")
    assert unreachable.value.reason == "KubernetesUnreachable"
    await away.close()


async def test_lists_in_pages_and_watches_from_there(kube: KubeClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tracetrack_operator.kube.client.PAGE_SIZE", 2)
    for number in range(5):
        await kube.apply(child(f"page-{number}"))
    selector = "app.kubernetes.io/managed-by=tracetrack-operator"
    pages = [page async for page in kube.pages("Secret", NAMESPACE, selector)]
    assert [len(page) for page, _ in pages] == [2, 2, 1]
    found, version = [obj for page, _ in pages for obj in page], pages[-1][1]
    assert sorted(obj["metadata"]["name"] for obj in found) == [f"page-{number}" for number in range(5)]
    assert all((obj["apiVersion"], obj["kind"]) == ("v1", "Secret") for obj in found)
    await kube.apply(child("page-5"))
    await kube.apply(secret("unlabelled"))
    await kube.delete("Secret", NAMESPACE, "page-0", uid=found[0]["metadata"]["uid"])
    events = kube.watch("Secret", NAMESPACE, selector, version, seconds=30, silence=30)
    seen = [(await anext(events)) for _ in range(2)]
    assert [(type_, obj["metadata"]["name"]) for type_, obj in seen] == [("ADDED", "page-5"), ("DELETED", "page-0")]
    await events.aclose()  # type: ignore[attr-defined]
    ended = [event async for event in kube.watch("Secret", NAMESPACE, selector, version, seconds=1, silence=30)]
    assert len(ended) >= 2, "the server ends it after the seconds asked for"
    with pytest.raises(RetryableError, match="The watch of Secret has broken off"):
        async for _ in kube.watch("Secret", NAMESPACE, selector, version, seconds=30, silence=0.5):
            pass
    [(type_, status)] = [event async for event in kube.watch("Secret", NAMESPACE, selector, "1", 5, 30)][-1:]
    assert (type_, status.get("code")) in (("ERROR", 410), ("DELETED", None)), "a version long gone is told"


async def test_a_name_is_looked_up_once_for_many(kube: KubeClient) -> None:
    await kube.apply(secret("there", a="1"))
    names = ["there", *(f"absent-{number}" for number in range(20))]
    found = await asyncio.gather(*(kube.find("Secret", NAMESPACE, name) for name in names))
    assert [obj is not None for obj in found] == [True, *[False] * 20]
    await kube.apply(secret("absent-0"))
    assert await kube.find("Secret", NAMESPACE, "absent-0") is not None, "what we made is known at once"


async def test_what_others_made_a_moment_ago_keeps_all_they_gave_it(
    kube: KubeClient, control_plane: ControlPlane
) -> None:
    """The names were listed before; then somebody makes Secrets of the names that children are about to have."""
    writer, cache = ChildWriter(kube, ObjectCache()), ObjectCache()
    assert await kube.find("Secret", NAMESPACE, "taken-same") is None
    theirs = {}
    for name, data in (("taken-same", {"a": "theirs"}), ("taken-other", {"b": "theirs"})):
        control_plane.request("POST", f"/api/v1/namespaces/{NAMESPACE}/secrets", secret(name, **data))
        theirs[name] = await kube.get("Secret", NAMESPACE, name)
    for name, before in theirs.items():
        with pytest.raises(WaitingError, match=f"Secret {name} exists and has no owner") as refusal:
            await writer.apply(Apply(child(name, a="ours"), MISSING))
        assert refusal.value.reason == "OwnershipConflict"
        after = await kube.get("Secret", NAMESPACE, name)
        assert before is not None
        assert after is not None
        assert essence(after) == essence(before)
    assert len(cache) == 0


def essence(obj: Object) -> dict[str, Any]:
    metadata = {key: value for key, value in obj["metadata"].items() if key not in ("resourceVersion", "managedFields")}
    return {**obj, "metadata": metadata}
