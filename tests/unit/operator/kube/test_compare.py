from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tracetrack_operator.kube.compare import APPLIED_HASH, difference, with_hash

MANIFEST: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "demo-app", "namespace": "shop", "labels": {"app": "demo"}},
    "spec": {
        "replicas": 2,
        "minReadySeconds": 0,
        "paused": None,
        "template": {
            "spec": {
                "automountServiceAccountToken": False,
                "securityContext": {},
                "tolerations": [],
                "containers": [
                    {
                        "name": "app",
                        "image": "tracetrack-app:0.1.0",
                        "args": ["--port", "8080"],
                        "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}, {"name": "C", "value": ""}],
                        "resources": {"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"cpu": 1}},
                    }
                ],
                "volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}}],
            }
        },
    },
}


def stored() -> tuple[dict[str, Any], dict[str, Any]]:
    """The desired manifest and what the API server made of it: defaults, other spellings, nothing of the empty."""
    desired = with_hash(MANIFEST)
    live = copy.deepcopy(desired)
    live["metadata"] |= {"uid": "u", "resourceVersion": "7", "managedFields": [{"manager": "tracetrack-operator"}]}
    live["spec"]["strategy"] = {"type": "RollingUpdate"}
    del live["spec"]["paused"], live["spec"]["minReadySeconds"]
    pod = live["spec"]["template"]["spec"]
    del pod["tolerations"]
    pod["securityContext"] = None
    pod["dnsPolicy"] = "ClusterFirst"
    container = pod["containers"][0]
    del container["env"][2]["value"]
    container["imagePullPolicy"] = "IfNotPresent"
    container["resources"] = {"requests": {"cpu": "0.5", "memory": "1024Mi"}, "limits": {"cpu": "1"}}
    return desired, live


def container(live: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = live["spec"]["template"]["spec"]["containers"][0]
    return found


def test_defaults_quantities_and_empty_fields_are_no_difference() -> None:
    desired, live = stored()
    assert difference(desired, live) is None


def test_what_is_not_there_is_missing() -> None:
    assert difference(with_hash(MANIFEST), None) == "missing"


def test_a_field_that_is_no_longer_set_is_noticed() -> None:
    _, live = stored()
    less = copy.deepcopy(MANIFEST)
    del less["metadata"]["labels"]
    assert difference(with_hash(less), live) == "changed"


def test_the_hash_ignores_the_order_of_keys_and_nothing_else() -> None:
    turned = {key: MANIFEST[key] for key in reversed(MANIFEST)}
    assert with_hash(turned)["metadata"] == with_hash(MANIFEST)["metadata"]
    other = copy.deepcopy(MANIFEST)
    other["spec"]["replicas"] = 3
    assert with_hash(other)["metadata"] != with_hash(MANIFEST)["metadata"]
    assert APPLIED_HASH not in MANIFEST["metadata"].get("annotations", {}), "the manifest given is left as it is"


def test_annotations_of_the_manifest_are_kept() -> None:
    manifest = copy.deepcopy(MANIFEST)
    manifest["metadata"]["annotations"] = {"a": "b"}
    assert with_hash(manifest)["metadata"]["annotations"].keys() == {"a", APPLIED_HASH}


@pytest.mark.parametrize(
    ("edit", "where"),
    [
        (lambda live: live["spec"].update(replicas=5), ".spec.replicas"),
        (lambda live: live["metadata"]["labels"].clear(), ".metadata.labels.app"),
        (
            lambda live: live["spec"]["template"]["spec"].pop("automountServiceAccountToken"),
            ".spec.template.spec.automountServiceAccountToken",
        ),
        (lambda live: container(live).update(image="evil:1"), ".spec.template.spec.containers[app].image"),
        (
            lambda live: container(live)["env"].pop(0),
            ".spec.template.spec.containers[app].env",
        ),
        (
            lambda live: container(live)["env"][1].update(value="3"),
            ".spec.template.spec.containers[app].env[B].value",
        ),
        (lambda live: container(live).update(args=["--port", "9"]), ".spec.template.spec.containers[app].args[1]"),
        (
            lambda live: container(live)["resources"]["requests"].update(memory="1025Mi"),
            ".spec.template.spec.containers[app].resources.requests.memory",
        ),
        (
            lambda live: container(live)["resources"].pop("limits"),
            ".spec.template.spec.containers[app].resources.limits",
        ),
        (
            lambda live: live["spec"]["template"]["spec"]["volumes"][0]["emptyDir"].update(sizeLimit="65Mi"),
            ".spec.template.spec.volumes[tmp].emptyDir.sizeLimit",
        ),
    ],
)
def test_an_edit_by_hand_is_found_and_its_place_named(edit: Callable[[dict[str, Any]], Any], where: str) -> None:
    desired, live = stored()
    edit(live)
    assert difference(desired, live) == f"edited at {where}"


def test_named_lists_are_compared_by_name_and_may_hold_more() -> None:
    desired, live = stored()
    container(live)["env"].insert(0, {"name": "INJECTED", "value": "x"})
    container(live)["env"].reverse()
    assert difference(desired, live) is None
