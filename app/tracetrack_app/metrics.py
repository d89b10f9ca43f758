"""What Prometheus scrapes at /metrics."""

from __future__ import annotations

from prometheus_client import REGISTRY, Counter, Gauge, Histogram, disable_created_metrics

disable_created_metrics()  # type: ignore[no-untyped-call]

_SECONDS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

REQUESTS = Counter("tracetrack_http_requests", "HTTP requests answered", ["method", "route", "status"])
LATENCY = Histogram("tracetrack_http_request_seconds", "Time to answer an HTTP request", ["route"], buckets=_SECONDS)
IN_FLIGHT = Gauge("tracetrack_http_requests_in_flight", "HTTP requests being answered now")
SCANS = Counter("tracetrack_scans", "Scans and undos by what they led to", ["outcome", "refusal"])
BATCH_SIZE = Histogram(
    "tracetrack_writer_batch_size", "Scans recorded by one statement", buckets=(1, 2, 4, 8, 16, 32, 64, 128)
)
QUEUE_DEPTH = Gauge("tracetrack_writer_queue_depth", "Scans waiting to be recorded")
OVERLOADED = Counter("tracetrack_writer_overloaded", "Scans turned away because the queue was full")
DATABASE_ERRORS = Counter(
    "tracetrack_database_errors", "Failed statements: connection (lost), race (retried), statement (refused)", ["kind"]
)
LOGINS = Counter("tracetrack_logins", "Log-ins by result: ok, refused, locked, limited, unavailable", ["result"])
READY = Gauge("tracetrack_ready", "1 while the app takes requests: database reached, schema current, not draining")
FLEETS = Gauge("tracetrack_fleets", "Scanner fleets whose keys are known")

__all__ = [
    "BATCH_SIZE",
    "DATABASE_ERRORS",
    "FLEETS",
    "IN_FLIGHT",
    "LATENCY",
    "LOGINS",
    "OVERLOADED",
    "QUEUE_DEPTH",
    "READY",
    "REGISTRY",
    "REQUESTS",
    "SCANS",
]
