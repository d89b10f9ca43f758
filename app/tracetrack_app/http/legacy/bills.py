"""Bills in the shapes of the existing system: made, read, changed, finished."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from tracetrack_app.domain.codes import clean_text
from tracetrack_app.domain.people import Permission
from tracetrack_app.domain.rules import RuleError
from tracetrack_app.http.legacy.bill_shapes import (
    MAX_CODE,
    counts,
    day,
    listed,
    named,
    number,
    summary,
    wants_page,
    whole,
)
from tracetrack_app.http.legacy.common import SOURCE, answered, asked, done, first
from tracetrack_app.http.pages import bills as bill_pages
from tracetrack_app.http.replies import MAX_BODY, Refused, reply, service_of
from tracetrack_app.store.bill_reports import BillFilter, totals
from tracetrack_app.store.bills import Bill, BillChange

CAPACITIES = range(1, 501)
MAX_PAGE = 200
_STATUSES = ("new", "processing", "completed")
_CAPACITY_NAMES = ("capacity", "parent_bag_count")
_VEHICLE_NAMES = ("vehicle_number", "truck_number")


def _details(fields: Mapping[str, str]) -> BillChange:
    """The bill's fields that were sent. Raises Refused."""
    capacity, vehicle = first(fields, _CAPACITY_NAMES), first(fields, _VEHICLE_NAMES)
    if capacity is not None and number(capacity, "capacity") not in CAPACITIES:
        raise Refused(200, "capacity must be from 1 to 500.", error_type="invalid_format")
    destination, description = fields.get("destination"), fields.get("description")
    return BillChange(
        destination=clean_text(destination, 100) if destination is not None else None,
        vehicle_number=clean_text(vehicle, 50) if vehicle is not None else None,
        capacity=number(capacity, "capacity") if capacity is not None else None,
        description=clean_text(description, 500) if description is not None else None,
    )


@answered
async def create(request: Request) -> Response:
    """GET: the form. POST: 302 to the bill; the form again, or `success: false`, with what is wrong."""
    who, fields = await asked(request, Permission.BILLS)
    if request.method == "GET":
        return done(request, bill_pages.bill_form(request, "", fields))
    code = clean_text(fields.get("bill_id", ""), MAX_CODE + 1)
    try:
        if not code:
            raise Refused(200, "bill_id is missing: enter the bill's id.", error_type="missing_data")
        if len(code) > MAX_CODE:
            raise Refused(200, f"bill_id is longer than {MAX_CODE} characters.", error_type="invalid_format")
        wanted = _details(fields)
        bill = await service_of(request).bills.create(
            who.actor,
            code,
            destination=wanted.destination or "",
            vehicle_number=wanted.vehicle_number or "",
            capacity=wanted.capacity or 50,
            description=wanted.description or "",
        )
    except (Refused, RuleError) as error:
        if not wants_page(request):
            raise
        return done(request, bill_pages.bill_form(request, str(error), fields))
    return done(request, RedirectResponse(f"/bill/{bill.id}", 302))


@answered
async def listing(request: Request) -> Response:
    """The bills that fit the filters, newest first, by page; with `generate_summary` their sums too."""
    _, query = await asked(request, Permission.BILLS)
    wanted, limit = _filter(query), min(number(query.get("limit") or "50", "limit", 1), MAX_PAGE)
    before = number(query["before"], "before") if query.get("before") else None
    reports = service_of(request).bill_reports
    lines = await reports.page(wanted, limit, before=before)
    body: dict[str, Any] = {
        "success": True,
        "bills": [listed(line) for line in lines],
        "count": len(lines),
        "next": f"?before={lines[-1].id}" if len(lines) == limit else None,
    }
    if query.get("generate_summary"):
        body["summary"] = totals(await reports.page(wanted, 100_000))
    if wants_page(request):
        return done(request, bill_pages.bill_list(request, body))
    return done(request, reply(body))


@answered
async def index(request: Request) -> Response:
    """`limit` and `offset` as the existing scripts page; keyset pages are in the v1 API."""
    _, query = await asked(request, Permission.BILLS)
    limit = min(number(query.get("limit") or "50", "limit", 1), MAX_PAGE)
    offset = number(query.get("offset") or "0", "offset")
    wanted = _filter({"status_filter": query.get("status", "")})
    reports = service_of(request).bill_reports
    lines = await reports.page(wanted, limit, offset=offset)
    body = {
        "success": True,
        "total": await reports.count(wanted),
        "limit": limit,
        "offset": offset,
        "count": len(lines),
        "bills": [listed(line) for line in lines],
    }
    return done(request, reply(body))


def _filter(query: Mapping[str, str]) -> BillFilter:
    status = query.get("status_filter", "").strip().lower()
    if status in ("", "all"):
        status = ""
    elif status not in _STATUSES:
        raise Refused(400, f"status must be one of {', '.join(_STATUSES)}.", error_code="bad_request")
    user = query.get("user_id", "").strip()
    return BillFilter(
        search=clean_text(query.get("search_bill_id", ""), MAX_CODE),
        status=status or None,
        date_from=day(query, "date_from"),
        date_to=day(query, "date_to"),
        created_by=number(user, "user_id") if user and user != "all" else None,
    )


async def _by_path(request: Request) -> Bill:
    return await named(request, {"bill_id": request.path_params["bill"]})


async def _whole(request: Request, bill: Bill) -> dict[str, Any]:
    bills = service_of(request).bills
    return {"success": True, **whole(bill, await bills.weights(bill.id), await bills.parents(bill.id))}


@answered
async def show(request: Request) -> Response:
    await asked(request, Permission.BILLS)
    body = await _whole(request, await _by_path(request))
    return done(request, bill_pages.bill_page(request, body) if wants_page(request) else reply(body))


@answered
async def weights(request: Request) -> Response:
    await asked(request, Permission.BILLS)
    body = await _whole(request, await _by_path(request))
    names = {"actual_weight": "actual_weight_kg", "expected_weight": "expected_weight_kg", "parent_bags": "parent_bags"}
    return done(request, reply({"success": True} | {new: body[name] for new, name in names.items()}))


@answered
async def edit(request: Request) -> Response:
    """GET: the form. POST: 302 to the bill for a browser, else the bill."""
    _, fields = await asked(request, Permission.BILLS)
    bill = await _by_path(request)
    if request.method == "GET":
        return done(
            request, bill_pages.bill_form(request, "", summary(bill)) if wants_page(request) else reply(summary(bill))
        )
    try:
        changed = await service_of(request).bills.change(bill.id, _details(fields))
    except (Refused, RuleError) as error:
        if not wants_page(request):
            raise
        return done(request, bill_pages.bill_form(request, str(error), {**summary(bill), **fields}))
    if wants_page(request):
        return done(request, RedirectResponse(f"/bill/{changed.id}", 302))
    return done(request, reply({"success": True, "message": f"Bill {changed.code} saved.", **summary(changed)}))


@answered
async def delete(request: Request) -> Response:
    who, _ = await asked(request, Permission.DELETE_BILL)
    bill = await _by_path(request)
    await service_of(request).bills.delete(who.actor, bill.id, source=SOURCE)
    if wants_page(request):
        return done(request, RedirectResponse("/bills", 302))
    return done(request, reply({"success": True, "message": f"Bill {bill.code} deleted."}))


@answered
async def complete(request: Request) -> Response:
    _, fields = await asked(request, Permission.BILLS)
    bills = service_of(request).bills
    bill = await bills.complete((await named(request, fields)).id)
    body = {"success": True, "message": f"Bill {bill.code} completed.", **counts(bill, await bills.weights(bill.id))}
    return done(request, reply(body))


@answered
async def finish(request: Request) -> Response:
    """As a page does it: POST completes the bill and goes back to it."""
    await asked(request, Permission.BILLS)
    bill = await _by_path(request)
    if request.method == "POST":
        await service_of(request).bills.complete(bill.id)
        return done(request, RedirectResponse(f"/bill/{bill.id}", 302))
    body = await _whole(request, bill)
    return done(request, bill_pages.bill_page(request, body) if wants_page(request) else reply(body))


@answered
async def reopen(request: Request) -> Response:
    _, fields = await asked(request, Permission.BILLS)
    bills = service_of(request).bills
    bill = await bills.reopen((await named(request, fields)).id)
    body = {"success": True, "message": f"Bill {bill.code} reopened.", **counts(bill, await bills.weights(bill.id))}
    return done(request, reply(body))


@answered
async def recalculate(request: Request) -> Response:
    """Nothing is stored that could be stale: this tells what the bags add up to."""
    _, fields = await asked(request, Permission.DELETE_BILL)
    service = service_of(request)
    if fields.get("bill_id", "").strip():
        body = await _whole(request, await named(request, fields))
        return done(
            request, reply({"success": True, "message": f"Bill {body['bill_id']} is up to date.", "bill": body})
        )
    found = await service.bill_reports.count(BillFilter())
    return done(request, reply({"success": True, "recalculated": found, "errors": []}))


def _posted(path: str, handler: Any, methods: tuple[str, ...] = ("POST",)) -> Route:
    return Route(path, handler, methods=list(methods), max_body_size=MAX_BODY)


ROUTES = [
    Route("/bills", listing),
    Route("/bill_management", listing),
    _posted("/bill/create", create, ("GET", "POST")),
    Route("/bill/{bill}", show),
    _posted("/bill/{bill}/edit", edit, ("GET", "POST")),
    _posted("/bill/{bill}/delete", delete),
    _posted("/bill/{bill}/finish", finish, ("GET", "POST")),
    _posted("/complete_bill", complete),
    _posted("/reopen_bill", reopen),
    _posted("/admin/recalculate-bill-weights", recalculate),
    Route("/api/bills", index),
    Route("/api/bills/{bill}", show),
    Route("/api/bill/{bill}/weights", weights),
]
