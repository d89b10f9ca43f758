"""Prometheus metrics of the fleets."""

from collections import Counter as Tally
from collections.abc import Iterable

from prometheus_client import Counter, Gauge

from ..api.slice import ScannerState

SCANNERS = Gauge("tracetrack_operator_fleet_scanners", "Scanners of a fleet by state.", ["namespace", "name", "state"])
DESIRED = Gauge("tracetrack_operator_fleet_desired_scanners", "Scanners asked for.", ["namespace", "name"])
CERTIFICATES = Counter("tracetrack_operator_certificates_issued_total", "Certificates that AWS IoT issued to us.")
SWEEPS = Counter(
    "tracetrack_operator_certificate_sweeps_total",
    "Searches of the account's certificates for those whose answer was lost.",
)
ORPHANS = Counter(
    "tracetrack_operator_certificate_orphans_total",
    "Certificates that a search found, by what became of them (adopted, removed).",
    ["outcome"],
)


def record_scanners(namespace: str, name: str, desired: int, states: Iterable[ScannerState]) -> None:
    tally = Tally(states)
    DESIRED.labels(namespace, name).set(desired)
    for state in ScannerState:
        SCANNERS.labels(namespace, name, state.value).set(tally[state])


def forget_fleet(namespace: str, name: str) -> None:
    """Remove the series of a fleet that is gone."""
    SCANNERS.remove_by_labels({"namespace": namespace, "name": name})
    DESIRED.remove_by_labels({"namespace": namespace, "name": name})
