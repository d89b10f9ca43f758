"""Prometheus metrics that every kind has."""

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence

from prometheus_client import REGISTRY, Counter, Gauge, Histogram, Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

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
RESYNCS = Counter("tracetrack_operator_resyncs_total", "Full resyncs from a LIST, by outcome.", ["outcome"])

STATUSES = ("True", "False", "Unknown")


class ConditionCollector(Collector):
    """Gives its series when asked: kept as such, those of thousands of objects would take most of the memory."""

    name = "tracetrack_operator_condition"
    documentation = "1 for the status that a condition of an object has now, 0 for the others."
    labels = ("kind", "namespace", "name", "type", "status")

    def __init__(self) -> None:
        self._held: dict[tuple[str, str, str], tuple[tuple[str, str], ...]] = {}

    def record(self, kind: str, namespace: str, name: str, conditions: Iterable[Mapping[str, str]]) -> None:
        # Interned, since there are few types and statuses and many objects.
        found = ((sys.intern(str(each["type"])), sys.intern(str(each["status"]))) for each in conditions)
        self._held[kind, namespace, name] = tuple(found)

    def forget(self, kind: str, namespace: str, name: str) -> None:
        """Remove the series of an object that is gone."""
        self._held.pop((kind, namespace, name), None)

    def collect(self) -> Iterator[Metric]:
        family = GaugeMetricFamily(self.name, self.documentation, labels=self.labels)
        for key, conditions in list(self._held.items()):
            for type_, now in conditions:
                for status in STATUSES:
                    family.add_metric((*key, type_, status), float(status == now))
        yield family


class ObjectGauge(Collector):
    """A gauge of every object, with labels `namespace`, `name` and `more`: in a tenth of a Gauge's memory."""

    def __init__(self, name: str, documentation: str, more: Sequence[str] = ()) -> None:
        self.name, self.documentation = name, documentation
        self.labels = ("namespace", "name", *more)
        self._held: dict[tuple[str, str], dict[tuple[str, ...], float]] = {}
        self._more: dict[tuple[str, ...], tuple[str, ...]] = {}
        REGISTRY.register(self)

    def set(self, value: float, namespace: str, name: str, *more: str) -> None:
        if len(more) + 2 != len(self.labels):
            raise ValueError(f"{self.name} has the labels {', '.join(self.labels)}")
        # There are few of them, and many objects.
        same = self._more.setdefault(more, more)
        self._held.setdefault((namespace, name), {})[same] = value

    def forget(self, namespace: str, name: str, *more: str) -> None:
        """Remove the series of an object, or those with the labels `more` alone."""
        held = self._held.pop((namespace, name), {})
        left = {key: value for key, value in held.items() if more and key[: len(more)] != more}
        if left:
            self._held[namespace, name] = left

    def collect(self) -> Iterator[Metric]:
        family = GaugeMetricFamily(self.name, self.documentation, labels=self.labels)
        for key, held in list(self._held.items()):
            for more, value in list(held.items()):
                family.add_metric((*key, *more), value)
        yield family


CONDITIONS = ConditionCollector()
REGISTRY.register(CONDITIONS)
