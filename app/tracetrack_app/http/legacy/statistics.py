"""Totals, histories and the day's work in the shapes of the existing system; for a dispatcher, those of his area."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tracetrack_app.domain.people import Permission
from tracetrack_app.http.legacy.bill_shapes import number
from tracetrack_app.http.legacy.common import answered, asked, done
from tracetrack_app.http.replies import Refused, reply, service_of
from tracetrack_app.store.activity import RecentScan, Totals

MAX_DAYS = 366


def _totals(totals: Totals) -> dict[str, Any]:
    return {
        "total_parent_bags": totals.parents,
        "total_child_bags": totals.children,
        "total_scans": totals.scans,
        "total_bills": totals.bills,
        "total_products": totals.parents + totals.children,
        "active_dispatchers": totals.dispatchers,
        "status_counts": totals.parents_by_status,
    }


def scan_of(scan: RecentScan) -> dict[str, Any]:
    return {
        "id": scan.id,
        "timestamp": scan.at.isoformat(),
        "product_qr": scan.code,
        "product_name": f"{scan.kind.capitalize()} bag {scan.code}",
        "type": scan.kind,
        "username": scan.username,
    }


@answered
async def stats(request: Request) -> Response:
    """Totals, counted after the request came; `cached` when another request had them counted."""
    who, _ = await asked(request, Permission.DASHBOARD)
    totals, shared = await service_of(request).activity.shared_totals(who.scope)
    statistics = {**_totals(totals), "cache_updated": totals.at.isoformat()}
    return done(request, reply({"success": True, "statistics": statistics, "cached": shared}))


@answered
async def statistics(request: Request) -> Response:
    """The old page's totals, for those who are logged in."""
    who, _ = await asked(request, Permission.DASHBOARD)
    totals = await service_of(request).activity.totals(who.scope)
    body = {
        "success": True,
        "total_bags": totals.parents + totals.children,
        "total_scans": totals.scans,
        "total_bills": totals.bills,
        "total_users": totals.users,
        "status": "ok",
    }
    return done(request, reply(body))


async def _recent(request: Request) -> list[RecentScan]:
    who, query = await asked(request, Permission.DASHBOARD)
    limit = number(query.get("limit") or "50", "limit", 1)
    before = number(query["before"], "before", 1) if query.get("before") else None
    return await service_of(request).activity.recent(who.scope, limit, before=before)


@answered
async def scans(request: Request) -> Response:
    """The newest accepted scans, at most 1000; `before` (an id) goes further back."""
    found = [scan_of(scan) for scan in await _recent(request)]
    return done(request, reply({"success": True, "scans": found, "count": len(found)}))


@answered
async def recent_scans(request: Request) -> Response:
    """As `scans`, with the names that the dashboard's script reads beside them."""
    found = [
        {
            **scan_of(scan),
            "user": scan.username,
            "bag_qr": scan.code,
            "outcome": scan.outcome,
            "parent_qr": scan.parent,
            "bill_id": scan.bill,
        }
        for scan in await _recent(request)
    ]
    return done(request, reply({"success": True, "scans": found, "count": len(found)}))


def _days(text: str) -> int:
    count = number(text, "days", 1)
    if count > MAX_DAYS:
        raise Refused(400, f"days must be at most {MAX_DAYS}.", error_code="bad_request")
    return count


@answered
async def activity(request: Request) -> Response:
    """The accepted scans of each of the last days, today the last; days without any too."""
    who, _ = await asked(request, Permission.DASHBOARD)
    days = await service_of(request).activity.days(who.scope, _days(request.path_params["days"]))
    body = {
        "success": True,
        "activity": [{"date": day.isoformat(), "scan_count": count} for day, count in days],
        "start_date": days[0][0].isoformat(),
        "end_date": days[-1][0].isoformat(),
    }
    return done(request, reply(body))


@answered
async def analytics(request: Request) -> Response:
    """Today in figures: by the hour of the service's time zone, by role, and what was scanned last."""
    who, _ = await asked(request, Permission.DASHBOARD)
    service = service_of(request)
    today = await service.activity.today(who.scope)
    busiest = max(today.hours)
    body = {
        "success": True,
        "totals": _totals(await service.activity.totals(who.scope)),
        "date": today.day.isoformat(),
        "timezone": service.settings.timezone,
        "scans_today": sum(today.hours),
        "hourly_scans": today.hours,
        "peak_hour": today.hours.index(busiest) if busiest else None,
        "recent_activity": [scan_of(scan) for scan in await service.activity.recent(who.scope, 10)],
        "by_role": today.roles,
        "user": {"username": who.username, "role": who.role.value, "dispatch_area": who.scope},
    }
    return done(request, reply(body))


@answered
async def productivity(request: Request) -> Response:
    """One's own work: each of the last `days` (7), today, and the sums."""
    who, query = await asked(request, Permission.OWN_HISTORY)
    service = service_of(request)
    days = await service.activity.work_of(who.user_id, _days(query.get("days") or "7"))
    lines = [
        {
            "date": line.day.isoformat(),
            "scans": line.accepted,
            "refused": line.refused,
            "parents_created": line.parents_created,
            "children_created": line.children_created,
        }
        for line in days
    ]
    worked = [line for line in days if line.accepted]
    total = sum(line.accepted for line in days)
    body = {
        "success": True,
        "username": who.username,
        "days": lines,
        "today": lines[-1],
        "total_scans": total,
        "total_refused": sum(line.refused for line in days),
        "days_worked": len(worked),
        "average_per_day": round(total / len(worked), 1) if worked else 0,
        "best_day": max(worked, key=lambda line: line.accepted).day.isoformat() if worked else None,
        "recent_scans": [scan_of(scan) for scan in await service.activity.recent(who.scope, 20, user=who.user_id)],
    }
    return done(request, reply(body))


ROUTES = [
    Route("/api/stats", stats),
    Route("/api/v2/stats", stats),
    Route("/api/statistics", statistics),
    Route("/api/scans", scans),
    Route("/api/scans/recent", recent_scans),
    Route("/api/activity/{days}", activity),
    Route("/api/dashboard/analytics", analytics),
    Route("/api/my/productivity", productivity),
]
