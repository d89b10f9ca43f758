"""Many fleets at once: all converge, at AWS's own rates and without one throttled call, and then cost nothing."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import pytest

from tests.aws.emulator import Emulator
from tests.cluster.controlplane import ControlPlane
from tests.integration.operator.conftest import eventually
from tests.integration.operator.fleets import API, Fleets
from tests.integration.operator.process import OperatorProcess

SCANNERS = 5
CERTIFICATES_PER_SECOND = 9.0
SET_UP_SECONDS = 60.0
IDLE_SECONDS = 15.0
IDLE_CORE = 0.02


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


@pytest.mark.timeout(400)
@pytest.mark.parametrize("count", [20, pytest.param(200, marks=pytest.mark.slow)])
def test_many_fleets_converge(
    control_plane: ControlPlane, aws: Emulator, namespace: str, operator: OperatorProcess, count: int
) -> None:
    fleets = Fleets(control_plane, aws, namespace)
    operator.kill()
    operator.start()
    aws.quotas(True)
    fleets.deployment()
    began = time.monotonic()
    names = [f"site-{number:03d}" for number in range(count)]
    for name in names:
        # Retained, since the quotas would make their removal the longest part of the test.
        fleets.create(name, SCANNERS, deletionPolicy="Retain")

    def all_ready() -> bool:
        listed = control_plane.request("GET", f"{API}/{namespace}/scannerfleets")["items"]
        ready = Counter(
            condition["status"]
            for fleet in listed
            for condition in (fleet.get("status") or {}).get("conditions", [])
            if condition["type"] == "Ready"
        )
        return ready["True"] == count

    slowest = count * SCANNERS / CERTIFICATES_PER_SECOND
    eventually(all_ready, timeout=slowest + SET_UP_SECONDS, interval=2.0)
    print(f"{count} fleets of {SCANNERS} scanners in {time.monotonic() - began:.0f} s, {slowest:.0f} s of it by quota")

    calls = aws.calls()
    made = Counter(call["operation"] for call in calls)
    wanted = count * SCANNERS
    assert (made["CreateThing"], made["CreateCertificateFromCsr"]) == (wanted, wanted)
    refused = Counter((call["operation"], call["error"]) for call in calls if call["error"])
    assert {error for _, error in refused} <= {"ResourceNotFoundException"}, refused
    assert len(fleets.certificates()) == len(fleets.all_things()) == wanted
    assert [entry for entry in operator.log() if entry["level"] == "error"] == []
    assert operator.metric("tracetrack_operator_reconcile_total", kind="ScannerFleet", outcome="crash") == 0

    eventually(lambda: operator.metric("tracetrack_operator_queue_depth") == 0)
    before, spent = len(aws.calls()), _cpu_seconds(operator.pid)
    time.sleep(IDLE_SECONDS)
    assert len(aws.calls()) == before
    assert _cpu_seconds(operator.pid) - spent < IDLE_SECONDS * IDLE_CORE

    control_plane.request("DELETE", f"{API}/{namespace}/scannerfleets")
    eventually(lambda: not control_plane.request("GET", f"{API}/{namespace}/scannerfleets")["items"], timeout=60)
