"""Scanning goes on, and nothing acknowledged is lost, whatever happens to the pods."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable

import pytest

from tests.demo import scan
from tests.demo.stage import Stage
from tests.e2e.scanners import Record, Scanners
from tests.e2e.waiting import eventually

ON_EITHER_SIDE = 100
_APART = 20_000
"""Parents between two groups of scanners: more than one uses up in a test."""
APP_PODS = "app.kubernetes.io/instance=demo,app.kubernetes.io/component=app"


def _unused_parent(stage: Stage) -> int:
    """The number after the highest that any parent SB00000 has: a kept cluster holds those of earlier runs."""
    rows = scan.query(stage, "SELECT coalesce(max(substr(code, 3)::int), 0) + 1 FROM bags WHERE code ~ '^SB[0-9]{5}$'")
    return int(rows[0][0])


async def _load_while(stage: Stage, keys: list[str], action: Callable[[], None]) -> Record:
    """Scan with every key while `action` runs in a thread, and until enough is acknowledged on either side of it."""
    stop = asyncio.Event()
    scanners = Scanners(stage.app_url, keys, first=_unused_parent(stage))
    running = asyncio.create_task(scanners.run(stop))
    try:
        await _acknowledged(running, scanners.record, ON_EITHER_SIDE)
        await asyncio.to_thread(action)
        await _acknowledged(running, scanners.record, len(scanners.record.acknowledged) + ON_EITHER_SIDE)
    finally:
        stop.set()
        record = await running
    return record


async def _acknowledged(running: asyncio.Task[Record], record: Record, count: int) -> None:
    """Wait for that many scans, however slow the machine is, unless the scanners have given up."""
    while len(record.acknowledged) < count and not running.done():
        await asyncio.sleep(0.1)


def _check_ledger(stage: Stage, record: Record) -> None:
    assert len(record.acknowledged) > 100, f"too little was scanned to prove anything: {len(record.acknowledged)}"
    rows = scan.query(stage, "SELECT scan_id, code FROM scan_ledger WHERE station = 'e2e' AND outcome <> 'refused'")
    held = {row[0]: row[1] for row in rows}
    lost = {scan_id: code for scan_id, code in record.acknowledged.items() if held.get(scan_id) != code}
    assert not lost, f"{len(lost)} of {len(record.acknowledged)} acknowledged scans are not in the ledger: {lost}"
    assert len(rows) == len(held), "a scan is in the ledger twice"
    assert not record.refused, record.refused
    wrong = scan.query(
        stage,
        "SELECT b.code, b.child_count, count(l.child_id) FROM bags b LEFT JOIN links l ON l.parent_id = b.id "
        "WHERE b.kind = 'parent' GROUP BY b.id HAVING b.child_count <> count(l.child_id)",
    )
    assert wrong == [], f"counters disagree with the links: {wrong}"


def _pods(stage: Stage) -> list[str]:
    items = stage.get("pods", "-l", APP_PODS, "--field-selector=status.phase=Running")["items"]
    return [item["metadata"]["name"] for item in items if "deletionTimestamp" not in item["metadata"]]


async def test_a_killed_pod_loses_no_acknowledged_scan(tracetrack: Stage, scanner_keys: list[str]) -> None:
    victim = random.choice(_pods(tracetrack))

    def kill() -> None:
        tracetrack.kubectl("delete", "pod", victim, "--grace-period=0", "--force", "--wait=false")
        eventually(lambda: len(_pods(tracetrack)) >= 2 and victim not in _pods(tracetrack), 60)

    record = await _load_while(tracetrack, scanner_keys, kill)
    _check_ledger(tracetrack, record)


@pytest.mark.timeout(500)
async def test_a_rolling_update_answers_every_request(tracetrack: Stage, scanner_keys: list[str]) -> None:
    """The autoscaler is held still, so that the number of pods to replace is always the same."""
    before = _two_pods(tracetrack)
    level = tracetrack.get("ttd", "demo")["spec"]["settings"]["logLevel"]
    other = {"spec": {"settings": {"logLevel": "DEBUG" if level == "INFO" else "INFO"}}}

    def roll() -> None:
        tracetrack.kubectl("patch", "ttd", "demo", "--type=merge", "-p", json.dumps(other))
        eventually(lambda: not before & set(_pods(tracetrack)), 240)
        tracetrack.wait_condition("ttd", "demo", "default", 60)

    try:
        record = await _load_while(tracetrack, scanner_keys, roll)
    finally:
        _scaling(tracetrack, maxReplicas=5)
    _check_ledger(tracetrack, record)
    assert record.errors == [], record.errors[:5]


@pytest.mark.timeout(900)
async def test_the_hpa_goes_up_under_load_and_the_new_pods_serve(tracetrack: Stage, scanner_keys: list[str]) -> None:
    """The target is lowered for the test, so that what the generator can send from two shared cores is a load."""
    before = _two_pods(tracetrack)
    _scaling(tracetrack, targetCPUUtilizationPercentage=20, maxReplicas=3)

    def wait_for_new_pods() -> None:
        eventually(lambda: tracetrack.get("hpa", "demo-app")["status"]["desiredReplicas"] > 2, 180, 2)
        eventually(lambda: _ready(tracetrack) - before, 180, 2)

    stop = asyncio.Event()
    first = _unused_parent(tracetrack)
    running = [asyncio.create_task(Scanners(tracetrack.app_url, scanner_keys * 6, pause=0, first=first).run(stop))]
    try:
        await asyncio.to_thread(wait_for_new_pods)
        new = _ready(tracetrack) - before
        # Who is connected stays with his pod: new ones get those who come.
        arriving = Scanners(tracetrack.app_url, scanner_keys * 4, first=first + _APART)
        running.append(asyncio.create_task(arriving.run(stop)))
        await asyncio.to_thread(eventually, lambda: any(_served(tracetrack, pod) for pod in new), 60, 2)
        await _acknowledged(running[1], arriving.record, 2 * ON_EITHER_SIDE)
    finally:
        stop.set()
        records = await asyncio.gather(*running)
        _scaling(tracetrack, targetCPUUtilizationPercentage=70, maxReplicas=5)
    for record in records:
        _check_ledger(tracetrack, record)


def _two_pods(stage: Stage) -> set[str]:
    """The pods, once the autoscaler has been told to keep to two."""
    _scaling(stage, maxReplicas=2)
    eventually(lambda: len(_pods(stage)) == 2, 120)
    return set(_pods(stage))


def _scaling(stage: Stage, **changes: int) -> None:
    stage.kubectl("patch", "ttd", "demo", "--type=merge", "-p", json.dumps({"spec": {"scaling": changes}}))


def _ready(stage: Stage) -> set[str]:
    items = stage.get("pods", "-l", APP_PODS)["items"]
    return {
        item["metadata"]["name"]
        for item in items
        if any(c["type"] == "Ready" and c["status"] == "True" for c in item["status"].get("conditions", []))
    }


def _served(stage: Stage, pod: str) -> bool:
    """Whether this pod itself has answered scans, by its own metrics."""
    fetch = "import urllib.request as r; print(r.urlopen('http://127.0.0.1:8080/metrics').read().decode())"
    text = stage.kubectl("exec", pod, "--", "python3", "-c", fetch)
    return any(
        line.rpartition(" ")[2] not in ("0", "0.0")
        for line in text.splitlines()
        if line.startswith("tracetrack_scans_total{")
    )
