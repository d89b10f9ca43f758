"""What admins look at when something is slow: the process, its connections, the database, the caches, the errors."""

from __future__ import annotations

import os
import resource
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from redis.exceptions import RedisError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tracetrack_app import __version__, metrics
from tracetrack_app.domain.people import Permission
from tracetrack_app.http.legacy.bill_shapes import number
from tracetrack_app.http.legacy.common import answered, asked, done
from tracetrack_app.http.replies import reply, service_of
from tracetrack_app.reload import vitals
from tracetrack_app.store.writer import UnavailableError

_began = time.monotonic()
_MAX_QUERIES = 100


def _memory() -> dict[str, int]:
    """Bytes: now, and the most there was."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    try:
        now = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        now = peak
    return {"resident_bytes": now, "peak_bytes": peak}


def _samples(prefix: str, label: str) -> dict[str, int]:
    """The counters of that name, by one of their labels."""
    found: dict[str, int] = {}
    for family in metrics.REGISTRY.collect():
        for sample in family.samples if family.name == prefix else ():
            if sample.name == f"{prefix}_total" and label in sample.labels:
                name = sample.labels[label]
                found[name] = found.get(name, 0) + int(sample.value)
    return found


def _errors(queue: int) -> dict[str, Any]:
    statuses = _samples("tracetrack_http_requests", "status")
    return {
        "server_errors": sum(count for status, count in statuses.items() if status.startswith("5")),
        "refused_requests": sum(count for status, count in statuses.items() if status.startswith("4")),
        "database_errors": _samples("tracetrack_database_errors", "kind"),
        "scans_waiting": queue,
    }


async def _redis_answers(request: Request) -> bool:
    try:
        await service_of(request).shared.hits("probe", 60)
    except RedisError:
        return False
    return True


@answered
async def system_health(request: Request) -> Response:
    """200 while the database answers, else 503; figures are of this replica since it started."""
    await asked(request, Permission.SYSTEM_HEALTH)
    service = service_of(request)
    body: dict[str, Any] = {
        "success": True,
        "status": "healthy",
        "version": __version__,
        "timestamp": datetime.now(UTC).isoformat(),
        "uptime_seconds": round(time.monotonic() - _began),
        "pool": service.vitals.pool(),
        "cache": {
            "reads": _samples("tracetrack_cache_reads", "level"),
            "redis_reachable": await _redis_answers(request),
        },
        "read_replica": service.standby.vitals(),
        "bindings": vitals(service.reloads),
        "memory": _memory(),
        "errors": _errors(service.writer.depth),
    }
    try:
        body["database"] = await service.vitals.database()
    except UnavailableError as error:
        body |= {"success": False, "status": "unhealthy", "message": str(error), "database": None}
    return done(request, reply(body, 200 if body["success"] else 503))


@answered
async def slow_queries(request: Request) -> Response:
    _, query = await asked(request, Permission.SYSTEM_HEALTH)
    limit = min(number(query.get("limit") or "20", "limit", 1), _MAX_QUERIES)
    source, queries = await service_of(request).vitals.slow_queries(limit)
    advice = (
        "Statements by the time they took in all, since the statistics were reset."
        if source == "pg_stat_statements"
        else "pg_stat_statements is not there: these are the statements that run now. Load it with"
        " shared_preload_libraries and CREATE EXTENSION pg_stat_statements to see what took long before."
    )
    body = {"success": True, "source": source, "analysis": advice, "queries": queries, "count": len(queries)}
    return done(request, reply(body))


ROUTES = [
    Route("/api/system_health", system_health),
    Route("/api/slow_queries", slow_queries),
]
