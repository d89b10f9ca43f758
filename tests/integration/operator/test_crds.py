"""What the real kube-apiserver makes of the custom resources."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.controlplane import ApiError, ControlPlane
from tests.integration.operator.installation import CRDS
from tests.integration.operator.process import OperatorProcess
from tests.integration.operator.rule_cases import (
    API_VERSION,
    CASES,
    PLURALS,
    Case,
    Object,
    database,
    deployment,
    fleet,
    named,
    scanner_slice,
)
from tracetrack_operator.api import ScannerFleet, ScannerSlice, TraceTrackDeployment

pytestmark = pytest.mark.usefixtures("crds", "nobody_reconciles")

SAMPLES = sorted((CRDS / "samples").glob("*.yaml"))


@pytest.fixture(scope="module")
def nobody_reconciles(operator_process: OperatorProcess) -> None:
    """The API server alone answers: an operator of earlier tests would write statuses in between."""
    operator_process.stop()


def _written_rules() -> set[tuple[str, str]]:
    """Kind and message of every CEL rule in the files."""

    def walk(node: Any) -> Iterator[str]:
        if isinstance(node, dict):
            yield from (rule["message"] for rule in node.get("x-kubernetes-validations", []))
            for child in node.values():
                yield from walk(child)
        elif isinstance(node, list):
            for child in node:
                yield from walk(child)

    definitions = [yaml.safe_load(path.read_text()) for path in CRDS.glob("*.yaml")]
    return {(crd["spec"]["names"]["kind"], message) for crd in definitions for message in walk(crd["spec"]["versions"])}


def _path(namespace: str, kind: str, name: str = "") -> str:
    return f"/apis/{API_VERSION}/namespaces/{namespace}/{PLURALS[kind]}" + (f"/{name}" if name else "")


def _create(control_plane: ControlPlane, namespace: str, obj: Object, query: str = "?fieldValidation=Strict") -> Object:
    created: Object = control_plane.request("POST", _path(namespace, obj["kind"]) + query, obj)
    return created


def _replace(control_plane: ControlPlane, namespace: str, obj: Object) -> Object:
    path = _path(namespace, obj["kind"], obj["metadata"]["name"]) + "?dryRun=All&fieldValidation=Strict"
    replaced: Object = control_plane.request("PUT", path, obj)
    return replaced


def test_every_rule_has_a_case() -> None:
    rules = _written_rules()
    assert rules
    without = {rule for rule in rules if not any(c.kind == rule[0] and rule[1].startswith(c.rule) for c in CASES)}
    stale = [str(c) for c in CASES if not any(c.kind == kind and text.startswith(c.rule) for kind, text in rules)]
    assert not without
    assert not stale


@pytest.mark.parametrize("case", CASES, ids=str)
def test_rule_accepts_and_refuses(control_plane: ControlPlane, namespace: str, case: Case) -> None:
    if case.before is None:
        dry_run = "?dryRun=All&fieldValidation=Strict"
        assert _create(control_plane, namespace, case.accepted, dry_run)["metadata"]["uid"]
        with pytest.raises(ApiError) as refusal:
            _create(control_plane, namespace, case.refused, dry_run)
    else:
        meta = _create(control_plane, namespace, case.before)["metadata"]
        version = {"name": meta["name"], "resourceVersion": meta["resourceVersion"]}
        assert _replace(control_plane, namespace, {**case.accepted, "metadata": version})
        with pytest.raises(ApiError) as refusal:
            _replace(control_plane, namespace, {**case.refused, "metadata": version})
    assert refusal.value.status == 422
    assert case.rule in str(refusal.value)


@pytest.mark.parametrize(
    ("obj", "problem"),
    [
        (deployment(version=""), "spec.version: Invalid value"),
        (deployment(version="1:2"), "spec.version: Invalid value"),
        (deployment(image={"digest": "sha256:12"}), "spec.image.digest: Invalid value"),
        (deployment(image={"repository": "shop/app:1"}), "spec.image.repository: Invalid value"),
        (deployment(scaling={"minReplicas": 0}), "spec.scaling.minReplicas: Invalid value"),
        (deployment(rollout={"maxSurge": "101%"}), "spec.rollout.maxSurge: Invalid value"),
        (deployment(resources={"limits": {"cpu": "a lot"}}), "spec.resources.limits.cpu: Invalid value"),
        (deployment(settings={"parentCapacity": 1001}), "spec.settings.parentCapacity: Invalid value"),
        (deployment(exposure={"host": "Shop_1"}), "spec.exposure.host: Invalid value"),
        (deployment(speling=1), 'unknown field "spec.speling"'),
        (database("Oracle"), "spec.database.provider: Unsupported value"),
        (database("External", external={}), "spec.database.external.secretRef: Required value"),
        (database("Embedded", embedded={"storage": "10GB"}), "spec.database.embedded.storage: Invalid value"),
        (
            database("RDS", rds={"readReplicas": [{"name": "a"}, {"name": "a"}]}),
            "spec.database.rds.readReplicas[1]: Duplicate value",
        ),
        (
            database("RDS", rds={"readReplicas": [{"name": f"a{n}"} for n in range(6)]}),
            "spec.database.rds.readReplicas: Too many",
        ),
        (
            database("RDS", rds={"readReplicas": [{"name": "a", "instanceClass": "large"}]}),
            "spec.database.rds.readReplicas[0].instanceClass: Invalid value",
        ),
        (
            {**deployment(), "spec": {"version": "1", "cache": {"provider": "Embedded"}}},
            "spec.database: Required value",
        ),
        (fleet(replicas=-1), "spec.replicas: Invalid value"),
        (fleet(replicas=10_001, naming={"digits": 6}), "spec.replicas: Invalid value"),
        (fleet(attributes={"site": "a b"}), "spec.attributes.site: Invalid value"),
        (fleet(attributes={f"a{n}": "" for n in range(21)}), "spec.attributes: Too many"),
        (
            scanner_slice(scanners=[{"name": "a", "thingName": "t"}] * 2),
            "scanners[1]: Duplicate value",
        ),
        (
            scanner_slice(scanners=[{"name": f"a{n}", "thingName": "t"} for n in range(101)]),
            "scanners: Too many",
        ),
    ],
)
def test_schema_refuses_by_field(control_plane: ControlPlane, namespace: str, obj: Object, problem: str) -> None:
    with pytest.raises(ApiError) as refusal:
        _create(control_plane, namespace, obj, "?dryRun=All&fieldValidation=Strict")
    assert problem in str(refusal.value)


def test_server_and_model_fill_in_the_same_defaults(control_plane: ControlPlane, namespace: str) -> None:
    """What the operator believes of an object is what `kubectl get -o yaml` shows."""
    for obj, model in (
        (deployment(), TraceTrackDeployment),
        (database("RDS", rds={}), TraceTrackDeployment),
        (fleet(), ScannerFleet),
        (scanner_slice(scanners=[{"name": "a-1", "thingName": "t"}]), ScannerSlice),
    ):
        kind = str(obj["kind"])
        written = {**obj, "metadata": {"name": "case", "namespace": namespace}}
        stored = _create(control_plane, namespace, obj, "?dryRun=All")
        ours, theirs = model.parse(written).to_dict(), model.parse(stored).to_dict()
        for field in ours.keys() - {"metadata"}:
            assert ours[field] == theirs[field], f"{kind}.{field}"
        if kind == "TraceTrackDeployment":
            assert stored["spec"]["scaling"] == ours["spec"]["scaling"]
            assert stored["spec"]["rollout"] == ours["spec"]["rollout"]
            assert stored["spec"]["deletionPolicy"] == "Snapshot"


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
def test_sample_applies(control_plane: ControlPlane, namespace: str, sample: Path) -> None:
    arguments = ("apply", "--namespace", namespace, "--dry-run=server", "--validate=strict", "--filename", str(sample))
    applied = control_plane.kubectl(*arguments)
    assert "tracetrack.io/" in applied
    assert all(line.endswith("(server dry run)") for line in applied.strip().splitlines())


def test_explain_reads_like_documentation(control_plane: ControlPlane) -> None:
    tree = control_plane.kubectl("explain", "tracetrackdeployment.spec", "--recursive")
    for line in (
        "targetCPUUtilizationPercentage\t<integer>",
        "enum: RDS, External, Embedded",
        "provider\t<string> -required-",
    ):
        assert line in tree
    for name in ("tracetrackdeployment", "scannerfleet", "scannerslice"):
        assert "<empty>" not in control_plane.kubectl("explain", name)
    rollout = control_plane.kubectl("explain", "ttd.spec.rollout.preStopSeconds")
    assert "in seconds" in " ".join(rollout.split())


def test_get_shows_the_state(control_plane: ControlPlane, namespace: str) -> None:
    created = _create(control_plane, namespace, named(deployment(), "shop"))
    condition = {
        "type": "Ready",
        "status": "False",
        "reason": "SecretNotFound",
        "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
        "observedGeneration": 1,
    }
    status = {"conditions": [condition], "version": "0.1.0", "readyReplicas": 2, "url": "http://shop.example.com"}
    path = _path(namespace, "TraceTrackDeployment", "shop") + "/status?fieldValidation=Strict"
    control_plane.request("PUT", path, {**created, "status": status})

    header, row = control_plane.kubectl("-n", namespace, "get", "ttd", "-o", "wide").strip().splitlines()
    assert header.split() == [
        *("NAME", "READY", "REASON", "VERSION", "REPLICAS", "DATABASE", "CACHE", "READ-REPLICAS", "URL", "AGE")
    ]
    assert row.split()[:-1] == [
        "shop", "False", "SecretNotFound", "0.1.0", "2", "Embedded", "Embedded", "http://shop.example.com",
    ]  # fmt: skip
    assert "URL" not in control_plane.kubectl("-n", namespace, "get", "ttd").splitlines()[0]


def test_status_is_written_apart_from_the_spec(control_plane: ControlPlane, namespace: str) -> None:
    created = _create(control_plane, namespace, {**deployment(), "status": {"version": "9"}})
    assert "status" not in created
    path = _path(namespace, "TraceTrackDeployment", "case")
    changed = {**created, "spec": {**created["spec"], "suspend": True}, "status": {"version": "9"}}
    written = control_plane.request("PUT", f"{path}/status", changed)
    assert written["status"]["version"] == "9"
    assert written["spec"]["suspend"] is False
    assert written["metadata"]["generation"] == created["metadata"]["generation"]


def test_fleet_scales_within_its_digits(control_plane: ControlPlane, namespace: str) -> None:
    _create(control_plane, namespace, named(fleet(naming={"digits": 2}), "lucknow"))
    scaled = control_plane.kubectl("-n", namespace, "scale", "scannerfleet", "lucknow", "--replicas=42")
    assert "lucknow scaled" in scaled
    header, row = control_plane.kubectl("-n", namespace, "get", "sf").strip().splitlines()
    assert header.split() == ["NAME", "READY", "REASON", "DEPLOYMENT", "DESIRED", "PROVISIONED", "AGE"]
    assert row.split()[:3] == ["lucknow", "shop", "42"]
    path = _path(namespace, "ScannerFleet", "lucknow") + "/scale"
    scale = control_plane.request("GET", path)
    with pytest.raises(ApiError, match=r"doesn't fit in spec\.naming\.digits"):
        control_plane.request("PUT", path, {**scale, "spec": {"replicas": 100}})


def test_scale_subresource_reports_status(control_plane: ControlPlane, namespace: str) -> None:
    created = _create(control_plane, namespace, fleet(replicas=3))
    path = _path(namespace, "ScannerFleet", "case")
    status = {"replicas": 2, "selector": "tracetrack.io/fleet=case"}
    control_plane.request("PUT", f"{path}/status", {**created, "status": status})
    scale = control_plane.request("GET", f"{path}/scale")
    assert (scale["spec"], scale["status"]) == ({"replicas": 3}, status)


def test_category_and_short_names_list_everything(control_plane: ControlPlane, namespace: str) -> None:
    _create(control_plane, namespace, deployment())
    _create(control_plane, namespace, fleet())
    _create(control_plane, namespace, scanner_slice())
    end = time.monotonic() + 20
    while True:  # discovery of a category lags behind the CRD
        listed = control_plane.kubectl("-n", namespace, "get", "tracetrack", "-o", "name").split()
        if len(listed) == 3 or time.monotonic() > end:
            break
        time.sleep(0.5)
    assert sorted(name.split(".")[0] for name in listed) == ["scannerfleet", "scannerslice", "tracetrackdeployment"]
    for short in ("ttd", "sf", "ss"):
        assert len(json.loads(control_plane.kubectl("-n", namespace, "get", short, "-o", "json"))["items"]) == 1
