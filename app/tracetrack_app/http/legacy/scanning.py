"""Scans as stations of the existing system send them.

A refusal by a rule is HTTP 200 with `success: false` and a `message`, as those clients expect.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from tracetrack_app.domain.codes import Kind, MalformedCodeError, clean, parse_parent
from tracetrack_app.domain.outcomes import Entry, Outcome, Refusal, detail
from tracetrack_app.domain.people import Permission, Principal
from tracetrack_app.domain.rules import Rule, RuleError
from tracetrack_app.http.auth.guard import signed_in
from tracetrack_app.http.legacy.bag_shapes import child_of, fill_of
from tracetrack_app.http.legacy.bodies import confirmed
from tracetrack_app.http.legacy.common import (
    CODE_NAMES,
    PARENT_NAMES,
    SOURCE,
    Handler,
    answered,
    asked,
    done,
    first,
    scan_id,
)
from tracetrack_app.http.replies import MAX_BODY, Refused, reply, service_of
from tracetrack_app.ingest.scans import RawScan, submit, undo

NO_PARENT = "No parent bag selected. Scan a parent bag first."


def _is_parent_code(text: str) -> bool:
    try:
        parse_parent(text)
    except MalformedCodeError:
        return False
    return True


async def _parent_scan(request: Request, refused: int) -> Response:
    """Open or create a parent and make it the session's current one; `refused` is the status of a refusal."""
    began = time.perf_counter()
    service = service_of(request)
    session = signed_in(request)
    who, fields = await asked(request, Permission.SCAN)
    code = first(fields, ("qr_code", "qr_id", "parent_qr"))
    if code is None:
        raise Refused(refused, "No QR code provided.", error_code="missing_data", error_type="missing_data")
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
        raise Refused(refused, message, show_popup=popup, error_code=entry.refusal, error_type=entry.refusal)
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
async def parent_scan(request: Request) -> Response:
    """The station's call: a refusal is 400."""
    return await _parent_scan(request, 400)


@answered
async def process_parent_scan(request: Request) -> Response:
    """The page's call: a refusal is 200, as everywhere else. GET goes to the page."""
    if request.method in ("GET", "HEAD"):
        return RedirectResponse("/scan/parent", 302)
    return await _parent_scan(request, 200)


@answered
async def child_scan(request: Request) -> Response:
    """Put a child into the named parent, or into the session's current one."""
    service = service_of(request)
    session = signed_in(request)
    who, fields = await asked(request, Permission.SCAN)
    code = first(fields, CODE_NAMES)
    if code is None:
        return reply({"success": False, "message": "No QR code provided.", "error_type": "missing_data"})
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
    response = child_reply(await submit(service.writer, raw))
    service.sessions.refresh(request, response, session)
    return response


def child_reply(entry: Entry) -> Response:
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
        body["message"] = NO_PARENT if no_parent else detail(entry)
        body["error_type"] = entry.refusal
        if entry.holder:
            body["holder"] = entry.holder
    return reply(body)


@answered
async def unlink_child(request: Request) -> Response:
    """Undo: the named child, or the newest scan of the parent within an hour."""
    session = signed_in(request)
    who, fields = await asked(request, Permission.UNDO)
    code = first(fields, CODE_NAMES)
    parent = first(fields, PARENT_NAMES)
    if code is None:
        parent = parent or service_of(request).sessions.parent(request, session)
        if parent is None:
            return reply({"success": False, "message": NO_PARENT, "error_type": Refusal.PARENT_REQUIRED})
    return await _undone(request, who, fields, code, parent)


@answered
async def delete_child_scan(request: Request) -> Response:
    """Take a named child out of the named parent, or of the session's current one. The child and its history stay."""
    session = signed_in(request)
    who, fields = await asked(request, Permission.UNDO)
    code = first(fields, CODE_NAMES)
    if code is None:
        return reply({"success": False, "message": "QR code is required.", "error_type": "missing_data"})
    parent = first(fields, PARENT_NAMES) or service_of(request).sessions.parent(request, session)
    return await _undone(request, who, fields, code, parent)


async def _undone(
    request: Request, who: Principal, fields: Mapping[str, str], code: str | None, parent: str | None
) -> Response:
    entry = await undo(
        service_of(request).writer,
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
    return done(request, reply(body))


@answered
async def complete(request: Request) -> Response:
    """Finish the named parent, or the current one; a short one only with `confirm`. GET goes back to scanning."""
    service = service_of(request)
    session = signed_in(request)
    current = service.sessions.parent(request, session)
    if request.method in ("GET", "HEAD"):
        return RedirectResponse("/scan/child" if current else "/scan/parent", 302)
    who, fields = await asked(request, Permission.SCAN)
    parent = first(fields, (*PARENT_NAMES, *CODE_NAMES)) or current
    if parent is None:
        return reply({"success": False, "message": NO_PARENT, "error_type": Refusal.PARENT_REQUIRED})
    short = await confirmed(request, fields, ("confirm", "confirmed"))
    code = clean(parent)
    try:
        fill = await service.bags.complete(who.actor, code, source=SOURCE, short=short)
        message, count = f"Parent bag {code} completed with {fill.child_count} of {fill.capacity}.", fill.child_count
    except RuleError as error:
        if error.rule is Rule.PARENT_SHORT:
            asking = {"needs_confirmation": True, "error_type": error.rule}
            return done(request, reply({"success": False, "message": str(error), **asking, **error.fields}))
        # It completes itself with its last child, and a station may ask twice: what was wanted is so.
        if error.rule is not Rule.PARENT_COMPLETED:
            raise
        message, count = str(error), error.fields["child_count"]
    body = {"success": True, "message": message, "child_count": count, "parent_qr": code, "redirect": "/scan/parent"}
    response = done(request, reply(body))
    if code == current:
        response.delete_cookie("parent", path="/")
    return response


@answered
async def scanned_children(request: Request) -> Response:
    """What is in the current parent, or in the one that `parent_qr` names."""
    service = service_of(request)
    who, query = await asked(request, Permission.LOOKUP)
    parent = first(query, PARENT_NAMES) or service.sessions.parent(request, signed_in(request))
    if parent is None:
        body = {"success": False, "message": NO_PARENT, "children": [], "parent_qr": None}
        return done(request, reply(body))
    bag, children = await service.lists.children(who.scope, clean(parent))
    return done(request, reply({"success": True, "children": [child_of(child) for child in children], **fill_of(bag)}))


@answered
async def parent_children(request: Request) -> Response:
    """The codes in a parent, in the order of scanning."""
    who, _ = await asked(request, Permission.LOOKUP)
    bag, children = await service_of(request).lists.children(who.scope, clean(request.path_params["qr"]))
    return done(request, reply({"success": True, "children": [child.code for child in children], **fill_of(bag)}))


def _post(path: str, handler: Handler) -> Route:
    return Route(path, handler, methods=["POST"], max_body_size=MAX_BODY)


ROUTES = [
    _post("/api/fast_parent_scan", parent_scan),
    *[
        Route(path, process_parent_scan, methods=["GET", "POST"], max_body_size=MAX_BODY)
        for path in ("/process_parent_scan", "/ajax/scan_parent")
    ],
    *[_post(path, child_scan) for path in ("/process_child_scan_fast", "/process_child_scan", "/scan/child")],
    _post("/api/unlink_child", unlink_child),
    _post("/api/delete-child-scan", delete_child_scan),
    _post("/complete_parent_scan", complete),
    Route("/scan/complete", complete, methods=["GET", "POST"], max_body_size=MAX_BODY),
    Route("/api/scanned-children", scanned_children),
    Route("/api/parent-children/{qr}", parent_children),
]
