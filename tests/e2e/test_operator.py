"""The operator killed at its work, and what a user's mistakes look like."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
import yaml

from tests.cluster.paths import ROOT
from tests.demo.stage import AWS_REGION, SYSTEM_NAMESPACE, Stage
from tests.e2e.waiting import eventually

EXTERNAL = ROOT / "crds" / "samples" / "deployment-external.yaml"
OPERATOR = "app.kubernetes.io/name=tracetrack-operator"


@pytest.fixture
def iot(cluster: Stage) -> Iterator[object]:
    client = boto3.client(
        "iot",
        endpoint_url=cluster.aws_url,
        region_name=AWS_REGION,
        aws_access_key_id="emulator",
        aws_secret_access_key="emulator",
    )
    yield client
    client.close()


def _fleet(name: str, replicas: int) -> str:
    return json.dumps(
        {
            "apiVersion": "tracetrack.io/v1alpha1",
            "kind": "ScannerFleet",
            "metadata": {"name": name, "namespace": "default"},
            "spec": {"deploymentRef": {"name": "demo"}, "replicas": replicas},
        }
    )


def _certificates(iot: object) -> list[str]:
    pages = iot.get_paginator("list_certificates").paginate()  # type: ignore[attr-defined]
    return [certificate["certificateArn"] for page in pages for certificate in page["certificates"]]


def _things(iot: object, fleet: str) -> list[str]:
    pages = iot.get_paginator("list_things_in_thing_group").paginate(  # type: ignore[attr-defined]
        thingGroupName=f"demo_default_{fleet}"
    )
    return [thing for page in pages for thing in page["things"]]


@pytest.mark.timeout(400)
def test_killed_mid_provisioning_it_leaves_no_duplicate(tracetrack: Stage, iot: object) -> None:
    others = set(_certificates(iot))
    tracetrack.kubectl("apply", "-f", "-", stdin=_fleet("indore", 60))
    try:
        for least in (5, 25):
            eventually(lambda least=least: len(set(_certificates(iot)) - others) >= least, 90, 0.2)
            tracetrack.kubectl(
                "delete", "pod", "-n", SYSTEM_NAMESPACE, "-l", OPERATOR, "--grace-period=0", "--force", "--wait=false"
            )
        tracetrack.wait_condition("sf", "indore", "default", 180)
        things = _things(iot, "indore")
        assert len(things) == len(set(things)) == 60
        assert len(set(_certificates(iot)) - others) == 60
        for thing in (things[0], things[-1]):
            assert len(iot.list_thing_principals(thingName=thing)["principals"]) == 1  # type: ignore[attr-defined]
    finally:
        tracetrack.kubectl("delete", "sf", "indore", "--timeout=180s")
    assert set(_certificates(iot)) == others


def test_kubectl_scale_provisions_and_retires(tracetrack: Stage, iot: object) -> None:
    tracetrack.kubectl("scale", "scannerfleet", "lucknow", "--replicas=8")
    tracetrack.wait_condition("sf", "lucknow", "default", 60)
    assert sorted(_things(iot, "lucknow"))[-1] == "demo_default_lucknow-0008"
    tracetrack.kubectl("scale", "scannerfleet", "lucknow", "--replicas=5")
    eventually(lambda: len(_things(iot, "lucknow")) == 5, 60)
    tracetrack.wait_condition("sf", "lucknow", "default", 60)
    assert sorted(_things(iot, "lucknow"))[-1] == "demo_default_lucknow-0005"


def test_a_bad_image_is_said_and_mended(tracetrack: Stage) -> None:
    tracetrack.kubectl("patch", "ttd", "demo", "--type=merge", "-p", '{"spec":{"version":"0.0.0-absent"}}')
    try:
        message = eventually(lambda: _condition(tracetrack, "demo", "ApplicationReady", "ImageUnavailable"), 90, 1)
        assert "tracetrack-app:0.0.0-absent" in message
        assert len(_ready_pods(tracetrack)) >= 2, "a bad image must not take the old pods away"
        events = tracetrack.kubectl("get", "events", "--field-selector", "involvedObject.name=demo")
        assert "ImageUnavailable" in events
    finally:
        tracetrack.kubectl("patch", "ttd", "demo", "--type=merge", "-p", '{"spec":{"version":"0.1.0"}}')
    tracetrack.wait_condition("ttd", "demo", "default", 120)


def test_a_missing_secret_is_said_and_mended(tracetrack: Stage) -> None:
    """The sample with a database and a cache that others run, here those of the demo.

    Its application never runs: it would give the demo's admin its own password.
    """
    postgresql, redis, deployment = yaml.safe_load_all(EXTERNAL.read_text())
    deployment["spec"] |= {"scaling": {"minReplicas": 1, "maxReplicas": 1}, "version": "0.0.0-absent"}
    _apply(tracetrack, deployment)
    try:
        message = eventually(lambda: _condition(tracetrack, "shop", "DatabaseReady", "SecretNotFound"), 30)
        assert "shop-postgresql" in message
        database = _filled_in(postgresql, tracetrack.secret("default", "demo-database-binding"))
        cache = _filled_in(redis, {"tls": "false", **tracetrack.secret("default", "demo-cache-binding")})
        wrong = {**database, "stringData": {**database["stringData"], "password": "not-the-password"}}
        _apply(tracetrack, wrong)
        _apply(tracetrack, cache)
        message = eventually(lambda: _condition(tracetrack, "shop", "DatabaseReady", "AuthenticationFailed"), 60)
        assert "not-the-password" not in message
        _apply(tracetrack, database)
        for condition in ("DatabaseReady", "CacheReady"):
            eventually(lambda condition=condition: _condition(tracetrack, "shop", condition, None, "True"), 60)
    finally:
        tracetrack.kubectl("delete", "ttd", "shop", "--timeout=60s")
        tracetrack.kubectl("delete", "secret", "shop-postgresql", "shop-redis", "--ignore-not-found")


def _filled_in(sample: dict[str, Any], values: dict[str, str]) -> dict[str, Any]:
    """The sample's Secret with another value for each of its keys."""
    return {**sample, "stringData": {key: values[key] for key in sample["stringData"]}}


def _apply(stage: Stage, manifest: dict[str, Any]) -> None:
    stage.kubectl("apply", "-f", "-", stdin=json.dumps(manifest))


def _condition(stage: Stage, name: str, type_: str, reason: str | None, status: str = "False") -> str | None:
    """The message of a condition when it has that status and reason."""
    for condition in stage.get("ttd", name).get("status", {}).get("conditions", []):
        if condition["type"] == type_ and condition["status"] == status and reason in (None, condition["reason"]):
            return str(condition["message"]) or "(no message)"
    return None


def _ready_pods(stage: Stage) -> list[str]:
    items = stage.get("pods", "-l", "app.kubernetes.io/instance=demo,app.kubernetes.io/component=app")["items"]
    return [
        item["metadata"]["name"]
        for item in items
        if any(c["type"] == "Ready" and c["status"] == "True" for c in item["status"].get("conditions", []))
    ]
