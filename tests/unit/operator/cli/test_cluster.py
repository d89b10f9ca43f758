"""What a person asks for goes through while the operator writes the status, and not over somebody's change."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from kubernetes import client
from kubernetes.client.exceptions import ApiException

from tests.unit.operator.deployment.factory import owner
from tracetrack_operator.cli.cluster import Cluster
from tracetrack_operator.cli.errors import CliError
from tracetrack_operator.engine.objects import Object

MODIFIED = 'Operation cannot be fulfilled on ttd "demo": the object has been modified; please apply your changes again'
PAUSE = {"spec": {"suspend": True}}


class Api:
    """One stored object, in whose way `busy` writes of the operator come, one before each request."""

    def __init__(self, busy: int, **changes: Any) -> None:
        self.stored = owner(resourceVersion="1")
        self.busy, self.changes = busy, changes
        self.asked: list[Any] = []

    async def get(self, *_: str) -> Object:
        return copy.deepcopy(self.stored)

    def request(self, *args: Any, **options: Any) -> Any:
        *_, body = args
        self.asked.append(options.get("dry_run"))
        if self.busy:
            self.busy -= 1
            self.stored["metadata"] |= {"resourceVersion": str(len(self.asked) + 1), **self.changes}
        if body["metadata"]["resourceVersion"] != self.stored["metadata"]["resourceVersion"]:
            error = ApiException(status=409, reason="Conflict")
            error.body = json.dumps({"message": MODIFIED})
            raise error
        return body


def cluster(api: Api, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    for method in ("patch_namespaced_custom_object", "replace_namespaced_custom_object"):
        monkeypatch.setattr(client.CustomObjectsApi, method, lambda _, *args, **options: api.request(*args, **options))
    made = Cluster(client.Configuration(), "shop")
    monkeypatch.setattr(made.kube, "get", api.get)
    return made


async def test_a_status_written_meanwhile_is_in_nobodys_way(monkeypatch: pytest.MonkeyPatch) -> None:
    api = Api(busy=3)
    merged = await cluster(api, monkeypatch).merge(await api.get(), PAUSE)
    assert merged["spec"] == PAUSE["spec"]
    assert len(api.asked) == 4


@pytest.mark.parametrize("change", [{"generation": 4}, {"annotations": {"a": "b"}}, {"uid": "another"}])
async def test_what_somebody_changed_meanwhile_is_not_written_over(
    change: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    api = Api(busy=1, **change)
    with pytest.raises(CliError, match="somebody changed demo meanwhile: look at it and ask again"):
        await cluster(api, monkeypatch).merge(await api.get(), PAUSE)
    assert len(api.asked) == 1


async def test_one_written_without_end_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    api = Api(busy=1000)
    with pytest.raises(CliError, match="the object has been modified"):
        await cluster(api, monkeypatch).merge(await api.get(), PAUSE)


async def test_what_would_be_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    api = Api(busy=2)
    would = await cluster(api, monkeypatch).would_be(owner({"version": "2.0.0"}))
    assert would["spec"]["version"] == "2.0.0"
    assert api.asked == ["All"] * 3
