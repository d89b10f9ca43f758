"""A TraceTrackDeployment with provider Embedded, from its creation to its end."""

from __future__ import annotations

import contextlib
import json
import time
from typing import Any

import pytest

from tests.cluster.controlplane import ApiError, ControlPlane
from tests.integration.operator.conftest import eventually
from tests.integration.operator.deployments import Shop, waiting
from tests.integration.operator.process import OperatorProcess

CHILDREN = {
    "serviceaccounts": {"demo-app"},
    "configmaps": {"demo-app"},
    "deployments": {"demo-app"},
    "horizontalpodautoscalers": {"demo-app"},
    "poddisruptionbudgets": {"demo-app"},
    "services": {"demo-app", "demo-database", "demo-cache"},
    "statefulsets": {"demo-database", "demo-cache"},
    "networkpolicies": {"demo-app", "demo-database", "demo-cache"},
    "secrets": {
        "demo-admin",
        "demo-session",
        "demo-fleet-keys",
        "demo-database-credentials",
        "demo-cache-credentials",
        "demo-database-binding",
        "demo-cache-binding",
    },
}
OURS = "app.kubernetes.io/managed-by=tracetrack-operator"


@pytest.fixture
def shop(control_plane: ControlPlane, namespace: str, operator: OperatorProcess) -> Shop:
    return Shop(control_plane, namespace)


def children(shop: Shop) -> dict[str, dict[str, dict[str, Any]]]:
    return {
        plural: {item["metadata"]["name"]: item for item in shop.list(plural, OURS)}
        for plural in (*CHILDREN, "ingresses")
    }


def scaled_to(shop: Shop, replicas: int) -> bool:
    found = shop.find("deployments", "demo-app")
    return found is not None and found["spec"]["replicas"] == replicas


def test_every_child_is_made_and_owned_and_nothing_more(shop: Shop) -> None:
    made = shop.deploy()

    def all_there() -> dict[str, dict[str, dict[str, Any]]]:
        found = children(shop)
        assert {plural: set(items) for plural, items in found.items()} == {**CHILDREN, "ingresses": set()}
        return found

    for items in eventually(all_there).values():
        for child in items.values():
            assert child["metadata"]["ownerReferences"] == [
                {
                    "apiVersion": "tracetrack.io/v1alpha1",
                    "kind": "TraceTrackDeployment",
                    "name": "demo",
                    "uid": made["metadata"]["uid"],
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ]
    shop.wait("Ready", "False", "Progressing", "PostgreSQL")
    shop.run()
    told = shop.conditions()
    assert told["ApplicationReady"]["message"] == "2 of 2 replicas ready on version 0.1.0."
    assert "TLS is off" in told["DatabaseReady"]["message"]
    status = shop.get("tracetrackdeployments", "demo")["status"]
    assert (status["replicas"], status["readyReplicas"], status["version"]) == (2, 2, "0.1.0")
    assert status["database"] == {
        "provider": "Embedded",
        "endpoint": f"demo-database.{shop.namespace}.svc:5432",
        "state": "ready",
    }
    assert "finalizers" not in shop.get("tracetrackdeployments", "demo")["metadata"]


def test_bindings_hold_what_the_servers_were_given(shop: Shop) -> None:
    shop.deploy()
    eventually(lambda: shop.find("deployments", "demo-app"))
    credentials, binding = shop.secret("demo-database-credentials"), shop.secret("demo-database-binding")
    assert credentials["username"] == binding["username"] == "tracetrack"
    assert credentials["password"] == binding["password"]
    assert len(credentials["password"]) >= 32
    assert binding["sslmode"] == "disable"
    assert shop.secret("demo-cache-binding")["password"] == shop.secret("demo-cache-credentials")["password"]
    assert set(shop.secret("demo-admin")) == {"username", "password"}
    assert set(shop.secret("demo-session")) == {"key"}


def test_a_change_reaches_the_children(shop: Shop) -> None:
    shop.deploy()
    shop.run()
    shop.change(
        "tracetrackdeployments",
        "demo",
        version="0.1.1",
        scaling={"minReplicas": 3, "maxReplicas": 5},
        exposure={"host": "scan.example.com"},
    )

    def changed() -> None:
        deployment = shop.get("deployments", "demo-app")
        assert deployment["spec"]["template"]["spec"]["containers"][0]["image"] == "tracetrack-app:0.1.1"
        assert deployment["spec"]["replicas"] == 3
        autoscaler = shop.get("horizontalpodautoscalers", "demo-app")["spec"]
        assert (autoscaler["minReplicas"], autoscaler["maxReplicas"]) == (3, 5)
        assert shop.find("ingresses", "demo-app") is not None

    eventually(lambda: changed() is None, 10)
    shop.wait("Ready", "False", "Progressing", "Rolling out version 0.1.1")
    shop.run()

    def told() -> None:
        status = shop.get("tracetrackdeployments", "demo")["status"]
        assert (status.get("version"), status.get("url")) == ("0.1.1", "http://scan.example.com")

    eventually(lambda: told() is None, 10)
    shop.change("tracetrackdeployments", "demo", exposure={"host": None})
    eventually(lambda: shop.find("ingresses", "demo-app") is None, 10)


def test_applying_never_scales_against_the_autoscaler(shop: Shop) -> None:
    shop.deploy()
    eventually(lambda: scaled_to(shop, 2))
    scale = shop.path("deployments", "demo-app") + "/scale"

    def scaled() -> bool:
        wanted = shop.control_plane.request("GET", scale)
        wanted["spec"]["replicas"] = 7
        with contextlib.suppress(ApiError):
            return bool(shop.control_plane.request("PUT", scale, wanted))
        return False

    eventually(scaled)
    shop.change("tracetrackdeployments", "demo", version="0.1.2")

    def rolled() -> dict[str, Any]:
        found = shop.get("deployments", "demo-app")
        assert found["spec"]["template"]["spec"]["containers"][0]["image"].endswith(":0.1.2")
        return found

    assert eventually(rolled, 10)["spec"]["replicas"] == 7
    time.sleep(2)
    assert shop.get("deployments", "demo-app")["spec"]["replicas"] == 7


SELECTED = {"selector": {"matchLabels": {"app": "theirs"}}}
THEIRS: list[tuple[str, str, str, dict[str, Any]]] = [
    ("ConfigMap", "demo-app", "ApplicationReady", {"data": {"mine": "yes"}}),
    ("ServiceAccount", "demo-app", "ApplicationReady", {"automountServiceAccountToken": False}),
    ("PodDisruptionBudget", "demo-app", "ApplicationReady", {"spec": {"maxUnavailable": 3, **SELECTED}}),
    ("Service", "demo-cache", "CacheReady", {"spec": {"ports": [{"port": 1}]}}),
    (
        "StatefulSet",
        "demo-database",
        "DatabaseReady",
        {
            "spec": {
                "replicas": 0,
                "serviceName": "theirs",
                **SELECTED,
                "template": {
                    "metadata": {"labels": {"app": "theirs"}},
                    "spec": {"containers": [{"name": "theirs", "image": "theirs"}]},
                },
            }
        },
    ),
]


@pytest.mark.parametrize(("kind", "name", "condition", "content"), THEIRS, ids=[kind for kind, *_ in THEIRS])
def test_what_belongs_to_somebody_else_is_not_overwritten(
    shop: Shop, kind: str, name: str, condition: str, content: dict[str, Any]
) -> None:
    plural = f"{kind.lower()}s"
    shop.create(plural, {"metadata": {"name": name}, **content})
    theirs = shop.get(plural, name)
    shop.deploy()
    shop.wait(condition, "False", "OwnershipConflict", f"{kind} {name} exists and has no owner")
    assert {**shop.get(plural, name), "status": None, "metadata": None} == {**theirs, "status": None, "metadata": None}
    assert eventually(lambda: shop.events("OwnershipConflict"))
    shop.delete(plural, name)
    shop.run()


def test_deletion_takes_everything_that_is_owned(shop: Shop) -> None:
    shop.deploy(deletionPolicy="Delete")
    shop.run()
    shop.delete("tracetrackdeployments", "demo")
    eventually(lambda: shop.find("tracetrackdeployments", "demo") is None)
    eventually(lambda: not any(children(shop).values()), 60)
    eventually(lambda: not shop.list("pods", OURS), 60)


@pytest.mark.parametrize(("policy", "kept"), [("Snapshot", "Retain"), ("Retain", "Retain"), ("Delete", "Delete")])
def test_volumes_outlive_the_deployment_unless_told_otherwise(shop: Shop, policy: str, kept: str) -> None:
    shop.deploy(deletionPolicy=policy)
    found = eventually(lambda: shop.find("statefulsets", "demo-database"))
    assert found["spec"]["persistentVolumeClaimRetentionPolicy"] == {"whenDeleted": kept, "whenScaled": "Retain"}


def test_a_volume_that_cannot_grow_is_told(shop: Shop) -> None:
    shop.deploy()
    shop.run()
    eventually(lambda: shop.find("persistentvolumeclaims", "data-demo-database-0"))
    shop.change("tracetrackdeployments", "demo", database={"embedded": {"storage": "2Gi"}})
    shop.wait("DatabaseReady", "False", "VolumeNotExpanded", "data-demo-database-0 keeps its size")
    claim = shop.get("statefulsets", "demo-database")["spec"]["volumeClaimTemplates"][0]
    assert claim["spec"]["resources"]["requests"]["storage"] == "1Gi"


def test_suspension_stops_changes_and_keeps_the_status_honest(shop: Shop) -> None:
    shop.deploy()
    shop.run()
    shop.change("tracetrackdeployments", "demo", suspend=True, exposure={"host": "late.example.com"})
    shop.wait("Ready", "False", "Suspended", "apply Ingress")
    for pod in shop.pods("app"):
        shop.set_status("pods", pod["metadata"]["name"], waiting("app", "ErrImagePull", "tracetrack-app:0.1.0"))
    shop.wait("ApplicationReady", "False", "ImageUnavailable")
    assert shop.find("ingresses", "demo-app") is None
    shop.change("tracetrackdeployments", "demo", suspend=False)
    eventually(lambda: shop.find("ingresses", "demo-app"), 10)


def test_a_suspended_deployment_can_be_deleted(shop: Shop) -> None:
    shop.deploy(suspend=True)
    shop.wait("Ready", "False", "Suspended")
    assert not any(children(shop).values())
    shop.delete("tracetrackdeployments", "demo")
    eventually(lambda: shop.find("tracetrackdeployments", "demo") is None)


def test_a_bad_image_is_told_and_forgotten_once_mended(shop: Shop) -> None:
    shop.deploy(version="9.9.9")
    for pod in eventually(lambda: shop.pods("app")):
        shop.set_status("pods", pod["metadata"]["name"], waiting("app", "ImagePullBackOff", "tracetrack-app:9.9.9"))
    told = shop.wait("Ready", "False", "ImageUnavailable", "cannot get image tracetrack-app:9.9.9")
    assert "spec.version" in told["message"]
    warned = eventually(lambda: shop.events("ImageUnavailable"))
    assert warned[0]["type"] == "Warning"
    shop.change("tracetrackdeployments", "demo", version="0.1.0")
    shop.run()
    eventually(lambda: shop.get("tracetrackdeployments", "demo")["status"].get("version") == "0.1.0")


def test_pods_that_a_quota_refuses_are_told(shop: Shop) -> None:
    shop.create("resourcequotas", {"metadata": {"name": "tiny"}, "spec": {"hard": {"requests.cpu": "200m"}}})
    eventually(lambda: shop.get("resourcequotas", "tiny").get("status", {}).get("hard"))
    shop.deploy()
    shop.wait("ApplicationReady", "False", "QuotaExceeded", "tiny")
    shop.delete("resourcequotas", "tiny")
    shop.run(timeout=90)


def test_more_pods_than_the_nodes_take_leave_the_deployment_ready(shop: Shop) -> None:
    shop.deploy()
    shop.run()
    before = {pod["metadata"]["name"] for pod in shop.pods("app")}
    shop.change("deployments", "demo-app", replicas=3)
    [added] = eventually(lambda: [p for p in shop.pods("app") if p["metadata"]["name"] not in before])
    refusal = {
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": "0/1 nodes: Insufficient cpu.",
    }
    shop.set_status("pods", added["metadata"]["name"], {"phase": "Pending", "conditions": [refusal]})
    shop.wait("ScalingReady", "False", "Unschedulable", f"No node takes pod {added['metadata']['name']}: 0/1 nodes")
    shop.wait("Ready", "True")
    assert eventually(lambda: shop.events("Unschedulable"))[0]["type"] == "Warning"
    shop.run()
    shop.wait("ScalingReady", "True", words="3 replicas asked for")


def test_fleet_keys_reach_the_secret_and_then_the_pods(shop: Shop) -> None:
    shop.deploy()
    shop.run()
    key = "tracetrack.io/mounted-hash"
    eventually(lambda: all(key in (pod["metadata"].get("annotations") or {}) for pod in shop.pods("app")))
    before = {pod["metadata"]["name"]: pod["metadata"]["annotations"] for pod in shop.pods("app")}
    template = shop.get("deployments", "demo-app")["spec"]["template"]
    shop.create(
        "scannerfleets",
        {
            "apiVersion": "tracetrack.io/v1alpha1",
            "kind": "ScannerFleet",
            "metadata": {"name": "lucknow"},
            "spec": {"deploymentRef": {"name": "demo"}, "replicas": 2},
        },
    )
    eventually(lambda: shop.secret("demo-fleet-keys").get("lucknow.json"), 60)
    document = json.loads(shop.secret("demo-fleet-keys")["lucknow.json"])
    assert document["scanners"] == {"prefix": "lucknow-", "digits": 4, "count": 2}
    assert document["generations"] == {"default": 1}
    assert document["signingKeys"]

    def told() -> bool:
        return all(p["metadata"]["annotations"][key] != before[p["metadata"]["name"]][key] for p in shop.pods("app"))

    eventually(told, 15)
    assert shop.get("deployments", "demo-app")["spec"]["template"] == template, "new keys must not restart pods"
    assert shop.get("tracetrackdeployments", "demo")["status"]["fleets"] == 1
    shop.delete("scannerfleets", "lucknow")
    eventually(lambda: not shop.secret("demo-fleet-keys"), 60)


def test_a_namespace_can_be_deleted_with_a_deployment_in_it(shop: Shop) -> None:
    shop.deploy()
    shop.run()
    shop.control_plane.request("DELETE", f"/api/v1/namespaces/{shop.namespace}")
    eventually(lambda: shop.find("tracetrackdeployments", "demo") is None, 60)
    eventually(lambda: not any(children(shop).values()), 60)


def test_nothing_is_written_when_nothing_changes(shop: Shop, operator: OperatorProcess) -> None:
    shop.deploy()
    shop.run()
    operator.stop()
    operator.start(TRACETRACK_RESYNC_SECONDS="2")
    try:
        time.sleep(2)
        resyncs = operator.metric("tracetrack_operator_resyncs_total", outcome="ok")
        before = versions(shop)
        eventually(lambda: operator.metric("tracetrack_operator_resyncs_total", outcome="ok") >= resyncs + 2, 20)
        time.sleep(1)
        assert versions(shop) == before
    finally:
        operator.stop()


def versions(shop: Shop) -> dict[str, str]:
    """The resource versions of the deployment and its children; the autoscaler's own is its controller's to move."""
    plurals = [plural for plural in CHILDREN if plural != "horizontalpodautoscalers"]
    return {
        f"{plural}/{item['metadata']['name']}": item["metadata"]["resourceVersion"]
        for plural in ("tracetrackdeployments", *plurals)
        for item in shop.list(plural)
    }
