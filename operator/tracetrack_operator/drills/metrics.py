"""What is measured of restore drills."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

from .decide import Happened, News
from .record import Record

LAST_SUCCESS = Gauge(
    "tracetrack_operator_drill_last_success_timestamp_seconds",
    "Time when the last restore drill that found no fault was over, since the epoch.",
    ["namespace", "name"],
)
RTO = Gauge(
    "tracetrack_operator_drill_rto_seconds",
    "Time that the last restore drill took until the restored database took a login.",
    ["namespace", "name"],
)
RPO = Gauge(
    "tracetrack_operator_drill_rpo_seconds",
    "Age of the snapshot that the last restore drill restored, when it began.",
    ["namespace", "name"],
)
DRILLS = Counter(
    "tracetrack_operator_drills_total", "Restore drills by outcome (passed, failed).", ["namespace", "name", "outcome"]
)


def measure(namespace: str, name: str, record: Record) -> None:
    """What the record says: it outlives the operator."""
    last = record.last
    given = (
        (LAST_SUCCESS, record.passed.timestamp() if record.passed is not None else None),
        (RTO, last.rto if last is not None else None),
        (RPO, last.rpo if last is not None else None),
    )
    for gauge, value in given:
        if value is not None:
            gauge.labels(namespace, name).set(value)


def count(namespace: str, name: str, news: News) -> None:
    if news.what is not Happened.STARTED:
        DRILLS.labels(namespace, name, str(news.what)).inc()


def forget(namespace: str, name: str) -> None:
    """Remove the series of an owner that is gone or has no drills."""
    for metric in (LAST_SUCCESS, RTO, RPO, DRILLS):
        metric.remove_by_labels({"namespace": namespace, "name": name})
