"""Totals and histories in the shapes of the existing system."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tracetrack_app.domain.people import Permission
from tracetrack_app.http.legacy.common import answered, asked, done
from tracetrack_app.http.replies import Refused, reply, service_of


@answered
async def stats(request: Request) -> Response:
    """Totals; never cached yet, so never stale."""
    service = service_of(request)
    await asked(request, Permission.DASHBOARD)
    totals = await service.reads.totals()
    statistics = {
        "total_parent_bags": totals.parents,
        "total_child_bags": totals.children,
        "total_scans": totals.scans,
        "total_bills": totals.bills,
        "total_products": totals.parents + totals.children,
        "active_dispatchers": totals.dispatchers,
        "status_counts": totals.parents_by_status,
        "cache_updated": totals.at.isoformat(),
    }
    return done(request, reply({"success": True, "statistics": statistics, "cached": False}))


@answered
async def scans(request: Request) -> Response:
    """The newest accepted scans."""
    service = service_of(request)
    await asked(request, Permission.DASHBOARD)
    limit = request.query_params.get("limit", "50")
    if not (limit.isascii() and limit.isdigit() and int(limit[:9]) >= 1):
        raise Refused(400, "limit must be a whole number of at least 1.", error_code="bad_request")
    rows = await service.reads.recent_scans(int(limit[:9]))
    found = [
        {
            "id": row.id,
            "timestamp": row.at.isoformat(),
            "product_qr": row.code,
            "product_name": f"{row.kind.capitalize()} bag {row.code}",
            "type": row.kind,
            "username": row.username,
        }
        for row in rows
    ]
    return done(request, reply({"success": True, "scans": found, "count": len(found)}))


ROUTES = [
    Route("/api/stats", stats),
    Route("/api/v2/stats", stats),
    Route("/api/scans", scans),
]
