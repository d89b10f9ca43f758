"""The calls that stations and scripts of the existing system make, in its shapes.

A refusal by a rule is HTTP 200 with `success: false` and a `message`, as those clients expect.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from uuid import UUID, uuid4

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tracetrack_app.domain.codes import Kind, MalformedCodeError, parse_parent
from tracetrack_app.domain.outcomes import Entry, Outcome, Refusal, detail
from tracetrack_app.domain.scans import Actor
from tracetrack_app.http.auth.guard import check_csrf, signed_in
from tracetrack_app.http.replies import MAX_BODY, Refused, fields_of, reply, service_of
from tracetrack_app.ingest.scans import RawScan, submit, undo
from tracetrack_app.store.writer import UnavailableError

_Handler = Callable[[Request], Awaitable[Response]]
_CODE_NAMES = ("qr_code", "qr_id", "child_qr")
_PARENT_NAMES = ("parent_qr", "parent_qr_code", "parent_id")
SOURCE = "legacy"


def answered(handler: _Handler) -> _Handler:
    """Turns Refused and UnavailableError into their replies."""

    @functools.wraps(handler)
    async def wrapper(request: Request) -> Response:
        try:
            return await handler(request)
        except Refused as refused:
            return reply(refused.body, refused.status)
        except UnavailableError as error:
            body = {"success": False, "message": f"{error} Scan again.", "error_code": "unavailable"}
            return reply(body, 503, {"Retry-After": str(error.retry_after)})

    return wrapper


def _first(fields: Mapping[str, str], names: tuple[str, ...]) -> str | None:
    for name in names:
        if fields.get(name, "").strip():
            return fields[name]
    return None


def _scan_id(fields: Mapping[str, str]) -> UUID:
    text = fields.get("scan_id")
    if not text:
        return uuid4()
    try:
        return UUID(text)
    except ValueError:
        raise Refused(400, "scan_id is not a UUID.", error_code="bad_request") from None


def _is_parent_code(text: str) -> bool:
    try:
        parse_parent(text)
    except MalformedCodeError:
        return False
    return True


@answered
async def parent_scan(request: Request) -> Response:
    """Open or create a parent and make it the session's current one."""
    began = time.perf_counter()
    service = service_of(request)
    session = signed_in(request)
    fields = await fields_of(request)
    check_csrf(request, session, fields)
    code = _first(fields, ("qr_code", "qr_id", "parent_qr"))
    if code is None:
        raise Refused(400, "No QR code provided.", error_code="missing_data")
    raw = RawScan(
        _scan_id(fields),
        code,
        Actor(user_id=session.user_id),
        SOURCE,
        datetime.now(UTC),
        station=fields.get("station", ""),
        expect=Kind.PARENT,
    )
    entry = await submit(service.writer, raw)
    if not entry.accepted:
        popup = not _is_parent_code(code)
        message = "Invalid QR code: a parent bag is SB and 5 digits or M444- and 5 digits." if popup else detail(entry)
        raise Refused(400, message, show_popup=popup, error_code=entry.refusal)
    created = entry.outcome is Outcome.PARENT_CREATED
    response = reply(
        {
            "success": True,
            "message": f"Parent bag {entry.code} {'created' if created else 'found'}.",
            "parent_qr": entry.code,
            "redirect": "/scan/child",
            "child_count": entry.child_count,
            "expected_count": entry.capacity,
            "existing": not created,
            "time_ms": round((time.perf_counter() - began) * 1000, 2),
        }
    )
    service.sessions.set_parent(request, response, session, entry.code)
    service.sessions.refresh(request, response, session)
    return response


@answered
async def child_scan(request: Request) -> Response:
    """Put a child into the named parent, or into the session's current one."""
    service = service_of(request)
    session = signed_in(request)
    fields = await fields_of(request)
    check_csrf(request, session, fields)
    code = _first(fields, _CODE_NAMES)
    if code is None:
        return reply({"success": False, "message": "No QR code provided."})
    parent = _first(fields, _PARENT_NAMES) or service.sessions.parent(request, session)
    raw = RawScan(
        _scan_id(fields),
        code,
        Actor(user_id=session.user_id),
        SOURCE,
        datetime.now(UTC),
        parent=parent,
        station=fields.get("station", ""),
        expect=Kind.CHILD,
    )
    response = _child_reply(await submit(service.writer, raw))
    service.sessions.refresh(request, response, session)
    return response


def _child_reply(entry: Entry) -> Response:
    body: dict[str, object] = {
        "success": entry.accepted,
        "child_qr": entry.code,
        "parent_qr": entry.parent,
        "child_count": entry.child_count,
        "expected_count": entry.capacity,
    }
    if entry.accepted:
        body["message"] = f"{entry.code} linked to {entry.parent} ({entry.child_count}/{entry.capacity})."
    else:
        no_parent = entry.refusal is Refusal.PARENT_REQUIRED
        body["message"] = "No parent bag selected. Scan a parent bag first." if no_parent else detail(entry)
        body["error_type"] = entry.refusal
        if entry.holder:
            body["holder"] = entry.holder
    return reply(body)


@answered
async def unlink_child(request: Request) -> Response:
    """Undo: the named child, or the newest scan of the parent within an hour."""
    service = service_of(request)
    session = signed_in(request)
    fields = await fields_of(request)
    check_csrf(request, session, fields)
    code = _first(fields, _CODE_NAMES)
    parent = _first(fields, _PARENT_NAMES)
    if code is None:
        parent = parent or service.sessions.parent(request, session)
        if parent is None:
            return reply({"success": False, "message": "No parent bag selected. Scan a parent bag first."})
    entry = await undo(
        service.writer,
        scan_id=_scan_id(fields),
        code=code,
        parent=parent,
        actor=Actor(user_id=session.user_id),
        source=SOURCE,
        captured_at=datetime.now(UTC),
    )
    body: dict[str, object] = {
        "success": entry.accepted,
        "message": f"{entry.code} removed from {entry.parent}." if entry.accepted else detail(entry),
        "child_count": entry.child_count,
        "parent_qr": entry.parent,
    }
    if entry.accepted:
        body["child_qr"] = entry.code
    else:
        body["error_type"] = entry.refusal
    response = reply(body)
    service.sessions.refresh(request, response, session)
    return response


@answered
async def stats(request: Request) -> Response:
    """Totals; never cached yet, so never stale."""
    service = service_of(request)
    session = signed_in(request)
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
    response = reply({"success": True, "statistics": statistics, "cached": False})
    service.sessions.refresh(request, response, session)
    return response


@answered
async def scans(request: Request) -> Response:
    """The newest accepted scans."""
    service = service_of(request)
    session = signed_in(request)
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
    response = reply({"success": True, "scans": found, "count": len(found)})
    service.sessions.refresh(request, response, session)
    return response


ROUTES = [
    Route("/api/fast_parent_scan", parent_scan, methods=["POST"], max_body_size=MAX_BODY),
    Route("/process_child_scan_fast", child_scan, methods=["POST"], max_body_size=MAX_BODY),
    Route("/process_child_scan", child_scan, methods=["POST"], max_body_size=MAX_BODY),
    Route("/api/unlink_child", unlink_child, methods=["POST"], max_body_size=MAX_BODY),
    Route("/api/stats", stats),
    Route("/api/v2/stats", stats),
    Route("/api/scans", scans),
]
