"""A fleet to test with."""

from __future__ import annotations

from typing import Any

from tracetrack_operator.api.fleet import ScannerFleet
from tracetrack_operator.api.slice import ScannerState
from tracetrack_operator.fleet.names import FleetNames
from tracetrack_operator.fleet.slices import SliceRecord, certificate_file, key_file
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


def ready_slice(of: Target, index: int, replicas: int) -> SliceRecord:
    """A slice that is as it should be, in a fleet of so many."""
    record = SliceRecord(index, of.names.slice(index), thing_hash=of.thing_hash, slice_uid="s", secret_uid="k")
    for scanner in of.names.scanners(index, replicas):
        record.data |= {key_file(scanner): "k", certificate_file(scanner): "c"}
        record.update(of, scanner, state=ScannerState.READY, certificate_id=f"id-{scanner}")
    record.refresh(of, SETUP)
    return record
