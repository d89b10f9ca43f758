"""A deployment's fleets are parsed once a generation, and never told as they were before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tracetrack_operator.deployment import observe
from tracetrack_operator.deployment.observe import ParsedFleets
from tracetrack_operator.manifests.parent import Parent


def _parent(name: str) -> Parent:
    kind = {"apiVersion": "tracetrack.io/v1alpha1", "kind": "TraceTrackDeployment"}
    return Parent.of(kind | {"metadata": {"name": name, "namespace": "shop", "uid": f"uid-{name}"}})


PARENT = _parent("demo")


def _fleet(name: str, generation: int = 1, replicas: int = 5, **metadata: Any) -> dict[str, Any]:
    return {
        "apiVersion": "tracetrack.io/v1alpha1",
        "kind": "ScannerFleet",
        "metadata": {"name": name, "namespace": "shop", "uid": f"uid-{name}", "generation": generation, **metadata},
        "spec": {"deploymentRef": {"name": "demo"}, "replicas": replicas},
    }


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the fleets that were parsed, in order."""
    names: list[str] = []
    parse = observe.ScannerFleet.parse

    def counting(obj: Mapping[str, Any]) -> Any:
        names.append(obj["metadata"]["name"])
        return parse(obj)

    monkeypatch.setattr(observe.ScannerFleet, "parse", counting)
    return names


def test_a_status_write_parses_nothing(parsed: list[str]) -> None:
    fleets = ParsedFleets()
    fleets.of(PARENT, [_fleet("a"), _fleet("b")])
    found = fleets.of(PARENT, [_fleet("a") | {"status": {"replicas": 3}}, _fleet("b")])
    assert [fleet.metadata.name for fleet in found] == ["a", "b"]
    assert parsed == ["a", "b"]


def test_a_new_generation_is_parsed(parsed: list[str]) -> None:
    fleets = ParsedFleets()
    fleets.of(PARENT, [_fleet("a")])
    [found] = fleets.of(PARENT, [_fleet("a", generation=2, replicas=9)])
    assert found.spec.replicas == 9


def test_a_fleet_made_anew_under_its_name_is_parsed(parsed: list[str]) -> None:
    fleets = ParsedFleets()
    fleets.of(PARENT, [_fleet("a")])
    [found] = fleets.of(PARENT, [_fleet("a", replicas=7, uid="uid-other")])
    assert found.spec.replicas == 7


def test_what_leaves_or_does_not_fit_is_left_out(parsed: list[str]) -> None:
    fleets = ParsedFleets()
    leaving = _fleet("a", deletionTimestamp="2026-01-01T00:00:00Z")
    wrong = _fleet("b")
    wrong["spec"]["replicas"] = "many"
    for _ in range(2):
        assert [fleet.metadata.name for fleet in fleets.of(PARENT, [leaving, wrong, _fleet("c")])] == ["c"]
    assert parsed == ["b", "c"]


def test_deployments_do_not_mix(parsed: list[str]) -> None:
    fleets = ParsedFleets()
    fleets.of(PARENT, [_fleet("a")])
    assert fleets.of(_parent("other"), []) == []
    fleets.of(PARENT, [_fleet("a")])
    assert parsed == ["a"]
