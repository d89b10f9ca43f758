from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.unit.operator.deployment.factory import (
    CACHE,
    DATABASE,
    REPOSITORY,
    dependency,
    fleet,
    observed,
    owner,
    pod,
    settled,
    stored,
)
from tests.unit.operator.deployment.test_fleet_keys import KEYS
from tracetrack_operator.api.deployment import ImageSpec
from tracetrack_operator.dependencies.protocol import Dependency
from tracetrack_operator.deployment.desired import desired, image
from tracetrack_operator.deployment.observe import Observed
from tracetrack_operator.deployment.plan import (
    MOUNTED_HASH,
    AddFinalizer,
    AnnotatePod,
    Plan,
    RaiseReplicas,
    make_plan,
)
from tracetrack_operator.engine.errors import RetryableError
from tracetrack_operator.engine.plan import Apply, Delete
from tracetrack_operator.manifests.parent import Parent


def plan(seen: Observed, finalizer: bool = False) -> Plan:
    return make_plan(seen, desired(seen, REPOSITORY), finalizer)


def applied(actions: Plan) -> list[str]:
    return [f"{a.manifest['kind']}/{a.manifest['metadata']['name']}" for a in actions if isinstance(a, Apply)]


def test_from_nothing_everything_is_applied_in_an_order_that_pods_can_start_in() -> None:
    order = applied(plan(observed()))
    assert order == [
        "ServiceAccount/demo-app",
        "Secret/demo-admin",
        "Secret/demo-session",
        "Secret/demo-fleet-keys",
        "ConfigMap/demo-app",
        "Secret/demo-database-binding",
        "Secret/demo-cache-binding",
        "Deployment/demo-app",
        "HorizontalPodAutoscaler/demo-app",
        "PodDisruptionBudget/demo-app",
        "NetworkPolicy/demo-app",
        "Service/demo-app",
    ]


def test_once_applied_nothing_is_left_to_do() -> None:
    assert not plan(settled())


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"version": "1.2.4"}, ["Deployment/demo-app"]),
        ({"scaling": {"maxReplicas": 7}}, ["HorizontalPodAutoscaler/demo-app"]),
        ({"settings": {"parentCapacity": 9}}, ["ConfigMap/demo-app", "Deployment/demo-app"]),
        ({"exposure": {"host": "a.example.com", "trustedProxies": []}}, ["Ingress/demo-app"]),
        ({"exposure": {"service": {"type": "NodePort"}}}, ["Service/demo-app"]),
        ({"networkPolicy": {"ingressNamespaceSelector": {"a": "b"}}}, ["NetworkPolicy/demo-app"]),
        ({"resources": {"requests": {"cpu": "500m"}}}, ["Deployment/demo-app"]),
    ],
)
def test_a_change_touches_what_it_concerns(spec: dict[str, Any], expected: list[str]) -> None:
    assert applied(plan(observed(owner(spec), children=list(settled().children.values())))) == expected


def test_an_ingress_no_longer_wanted_is_deleted_by_uid() -> None:
    before = settled(owner({"exposure": {"host": "a.example.com", "trustedProxies": []}}))
    actions = list(plan(observed(children=list(before.children.values()))))
    assert [(a.kind, a.name, a.uid) for a in actions if isinstance(a, Delete)] == [
        ("Ingress", "demo-app", "uid-Ingress-demo-app")
    ]
    assert len(actions) == 1


def test_what_is_going_already_is_not_deleted_again() -> None:
    before = settled(owner({"exposure": {"host": "a.example.com", "trustedProxies": []}}))
    for child in before.children.values():
        if child["kind"] == "Ingress":
            child["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert not plan(observed(children=list(before.children.values())))


@pytest.mark.parametrize(("replicas", "raised"), [(0, 2), (1, 2), (2, None), (17, None)])
def test_replicas_are_only_ever_raised_to_the_minimum(replicas: int, raised: int | None) -> None:
    seen = settled()
    seen.children["Deployment", "demo-app"]["spec"]["replicas"] = replicas
    found = [a.replicas for a in plan(seen) if isinstance(a, RaiseReplicas)]
    assert found == ([] if raised is None else [raised])
    assert not applied(plan(seen)), "applying must not scale against the autoscaler"


def test_without_bindings_no_pods_but_everything_else() -> None:
    order = applied(plan(observed(database=dependency(None))))
    assert "Deployment/demo-app" not in order
    assert "HorizontalPodAutoscaler/demo-app" not in order
    assert "Service/demo-app" in order


def test_a_database_out_of_reach_takes_nothing_from_running_pods() -> None:
    seen = replace(settled(), database=dependency(None))
    assert not plan(seen)


def test_children_of_a_dependency_that_could_not_be_looked_at_are_left_alone() -> None:
    server = stored(
        {
            "apiVersion": "apps/v1",
            "kind": "StatefulSet",
            "metadata": Parent.of(owner()).metadata("database", "database"),
        }
    )
    seen = settled()
    seen = replace(
        seen,
        children={**seen.children, ("StatefulSet", "demo-database"): server},
        database=Dependency.failed("Embedded", RetryableError("KubernetesUnreachable", "no answer")),
    )
    assert not plan(seen)
    determined = replace(seen, database=dependency(DATABASE))
    assert [a.name for a in plan(determined) if isinstance(a, Delete)] == ["demo-database"]


def test_pods_roll_when_a_binding_leads_elsewhere_and_not_for_what_they_take_while_they_run() -> None:
    seen = settled()
    elsewhere = replace(seen, cache=dependency(replace(CACHE, host="elsewhere")))
    assert applied(plan(elsewhere)) == ["Secret/demo-cache-binding", "Deployment/demo-app"]
    checked = replace(seen, database=dependency(replace(DATABASE, sslmode="verify-full", ca_crt="PEM")))
    assert applied(plan(checked)) == ["Secret/demo-database-binding", "Deployment/demo-app"]
    rotated = replace(seen, cache=dependency(replace(CACHE, password="another")))
    assert applied(plan(rotated)) == ["Secret/demo-cache-binding"]
    login = replace(seen, database=dependency(replace(DATABASE, username="tracetrack_b", password="another")))
    assert applied(plan(login)) == ["Secret/demo-database-binding"]
    assert applied(plan(replace(seen, fleets=(fleet(keys=KEYS),)))) == ["Secret/demo-fleet-keys"]


def test_the_hash_in_the_pod_template_depends_on_a_key_that_is_not_there() -> None:
    def content(seen: Observed) -> str:
        manifest = next(m for m in desired(seen, REPOSITORY).manifests if m["kind"] == "Deployment")
        return str(manifest["spec"]["template"]["metadata"]["annotations"]["tracetrack.io/content-hash"])

    assert content(observed()) != content(observed(session={"key": "another"}))


def test_pods_hear_of_new_fleet_keys_once_the_secret_has_them() -> None:
    pods = [pod(name) for name in ("demo-app-1", "demo-app-2", "demo-app-3")]
    pods[1]["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    for each, phase in zip(pods, ("Running", "Running", "Pending"), strict=True):
        each["status"] = {**each.get("status", {}), "phase": phase}
    before = settled()
    fresh = replace(before, fleets=(fleet(keys=KEYS),), pods={**before.pods, "app": tuple(pods)})
    assert not [a for a in plan(fresh) if isinstance(a, AnnotatePod)], "the Secret is still the old one"
    written = settled(fleets=(fleet(keys=KEYS),))
    written = replace(written, pods={**written.pods, "app": tuple(pods)})
    told = [a for a in plan(written) if isinstance(a, AnnotatePod)]
    assert [(a.name, a.uid) for a in told] == [("demo-app-1", "uid-demo-app-1")]
    pods[0]["metadata"]["annotations"] = {MOUNTED_HASH: told[0].value}
    assert not plan(written)


def test_the_finalizer_comes_first_and_once() -> None:
    actions = list(plan(observed(), finalizer=True))
    assert isinstance(actions[0], AddFinalizer)
    held = owner()
    held["metadata"]["finalizers"] = ["tracetrack.io/cleanup"]
    assert not any(isinstance(a, AddFinalizer) for a in plan(observed(held), finalizer=True))


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, "tracetrack-app:2.0"),
        ({"repository": "mirror/app"}, "mirror/app:2.0"),
        ({"digest": "sha256:" + "a" * 64}, "tracetrack-app@sha256:" + "a" * 64),
    ],
)
def test_images(spec: dict[str, Any], expected: str) -> None:
    assert image(ImageSpec.model_validate(spec), "2.0", "tracetrack-app") == expected


def test_no_plan_shows_a_secret() -> None:
    text = repr(plan(observed())) + "".join(a.describe() for a in plan(observed()))
    for word in ("pw-db", "pw-cache", "pw-admin", "pw-session", "cHctZGI"):
        assert word not in text
