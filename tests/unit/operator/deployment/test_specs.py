"""The smaller builders."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.operator.deployment.factory import CACHE, DATABASE, inputs
from tracetrack_operator.deployment.specs import secrets
from tracetrack_operator.deployment.specs.autoscaler import autoscaler
from tracetrack_operator.deployment.specs.config_map import config_map
from tracetrack_operator.deployment.specs.disruption_budget import disruption_budget
from tracetrack_operator.deployment.specs.ingress import ingress
from tracetrack_operator.deployment.specs.network_policy import app_network_policy
from tracetrack_operator.deployment.specs.service import service
from tracetrack_operator.deployment.specs.service_account import service_account
from tracetrack_operator.manifests.secret import values

BUILDERS = [
    service_account,
    config_map,
    secrets.admin_secret,
    secrets.session_secret,
    secrets.fleet_keys_secret,
    autoscaler,
    disruption_budget,
    service,
    app_network_policy,
]


@pytest.mark.parametrize("build", BUILDERS, ids=lambda build: build.__name__)
def test_every_child_has_its_owner_and_its_labels(build: Any) -> None:
    metadata = build(inputs())["metadata"]
    assert metadata["namespace"] == "shop"
    assert metadata["name"].startswith("demo-")
    assert metadata["ownerReferences"] == [
        {
            "apiVersion": "tracetrack.io/v1alpha1",
            "kind": "TraceTrackDeployment",
            "name": "demo",
            "uid": "uid-demo",
            "controller": True,
            "blockOwnerDeletion": True,
        }
    ]
    assert metadata["labels"] == {
        "app.kubernetes.io/name": "tracetrack",
        "app.kubernetes.io/instance": "demo",
        "app.kubernetes.io/component": "app",
        "app.kubernetes.io/part-of": "tracetrack",
        "app.kubernetes.io/managed-by": "tracetrack-operator",
        "tracetrack.io/deployment": "demo",
    }


def test_settings_reach_the_config_map() -> None:
    spec = {"settings": {"timezone": "Europe/Paris", "parentCapacity": 12, "logLevel": "DEBUG"}}
    assert config_map(inputs(spec))["data"] == {
        "SERVICE_BINDING_ROOT": "/bindings",
        "TRACETRACK_DEPLOYMENT": "demo",
        "TRACETRACK_NAMESPACE": "shop",
        "TRACETRACK_TIMEZONE": "Europe/Paris",
        "TRACETRACK_LOG_LEVEL": "DEBUG",
        "TRACETRACK_PARENT_CAPACITY": "12",
        "TRACETRACK_TRUSTED_PROXIES": "",
        "TRACETRACK_DRAIN_DELAY": "3",
    }


@pytest.mark.parametrize(
    ("exposure", "trusted"),
    [
        ({}, ""),
        ({"host": "a.example.com"}, "10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,100.64.0.0/10,fc00::/7"),
        ({"host": "a.example.com", "service": {"type": "NodePort"}}, ""),
        ({"trustedProxies": ["10.1.0.0/16", "192.0.2.7"]}, "10.1.0.0/16,192.0.2.7"),
        ({"host": "a.example.com", "trustedProxies": []}, ""),
    ],
)
def test_whose_forwarded_headers_are_believed(exposure: dict[str, Any], trusted: str) -> None:
    assert config_map(inputs({"exposure": exposure}))["data"]["TRACETRACK_TRUSTED_PROXIES"] == trusted


def test_the_autoscaler_follows_the_spec() -> None:
    spec = autoscaler(inputs({"scaling": {"minReplicas": 3, "maxReplicas": 9, "scaleDownStabilizationSeconds": 7}}))[
        "spec"
    ]
    assert (spec["minReplicas"], spec["maxReplicas"]) == (3, 9)
    assert spec["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": "demo-app"}
    targets = {m["resource"]["name"]: m["resource"]["target"]["averageUtilization"] for m in spec["metrics"]}
    assert targets == {"cpu": 70, "memory": 80}
    assert spec["behavior"]["scaleDown"]["stabilizationWindowSeconds"] == 7


def test_one_pod_at_a_time_may_be_evicted_even_of_one() -> None:
    spec = disruption_budget(inputs({"scaling": {"minReplicas": 1}}))["spec"]
    assert spec["maxUnavailable"] == 1
    assert "minAvailable" not in spec


@pytest.mark.parametrize(
    ("wanted", "type_", "node_port"),
    [
        ({}, "ClusterIP", None),
        ({"type": "NodePort"}, "NodePort", None),
        ({"type": "NodePort", "nodePort": 30080}, "NodePort", 30080),
        ({"type": "LoadBalancer"}, "LoadBalancer", None),
    ],
)
def test_service_types(wanted: dict[str, Any], type_: str, node_port: int | None) -> None:
    spec = service(inputs({"exposure": {"service": wanted}}))["spec"]
    assert spec["type"] == type_
    assert spec["ports"][0].get("nodePort") == node_port
    assert spec["ports"][0]["port"] == 80


def test_no_ingress_without_a_host() -> None:
    assert ingress(inputs()) is None


def test_an_ingress_with_tls() -> None:
    exposure = {
        "host": "scan.example.com",
        "ingressClassName": "nginx",
        "tls": {"secretName": "cert"},
        "annotations": {"a": "b"},
    }
    manifest = ingress(inputs({"exposure": exposure}))
    assert manifest is not None
    assert manifest["metadata"]["annotations"] == {"a": "b"}
    assert manifest["spec"]["ingressClassName"] == "nginx"
    assert manifest["spec"]["tls"] == [{"hosts": ["scan.example.com"], "secretName": "cert"}]
    path = manifest["spec"]["rules"][0]["http"]["paths"][0]
    assert path["backend"] == {"service": {"name": "demo-app", "port": {"name": "http"}}}


def test_embedded_servers_are_reached_by_their_pods_alone() -> None:
    manifest = app_network_policy(inputs())
    assert manifest is not None
    spec = manifest["spec"]
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    assert spec["ingress"] == [{"ports": [{"port": 8080, "protocol": "TCP"}]}]
    dns, database, cache = spec["egress"]
    assert {p["port"] for p in dns["ports"]} == {53}
    for rule, component, port in ((database, "database", 5432), (cache, "cache", 6379)):
        peer = {"tracetrack.io/deployment": "demo", "app.kubernetes.io/component": component}
        assert rule == {"ports": [{"port": port, "protocol": "TCP"}], "to": [{"podSelector": {"matchLabels": peer}}]}


def test_an_external_database_is_reached_anywhere_on_its_port() -> None:
    spec = {"database": {"provider": "External", "external": {"secretRef": {"name": "pg"}}}}
    manifest = app_network_policy(inputs(spec, database_port=6543))
    assert manifest is not None
    assert {"ports": [{"port": 6543, "protocol": "TCP"}]} in manifest["spec"]["egress"]


def test_nothing_is_opened_for_a_database_that_is_not_known_yet() -> None:
    manifest = app_network_policy(inputs(database_port=None, cache_port=None))
    assert manifest is not None
    assert len(manifest["spec"]["egress"]) == 1


def test_sources_can_be_narrowed_and_policies_left_out() -> None:
    wanted = {"networkPolicy": {"ingressNamespaceSelector": {"team": "edge"}}}
    manifest = app_network_policy(inputs(wanted))
    assert manifest is not None
    assert manifest["spec"]["ingress"][0]["from"] == [{"namespaceSelector": {"matchLabels": {"team": "edge"}}}]
    assert app_network_policy(inputs({"networkPolicy": {"enabled": False}})) is None


def test_binding_secrets_are_typed_and_complete() -> None:
    database = secrets.database_binding(inputs(), DATABASE)
    assert database["type"] == "servicebinding.io/postgresql"
    assert values(database) == DATABASE.data()
    cache = secrets.cache_binding(inputs(), CACHE)
    assert cache["metadata"]["labels"]["app.kubernetes.io/component"] == "cache"
    assert values(cache)["uri"] == "redis://:pw-cache@demo-cache.shop.svc:6379/0"
