"""The JSON variant of the old calls, /api/v2: scans one by one and in batches, the search, a sign of life."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tracetrack_app.domain.codes import Kind, MalformedCodeError, parse
from tracetrack_app.domain.outcomes import Entry, Refusal, detail
from tracetrack_app.domain.people import Permission, Principal
from tracetrack_app.http.auth.guard import signed_in
from tracetrack_app.http.health import health
from tracetrack_app.http.legacy.bags import look_up
from tracetrack_app.http.legacy.bodies import object_of, texts
from tracetrack_app.http.legacy.common import CODE_NAMES, PARENT_NAMES, SOURCE, answered, asked, done, first, scan_id
from tracetrack_app.http.legacy.scanning import NO_PARENT
from tracetrack_app.http.replies import MAX_BODY, Refused, reply, service_of
from tracetrack_app.ingest.scans import RawScan, submit
from tracetrack_app.store.writer import UnavailableError

MAX_BATCH = 100
_BILL_NAMES = ("bill_id", "bill")


@dataclass(frozen=True, slots=True)
class _Asker:
    who: Principal
    current: str | None
    """The session's current parent."""


def _kind(fields: Mapping[str, str]) -> Kind | None:
    text = (first(fields, ("type", "scan_type", "bag_type")) or "").strip().lower()
    if text and text not in tuple(Kind):
        raise Refused(400, "type must be parent or child.", error_code="bad_request", error_type="invalid_format")
    return Kind(text) if text else None


def _raw(fields: Mapping[str, str], asker: _Asker) -> RawScan:
    """The scan in the fields: a child goes into the parent they name, or into the current one. Raises Refused."""
    code = first(fields, (*CODE_NAMES, "code"))
    if code is None:
        raise Refused(400, "QR code required.", error_code="bad_request", error_type="missing_data")
    try:
        kind = parse(code).kind
    except MalformedCodeError as error:
        raise Refused(400, str(error), error_code="bad_request", error_type="invalid_format") from None
    bill = first(fields, _BILL_NAMES)
    parent = None if bill else first(fields, (*PARENT_NAMES, "parent"))
    if kind is Kind.CHILD and parent is None:
        parent = asker.current
    return RawScan(
        scan_id(fields),
        code,
        asker.who.actor,
        SOURCE,
        datetime.now(UTC),
        parent=parent if kind is Kind.CHILD else None,
        bill=bill,
        station=fields.get("station", ""),
        expect=_kind(fields),
    )


def _result(entry: Entry) -> dict[str, Any]:
    refused = NO_PARENT if entry.refusal is Refusal.PARENT_REQUIRED else detail(entry)
    body: dict[str, Any] = {
        "success": entry.accepted,
        "message": f"{entry.code} recorded." if entry.accepted else refused,
        "qr_code": entry.code,
        "qr_id": entry.code,
        "type": entry.kind,
        "outcome": entry.outcome.value,
        "parent_qr": entry.parent,
        "bill_id": entry.bill,
        "child_count": entry.child_count,
        "expected_count": entry.capacity,
        "scan_id": str(entry.scan_id),
    }
    if not entry.accepted:
        body["error_type"] = entry.refusal
        if entry.holder:
            body["holder"] = entry.holder
    return body


async def _asker(request: Request) -> tuple[_Asker, dict[str, str]]:
    who, fields = await asked(request, Permission.SCAN)
    return _Asker(who, service_of(request).sessions.parent(request, signed_in(request))), fields


def _check_bill(asker: _Asker, raw: RawScan) -> RawScan:
    if raw.bill is not None and not asker.who.may(Permission.BILLS):
        raise Refused(403, "Your role does not allow this.", error_code="forbidden", error_type="access_denied")
    return raw


@answered
async def scan(request: Request) -> Response:
    """One scan: `qr_id`, for a child `parent_qr`, for a parent to go on a bill `bill_id`. A malformed code is 400."""
    asker, fields = await _asker(request)
    raw = _check_bill(asker, _raw(fields, asker))
    service = service_of(request)
    entry = await submit(service.writer, raw)
    body = _result(entry)
    if entry.accepted:
        bag = await service.lists.bag(asker.who.scope, entry.code)
        body["bag"] = {"id": bag.id, "type": bag.kind, "name": bag.name, "dispatch_area": bag.area}
    response = done(request, reply(body))
    if entry.accepted and entry.kind == Kind.PARENT and entry.bill is None:
        service.sessions.set_parent(request, response, signed_in(request), entry.code)
    return response


@answered
async def batch(request: Request) -> Response:
    """Up to 100 scans in their order: `scans`, each as for one scan, or `qr_codes`, where a parent's code makes it the
    parent of the children after it. 200 with a result for each, whatever became of the others.
    """
    asker, fields = await _asker(request)
    rows = await _rows(request)
    if not rows:
        raise Refused(400, "No QR codes provided.", error_code="bad_request", error_type="missing_data")
    if len(rows) > MAX_BATCH:
        message = f"{len(rows)} scans are too many: send at most {MAX_BATCH} in a batch."
        raise Refused(400, message, error_code="bad_request", error_type="too_many")
    shared = {name: value for name, value in fields.items() if name in (*PARENT_NAMES, "station", "bill_id", "type")}
    service = service_of(request)

    async def one(row: Mapping[str, str], current: str | None) -> dict[str, Any]:
        try:
            raw = _check_bill(asker, _raw({**shared, **row}, _Asker(asker.who, current)))
            return _result(await submit(service.writer, raw))
        except Refused as error:
            return {"qr_code": first(row, (*CODE_NAMES, "code")), **error.body}
        except UnavailableError as error:
            message = f"{error} Scan again."
            return {
                "qr_code": first(row, CODE_NAMES),
                "success": False,
                "message": message,
                "error_type": "unavailable",
            }

    # All at once: the writer keeps what concerns the same bag in order, and makes few statements of the rest.
    work, current = [], asker.current
    for row in rows:
        code = first(row, (*CODE_NAMES, "code")) or ""
        try:
            parsed = parse(code)
        except MalformedCodeError:
            parsed = None
        if parsed is not None and parsed.kind is Kind.PARENT:
            current = parsed.text
        work.append(one(row, current))
    results = [{"index": place, **result} for place, result in enumerate(await asyncio.gather(*work))]
    accepted = sum(1 for result in results if result["success"])
    body = {
        "success": True,
        "results": results,
        "total": len(results),
        "accepted": accepted,
        "refused": len(results) - accepted,
    }
    return done(request, reply(body))


async def _rows(request: Request) -> list[dict[str, str]]:
    """The scans of a batch. Raises Refused."""
    given = (await object_of(request)).get("scans")
    if given is None:
        return [{"qr_code": code} for code in await texts(request, "qr_codes") or []]
    if not isinstance(given, list):
        raise Refused(400, "scans must be a list.", error_code="bad_request")
    rows = []
    for row in given:
        if isinstance(row, str):
            rows.append({"qr_code": row})
        elif isinstance(row, dict):
            kept = {name: value for name, value in row.items() if isinstance(value, str | int)}
            rows.append({name: str(value) for name, value in kept.items() if not isinstance(value, bool)})
        else:
            raise Refused(400, "Each of scans must be a code or an object.", error_code="bad_request")
    return rows


@answered
async def search(request: Request) -> Response:
    """As /api/bags/search, but a word is required."""
    who, query = await asked(request, Permission.LOOKUP)
    text = first(query, ("q", "query", "search"))
    if text is None:
        raise Refused(400, "Search query required: q.", error_code="bad_request", error_type="missing_data")
    return done(request, reply(await look_up(request, who, query, text)))


ROUTES = [
    Route("/api/v2/scan", scan, methods=["POST"], max_body_size=MAX_BODY),
    Route("/api/v2/batch/scan", batch, methods=["POST"], max_body_size=MAX_BODY),
    Route("/api/v2/bags/search", search),
    Route("/api/v2/health", health),
]
