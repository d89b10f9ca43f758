"""Parents put on a bill and taken off, in the shapes of the existing system."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tracetrack_app.domain import codes
from tracetrack_app.domain.outcomes import Entry, Refusal, detail
from tracetrack_app.domain.people import Permission, Principal
from tracetrack_app.domain.rules import RuleError
from tracetrack_app.http.legacy.bill_shapes import counts, named, summary, wants_page
from tracetrack_app.http.legacy.common import SOURCE, answered, asked, done, first, scan_id
from tracetrack_app.http.pages import bills as bill_pages
from tracetrack_app.http.replies import MAX_BODY, Refused, reply, service_of
from tracetrack_app.ingest.scans import RawScan, submit
from tracetrack_app.store.bills import Bill, Weights

_NAMES = ("qr_code", "qr_id", "parent_qr", "manual_qr")
_ERRORS = {
    Refusal.MALFORMED_CODE: "invalid_format",
    Refusal.MALFORMED_SCAN: "invalid_format",
    Refusal.BILL_NOT_FOUND: "bill_not_found",
    Refusal.WRONG_BAG_TYPE: "wrong_bag_type",
    Refusal.PARENT_NOT_FOUND: "bag_not_found",
    Refusal.ALREADY_ON_BILL: "already_linked_same_bill",
    Refusal.ALREADY_ON_OTHER_BILL: "already_linked_other_bill",
    Refusal.BILL_CAPACITY_REACHED: "capacity_reached",
    Refusal.AREA_DENIED: "access_denied",
}


async def _put(
    request: Request, who: Principal, fields: dict[str, str], bill: Bill, code: str
) -> tuple[Entry, Bill, Weights]:
    service = service_of(request)
    raw = RawScan(
        scan_id(fields),
        code,
        who.actor,
        SOURCE,
        datetime.now(UTC),
        bill=bill.code,
        station=fields.get("station", ""),
    )
    entry = await submit(service.writer, raw)
    return entry, await service.bills.get(bill.id), await service.bills.weights(bill.id)


def _body(entry: Entry, bill: Bill, weights: Weights) -> dict[str, Any]:
    left = bill.capacity - bill.bag_count
    message = f"{entry.code} added to bill {bill.code} ({bill.bag_count}/{bill.capacity})."
    return {
        "success": entry.accepted,
        "message": message if entry.accepted else detail(entry),
        "bag_qr": entry.code,
        **counts(bill, weights),
        "child_count": entry.child_count,
        "error_type": _ERRORS.get(entry.refusal, entry.refusal) if entry.refusal else "success",
        "is_at_capacity": left <= 0,
        "remaining_capacity": left,
        "bill_status": bill.status,
        **({"holder": entry.holder} if entry.holder else {}),
    }


def _refused(error_type: str, message: str, **fields: Any) -> Response:
    return reply({"success": False, "message": message, "error_type": error_type, **fields})


@answered
async def fast(request: Request) -> Response:
    """A parent onto the bill with this number; every refusal is HTTP 200 with an `error_type`."""
    who, fields = await asked(request, Permission.SCAN)
    if not who.may(Permission.BILLS):
        return _refused("access_denied", "Your role does not allow this: ask a biller or an admin.")
    code = first(fields, _NAMES)
    if code is None or not fields.get("bill_id", "").strip():
        return _refused("missing_data", "Send bill_id and qr_code.")
    try:
        bill = await named(request, fields)
    except RuleError as error:
        return _refused("bill_not_found", str(error))
    return done(request, reply(_body(*await _put(request, who, fields, bill, code))))


@answered
async def process(request: Request) -> Response:
    """The older form of the same call, which takes the bill by number or by id."""
    who, fields = await asked(request, Permission.BILLS)
    code = first(fields, _NAMES)
    if code is None or not fields.get("bill_id", "").strip():
        return _refused("missing_data", "Send bill_id and qr_code.")
    entry, bill, weights = await _put(request, who, fields, await named(request, fields), code)
    body = _body(entry, bill, weights) | {
        "remaining_bags": bill.capacity - bill.bag_count,
        "total_weight": float(weights.actual_kg),
        "total_child_bags": weights.children,
    }
    return done(request, reply(body))


@answered
async def manual(request: Request) -> Response:
    """A parent typed in by hand, made if it is new; with real status codes."""
    who, fields = await asked(request, Permission.BILLS)
    code = first(fields, ("manual_qr", *_NAMES))
    if code is None:
        raise Refused(400, "manual_qr is missing: enter the parent bag's code.", error_code="bad_request")
    try:
        text = codes.parse_parent(code).text
    except codes.MalformedCodeError as error:
        raise Refused(400, str(error), error_type="invalid_format", error_code="bad_request") from None
    try:
        bill = await named(request, fields)
    except RuleError as error:
        raise Refused(404, str(error), error_type="bill_not_found", error_code="not_found") from None
    opened = await submit(
        service_of(request).writer,
        RawScan(scan_id({}), text, who.actor, SOURCE, datetime.now(UTC), expect=codes.Kind.PARENT),
    )
    if not opened.accepted:
        raise Refused(400, detail(opened), error_type=_ERRORS.get(opened.refusal) if opened.refusal else None)
    entry, bill, weights = await _put(request, who, fields, bill, text)
    return done(request, reply(_body(entry, bill, weights), 200 if entry.accepted else 400))


@answered
async def remove(request: Request) -> Response:
    who, fields = await asked(request, Permission.BILLS)
    code = first(fields, ("parent_qr", *_NAMES))
    if code is None:
        return _refused("missing_data", "Send parent_qr and bill_id.")
    service = service_of(request)
    bill = await service.bills.remove(who.actor, (await named(request, fields)).id, codes.clean(code), source=SOURCE)
    message = f"{codes.clean(code)} removed from bill {bill.code}."
    return done(
        request, reply({"success": True, "message": message, **counts(bill, await service.bills.weights(bill.id))})
    )


@answered
async def scan_page(request: Request) -> Response:
    """One large field for the scanner to type into, which works without a script; JSON for a script."""
    who, fields = await asked(request, Permission.BILLS)
    bill = await named(request, {"bill_id": request.path_params["bill"]})
    answer: dict[str, Any] | None = None
    code = first(fields, _NAMES)
    if request.method == "POST" and code is not None:
        entry, bill, weights = await _put(request, who, fields, bill, code)
        answer = _body(entry, bill, weights)
    if wants_page(request):
        return done(request, bill_pages.bill_scan(request, bill, answer))
    return done(request, reply(answer or {"success": True, **summary(bill)}))


ROUTES = [
    *[
        Route(path, handler, methods=["POST"], max_body_size=MAX_BODY)
        for path, handler in (
            ("/fast/bill_parent_scan", fast),
            ("/process_bill_parent_scan", process),
            ("/bill/manual_parent_entry", manual),
            ("/remove_bag_from_bill", remove),
        )
    ],
    Route("/bill/{bill}/scan_parent", scan_page, methods=["GET", "POST"], max_body_size=MAX_BODY),
]
