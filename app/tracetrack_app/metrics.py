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
BINDING_RELOADS = Counter("tracetrack_binding_reloads", "Changed bindings that were taken", ["dependency"])
READY = Gauge("tracetrack_ready", "1 while the app takes requests: database reached, schema current, not draining")
FLEETS = Gauge("tracetrack_fleets", "Scanner fleets whose keys are known")
CACHE_READS = Counter(
    "tracetrack_cache_reads",
    "Reads by the level that answered: process, redis, database (not cached), bypass (the cache was off)",
    ["level"],
)
CACHE_ENTRIES = Gauge("tracetrack_cache_entries", "Values kept in this process")
CACHE_LEASE = Gauge("tracetrack_cache_lease", "1 while this replica may answer from its caches")
CACHE_PRELOADED = Gauge("tracetrack_cache_preloaded", "Bags put into Redis by the pre-load of this replica")
INVALIDATIONS = Counter("tracetrack_cache_invalidations", "Keys dropped because what they stand for changed")
COHERENCE_WAIT = Histogram(
    "tracetrack_cache_acknowledgement_seconds",
    "Time from a commit until no replica can answer with what was before",
    buckets=(0.0005, 0.001, *_SECONDS),
)
REPORTS = Counter("tracetrack_reports", "Lists, reports and exports by what they were read from", ["source"])
STANDBY_LAG = Gauge("tracetrack_standby_lag_seconds", "How far the read replica is behind at most; NaN when unknown")
STANDBY_FALLBACKS = Counter(
    "tracetrack_standby_fallbacks",
    "Reads begun on the read replica and done on the primary: behind, own_change, promoted, foreign, lost, conflict,"
    " error",
    ["reason"],
)
SOCKETS = Gauge("tracetrack_event_sockets", "Open sockets of live events")
EVENTS = Counter("tracetrack_events", "Live events for sockets: sent, dropped (the socket was too slow)", ["fate"])

__all__ = [
    "BATCH_SIZE",
    "BINDING_RELOADS",
    "CACHE_ENTRIES",
    "CACHE_LEASE",
    "CACHE_PRELOADED",
    "CACHE_READS",
    "COHERENCE_WAIT",
    "DATABASE_ERRORS",
    "EVENTS",
    "FLEETS",
    "INVALIDATIONS",
    "IN_FLIGHT",
    "LATENCY",
    "LOGINS",
    "OVERLOADED",
    "QUEUE_DEPTH",
    "READY",
    "REGISTRY",
    "REPORTS",
    "REQUESTS",
    "SCANS",
    "SOCKETS",
    "STANDBY_FALLBACKS",
    "STANDBY_LAG",
]
