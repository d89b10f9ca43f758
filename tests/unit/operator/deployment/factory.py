"""A TraceTrackDeployment and what is observed of it, for tests of builders, plans and conditions."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

from tracetrack_operator.api import ScannerFleet, TraceTrackDeployment
from tracetrack_operator.dependencies.binding import CacheBinding, DatabaseBinding
from tracetrack_operator.dependencies.protocol import Dependency, Verdict
from tracetrack_operator.deployment.desired import desired
from tracetrack_operator.deployment.observe import Observed
from tracetrack_operator.deployment.specs.fleet_keys import Fleet
from tracetrack_operator.deployment.specs.inputs import Inputs
from tracetrack_operator.engine.objects import Object
from tracetrack_operator.manifests.parent import Parent

REPOSITORY = "registry.test/tracetrack-app"
DATABASE = DatabaseBinding("embedded", "demo-database.shop.svc", 5432, "tracetrack", "tracetrack", "pw-db", "disable")
CACHE = CacheBinding("embedded", "demo-cache.shop.svc", 6379, password="pw-cache")


def owner(spec: dict[str, Any] | None = None, **metadata: Any) -> Object:
    """A TraceTrackDeployment shop/demo as the API server gives it; `spec` adds to or replaces its fields."""
    return {
        "apiVersion": "tracetrack.io/v1alpha1",
        "kind": "TraceTrackDeployment",
        "metadata": {"name": "demo", "namespace": "shop", "uid": "uid-demo", "generation": 3, **metadata},
        "spec": {
            "version": "1.2.3",
            "database": {"provider": "Embedded"},
            "cache": {"provider": "Embedded"},
            **(spec or {}),
        },
    }


def inputs(spec: dict[str, Any] | None = None, **changes: Any) -> Inputs:
    obj = owner(spec)
    basis = Inputs(
        parent=Parent.of(obj),
        spec=TraceTrackDeployment.parse(obj).spec,
        image=f"{REPOSITORY}:1.2.3",
        admin={"username": "admin", "password": "pw-admin"},
        session={"key": "pw-session"},
        fleet_keys={},
        database_port=5432,
        cache_port=6379,
        content="c0ffee",
    )
    return replace(basis, **changes)


def dependency(binding: DatabaseBinding | CacheBinding | None, **changes: Any) -> Dependency:
    basis = Dependency("Embedded", Verdict.ready("It runs."), binding=binding)
    return replace(basis, **changes)


def observed(
    obj: Object | None = None,
    children: list[Object] | None = None,
    pods: list[Object] | None = None,
    **changes: Any,
) -> Observed:
    obj = obj or owner()
    basis = Observed(
        owner=obj,
        parent=Parent.of(obj),
        resource=TraceTrackDeployment.parse(obj),
        children={(child["kind"], child["metadata"]["name"]): child for child in children or []},
        pods={"app": tuple(pods or []), "database": (), "cache": ()},
        fleets=(),
        admin={"username": "admin", "password": "pw-admin"},
        session={"key": "pw-session"},
        database=dependency(DATABASE),
        cache=dependency(CACHE),
    )
    return replace(basis, **changes)


def stored(manifest: Object, **extra: Any) -> Object:
    """A manifest as the API server keeps it."""
    live = copy.deepcopy(manifest)
    live["metadata"] |= {"uid": f"uid-{manifest['kind']}-{manifest['metadata']['name']}", "resourceVersion": "7"}
    return {**live, **extra}


def settled(obj: Object | None = None, **changes: Any) -> Observed:
    """What is observed once everything has been applied and the Deployment has its replicas."""
    before = observed(obj, **changes)
    children = [stored(manifest) for manifest in desired(before, REPOSITORY).manifests]
    for child in children:
        if child["kind"] == "Deployment":
            child["spec"]["replicas"] = before.resource.spec.scaling.min_replicas
    return replace(before, children={(c["kind"], c["metadata"]["name"]): c for c in children})


def pod(name: str, *, component: str = "app", status: dict[str, Any] | None = None, **metadata: Any) -> Object:
    labels = Parent.of(owner()).labels(component)
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "shop", "uid": f"uid-{name}", "labels": labels, **metadata},
        "status": status or {},
    }


def fleet(name: str = "lucknow", keys: str | None = None, **spec: Any) -> Fleet:
    return Fleet(
        ScannerFleet.parse(
            {
                "apiVersion": "tracetrack.io/v1alpha1",
                "kind": "ScannerFleet",
                "metadata": {"name": name, "namespace": "shop", "uid": f"uid-{name}"},
                "spec": {"deploymentRef": {"name": "demo"}, "replicas": 5, **spec},
            }
        ),
        keys,
    )
