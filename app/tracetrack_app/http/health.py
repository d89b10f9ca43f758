"""Whether it lives, whether it can work, and what Prometheus scrapes."""

from __future__ import annotations

from datetime import UTC, datetime

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from tracetrack_app import metrics
from tracetrack_app.http.replies import reply, service_of


def _body(status: str, message: str, **more: str) -> dict[str, str]:
    return {"status": status, "message": message, "timestamp": datetime.now(UTC).isoformat(), **more}


async def live(request: Request) -> Response:
    """200 as long as the process answers at all."""
    return reply(_body("alive", "The process runs."))


async def ready(request: Request) -> Response:
    """503 with the reason while starting, without its database, or stopping."""
    problem = await service_of(request).problem()
    if problem is not None:
        return reply(_body("not_ready", problem), 503, {"Retry-After": "1"})
    return reply(_body("ready", "Ready to take scans."))


async def health(request: Request) -> Response:
    """200 when healthy; with check_db=true also asks the database."""
    if request.query_params.get("check_db", "").lower() not in ("true", "1", "yes"):
        return reply(_body("healthy", "TraceTrack is running."))
    service = service_of(request)
    problem = await service.database_problem()
    if problem is not None:
        return reply(_body("unhealthy", problem, database="disconnected"), 503)
    return reply(_body("healthy", "TraceTrack is running.", database="connected"))


async def exposition(request: Request) -> Response:
    """Prometheus text format; 404 to what comes through an ingress, whose clients it does not concern."""
    if "x-forwarded-for" in request.headers:
        return reply({"detail": "Not Found"}, 404)
    metrics.QUEUE_DEPTH.set(service_of(request).writer.depth)
    return Response(generate_latest(metrics.REGISTRY), media_type=CONTENT_TYPE_LATEST)


async def root(request: Request) -> Response:
    """A browser goes to work; whatever else asks gets a sign of life."""
    if "text/html" not in request.headers.get("accept", ""):
        return reply({"status": "ok"})
    session = service_of(request).sessions.read(request)
    known = session is not None and session.user_id is not None
    return RedirectResponse("/dashboard" if known else "/login", 302)


ROUTES = [
    Route("/", root),
    Route("/live", live),
    Route("/ready", ready),
    Route("/health", health),
    Route("/status", health),
    Route("/api/health", health),
    Route("/metrics", exposition),
]
