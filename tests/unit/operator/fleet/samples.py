"""A fleet to test with."""

from __future__ import annotations

from typing import Any

from tracetrack_operator.api.fleet import ScannerFleet
from tracetrack_operator.fleet.names import FleetNames
from tracetrack_operator.fleet.target import Setup, Signing, Target

GROUP_ARN = "arn:aws:iot:eu-central-1:123456789012:thinggroup/kind_north_lucknow"
SETUP = Setup(
    Signing("arn:aws:secretsmanager:eu-central-1:1:secret:x", (("1", bytes(range(32))),)), GROUP_ARN, "iot.test"
)


def fleet_object(replicas: int = 3, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "tracetrack.io/v1alpha1",
        "kind": "ScannerFleet",
        "metadata": {
            "name": "lucknow",
            "namespace": "north",
            "uid": "fleet-uid",
            "generation": 1,
            "creationTimestamp": "2026-11-01T00:00:00Z",
        },
        "spec": {"deploymentRef": {"name": "demo"}, "replicas": replicas, **spec},
    }


def target_of(obj: dict[str, Any]) -> Target:
    fleet = ScannerFleet.parse(obj)
    return Target(obj, fleet, FleetNames.of("kind", fleet))


def target(replicas: int = 3, **spec: Any) -> Target:
    return target_of(fleet_object(replicas, **spec))
