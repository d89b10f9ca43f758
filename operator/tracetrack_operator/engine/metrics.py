"""Prometheus metrics that every kind has."""

from prometheus_client import Counter, Gauge, Histogram

RECONCILES = Counter(
    "tracetrack_operator_reconcile_total",
    "Reconciles by kind and outcome (ok, waiting, terminal, retryable, crash).",
    ["kind", "outcome"],
)
RECONCILE_SECONDS = Histogram(
    "tracetrack_operator_reconcile_duration_seconds",
    "Wall time of one reconcile.",
    ["kind"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300),
)
ACTIONS = Counter("tracetrack_operator_actions_total", "Plan actions executed, by type.", ["kind", "action"])
STATUS_WRITES = Counter("tracetrack_operator_status_writes_total", "Status writes, by kind.", ["kind"])
EVENTS = Counter(
    "tracetrack_operator_events_total", "Kubernetes Events emitted, by type and reason.", ["type", "reason"]
)
QUEUE_DEPTH = Gauge("tracetrack_operator_queue_depth", "Keys that wait for a worker.")
QUEUE_OLDEST = Gauge("tracetrack_operator_queue_oldest_seconds", "How long the longest-waiting key has waited.")
CACHED = Gauge("tracetrack_operator_cached_objects", "Objects held in the cache, by kind.", ["kind"])
CONDITION = Gauge(
    "tracetrack_operator_condition",
    "1 for the status that a condition of an object has now, 0 for the others.",
    ["kind", "namespace", "name", "type", "status"],
)
RESYNCS = Counter("tracetrack_operator_resyncs_total", "Full resyncs from a LIST, by outcome.", ["outcome"])

STATUSES = ("True", "False", "Unknown")


def record_conditions(kind: str, namespace: str, name: str, conditions: list[dict[str, str]]) -> None:
    for condition in conditions:
        for status in STATUSES:
            value = 1 if condition["status"] == status else 0
            CONDITION.labels(kind, namespace, name, condition["type"], status).set(value)


def forget_conditions(kind: str, namespace: str, name: str) -> None:
    """Remove the series of an object that is gone."""
    CONDITION.remove_by_labels({"kind": kind, "namespace": namespace, "name": name})
