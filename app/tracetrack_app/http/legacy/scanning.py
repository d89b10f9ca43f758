"""Scans as stations of the existing system send them.

A refusal by a rule is HTTP 200 with `success: false` and a `message`, as those clients expect.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tracetrack_app.domain.codes import Kind, MalformedCodeError, parse_parent
from tracetrack_app.domain.outcomes import Entry, Outcome, Refusal, detail
from tracetrack_app.domain.people import Permission
from tracetrack_app.http.auth.guard import signed_in
from tracetrack_app.http.legacy.common import CODE_NAMES, PARENT_NAMES, SOURCE, answered, asked, first, scan_id
from tracetrack_app.http.replies import MAX_BODY, Refused, reply, service_of
from tracetrack_app.ingest.scans import RawScan, submit, undo


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
    who, fields = await asked(request, Permission.SCAN)
    code = first(fields, ("qr_code", "qr_id", "parent_qr"))
    if code is None:
        raise Refused(400, "No QR code provided.", error_code="missing_data")
    raw = RawScan(
        scan_id(fields),
        code,
        who.actor,
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
    who, fields = await asked(request, Permission.SCAN)
    code = first(fields, CODE_NAMES)
    if code is None:
        return reply({"success": False, "message": "No QR code provided."})
    parent = first(fields, PARENT_NAMES) or service.sessions.parent(request, session)
    raw = RawScan(
        scan_id(fields),
        code,
        who.actor,
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
    who, fields = await asked(request, Permission.UNDO)
    code = first(fields, CODE_NAMES)
    parent = first(fields, PARENT_NAMES)
    if code is None:
        parent = parent or service.sessions.parent(request, session)
        if parent is None:
            return reply({"success": False, "message": "No parent bag selected. Scan a parent bag first."})
    entry = await undo(
        service.writer,
        scan_id=scan_id(fields),
        code=code,
        parent=parent,
        actor=who.actor,
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


ROUTES = [
    Route("/api/fast_parent_scan", parent_scan, methods=["POST"], max_body_size=MAX_BODY),
    Route("/process_child_scan_fast", child_scan, methods=["POST"], max_body_size=MAX_BODY),
    Route("/process_child_scan", child_scan, methods=["POST"], max_body_size=MAX_BODY),
    Route("/api/unlink_child", unlink_child, methods=["POST"], max_body_size=MAX_BODY),
]
