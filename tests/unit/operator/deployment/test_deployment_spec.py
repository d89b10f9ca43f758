from __future__ import annotations

from typing import Any

import pytest

from tests.unit.operator.deployment.factory import inputs
from tracetrack_operator.deployment.specs.deployment import deployment


def at(manifest: Any, *path: str | int) -> Any:
    for step in path:
        manifest = manifest[step]
    return manifest


POD = ("spec", "template", "spec")
CONTAINER = (*POD, "containers", 0)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("spec", "strategy", "rollingUpdate"), {"maxSurge": 1, "maxUnavailable": 0}),
        (("spec", "minReadySeconds"), 5),
        ((*POD, "terminationGracePeriodSeconds"), 60),
        ((*POD, "automountServiceAccountToken"), False),
        ((*POD, "securityContext", "runAsNonRoot"), True),
        ((*POD, "securityContext", "runAsUser"), 10001),
        ((*POD, "securityContext", "seccompProfile"), {"type": "RuntimeDefault"}),
        ((*CONTAINER, "securityContext", "readOnlyRootFilesystem"), True),
        ((*CONTAINER, "securityContext", "allowPrivilegeEscalation"), False),
        ((*CONTAINER, "securityContext", "capabilities"), {"drop": ["ALL"]}),
        ((*CONTAINER, "lifecycle", "preStop"), {"sleep": {"seconds": 5}}),
        ((*CONTAINER, "readinessProbe", "httpGet", "path"), "/ready"),
        ((*CONTAINER, "livenessProbe", "httpGet", "path"), "/live"),
        ((*CONTAINER, "startupProbe", "httpGet", "path"), "/live"),
        ((*CONTAINER, "imagePullPolicy"), "IfNotPresent"),
        ((*CONTAINER, "envFrom"), [{"configMapRef": {"name": "demo-app"}}]),
    ],
)
def test_what_a_default_deployment_says(path: tuple[str | int, ...], value: object) -> None:
    assert at(deployment(inputs()), *path) == value


def test_the_number_of_pods_is_left_to_the_autoscaler() -> None:
    assert "replicas" not in deployment(inputs())["spec"]


def test_every_binding_is_a_read_only_mount_of_its_secret() -> None:
    pod = at(deployment(inputs()), *POD)
    secrets = {v["name"]: v["secret"]["secretName"] for v in pod["volumes"] if "secret" in v}
    mounts = {m["name"]: m for m in pod["containers"][0]["volumeMounts"]}
    assert secrets == {
        "database": "demo-database-binding",
        "cache": "demo-cache-binding",
        "admin": "demo-admin",
        "session": "demo-session",
        "fleets": "demo-fleet-keys",
    }
    for name in secrets:
        assert mounts[name] == {"name": name, "mountPath": f"/bindings/{name}", "readOnly": True}
    assert mounts["tmp"]["mountPath"] == "/tmp"


def test_pods_spread_over_nodes_and_zones_but_are_never_kept_from_running() -> None:
    spread = at(deployment(inputs()), *POD, "topologySpreadConstraints")
    assert [c["topologyKey"] for c in spread] == ["kubernetes.io/hostname", "topology.kubernetes.io/zone"]
    assert {c["whenUnsatisfiable"] for c in spread} == {"ScheduleAnyway"}


def test_the_selector_is_a_part_of_the_pods_labels() -> None:
    manifest = deployment(inputs())
    selector = manifest["spec"]["selector"]["matchLabels"]
    assert selector.items() <= manifest["spec"]["template"]["metadata"]["labels"].items()
    assert selector == {"tracetrack.io/deployment": "demo", "app.kubernetes.io/component": "app"}


def test_new_content_makes_a_new_template() -> None:
    first, second = deployment(inputs()), deployment(inputs(content="decaf"))
    assert first["spec"]["template"]["metadata"] != second["spec"]["template"]["metadata"]


def test_no_pre_stop_hook_for_zero_seconds() -> None:
    assert "lifecycle" not in at(deployment(inputs({"rollout": {"preStopSeconds": 0}})), *CONTAINER)


def test_what_the_spec_asks_for_is_what_the_pods_get() -> None:
    spec = {
        "image": {"pullPolicy": "Always", "pullSecrets": [{"name": "regcred"}]},
        "rollout": {"maxSurge": "25%", "maxUnavailable": 1, "terminationGracePeriodSeconds": 90},
        "resources": {"requests": {"cpu": "1"}, "limits": {"cpu": "2", "memory": "1Gi"}},
    }
    manifest = deployment(inputs(spec))
    assert at(manifest, *POD, "imagePullSecrets") == [{"name": "regcred"}]
    assert at(manifest, *CONTAINER, "imagePullPolicy") == "Always"
    assert at(manifest, "spec", "strategy", "rollingUpdate") == {"maxSurge": "25%", "maxUnavailable": 1}
    assert at(manifest, *POD, "terminationGracePeriodSeconds") == 90
    assert at(manifest, *CONTAINER, "resources") == {
        "requests": {"cpu": "1", "memory": "192Mi"},
        "limits": {"cpu": "2", "memory": "1Gi"},
    }
