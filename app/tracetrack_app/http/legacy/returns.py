"""Return tickets (IPT): parents that come back to a C&F point leave their bill."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from tracetrack_app.domain.codes import Kind, MalformedCodeError, clean_text, parse
from tracetrack_app.domain.people import Permission
from tracetrack_app.domain.rules import Rule, RuleError
from tracetrack_app.http.legacy.bill_shapes import number, wants_page
from tracetrack_app.http.legacy.common import CODE_NAMES, SOURCE, answered, asked, done, first
from tracetrack_app.http.pages.plain import Action, Field, Table, browsable, plain
from tracetrack_app.http.replies import MAX_BODY, Refused, reply, service_of
from tracetrack_app.store.returns import ReturnedParent, Ticket

MAX_PAGE = 200
_STATUSES = ("open", "finalised", "cancelled")
_FIELDS = (
    Field("location", "C&F point", 100, required=True),
    Field("ticket_code", "Ticket number (empty: one is made)", 50),
    Field("notes", "Notes", 500),
)


def ticket_of(ticket: Ticket) -> dict[str, Any]:
    return {
        "id": ticket.id,
        "ticket_code": ticket.code,
        "location": ticket.location,
        "notes": ticket.notes,
        "status": ticket.status,
        "created_by": ticket.creator,
        "created_at": ticket.created_at.isoformat(),
        "closed_at": ticket.closed_at.isoformat() if ticket.closed_at else None,
        "ticket_scanned_count": ticket.bag_count,
        "ticket_total_weight": float(ticket.weight_kg),
    }


def _returned(parent: ReturnedParent) -> dict[str, Any]:
    return {
        "bag_qr": parent.code,
        "original_bill_id": parent.bill,
        "original_bill_number": parent.bill_id,
        "child_count": parent.child_count,
        "weight_kg": float(parent.weight_kg),
        "scanned_at": parent.scanned_at.isoformat(),
        "restored": parent.restored,
    }


async def _number(request: Request) -> int:
    """The ticket in the address, by its number in the database or by its code. Raises RuleError."""
    text = clean_text(request.path_params["ticket"], 50)
    service = service_of(request)
    if text.isascii() and text.isdigit() and len(text) <= 18:
        try:
            return (await service.returns.get(int(text))).id
        except RuleError as error:
            if error.rule is not Rule.TICKET_NOT_FOUND:
                raise
    return await service.lists.ticket(text)


@answered
@browsable
async def index(request: Request) -> Response:
    """The tickets, newest first; `before` (an id) goes further back."""
    _, query = await asked(request, Permission.RETURNS)
    status = query.get("status", "").strip().lower()
    if status not in ("", "all", *_STATUSES):
        raise Refused(400, f"status must be one of {', '.join(_STATUSES)}.", error_code="bad_request")
    limit = min(number(query.get("limit") or "50", "limit", 1), MAX_PAGE)
    before = number(query["before"], "before", 1) if query.get("before") else None
    found = await service_of(request).returns.page(before, limit, status if status in _STATUSES else None)
    older = found[-1].id if len(found) == limit else None
    if not wants_page(request):
        tickets = [ticket_of(ticket) for ticket in found]
        return done(request, reply({"success": True, "tickets": tickets, "count": len(tickets), "before": older}))
    rows = [
        [ticket.code, ticket.location, ticket.status, ticket.bag_count, f"{ticket.weight_kg:f}", ticket.creator or ""]
        for ticket in found
    ]
    table = Table(
        ("Ticket", "C&F point", "Status", "Parents", "kg", "By"), rows, [f"/ipt/{ticket.id}" for ticket in found]
    )
    links = {"New return": "/ipt/new"} | ({"Older": f"/ipt?before={older}"} if older else {})
    return done(request, plain(request, "Returns", [table], links=links))


@answered
@browsable
async def new(request: Request) -> Response:
    """GET: the form, or what it asks for. POST: the ticket; 302 to it for a browser."""
    who, fields = await asked(request, Permission.RETURNS)
    form = Action("/ipt/new", "Open", _FIELDS)
    if request.method in ("GET", "HEAD"):
        asks = [{"name": field.name, "label": field.label, "max_length": field.longest} for field in _FIELDS]
        body = {"success": True, "fields": asks}
        return done(request, plain(request, "New return", actions=[form]) if wants_page(request) else reply(body))
    try:
        location = clean_text(first(fields, ("location", "c_and_f_point", "cnf_point")) or "", 101)
        if not location:
            raise Refused(200, "location is missing: name the C&F point.", error_type="missing_data")
        if len(location) > 100:
            raise Refused(200, "location is longer than 100 characters.", error_type="invalid_format")
        code = clean_text(first(fields, ("ticket_code", "ticket_id")) or "", 51)
        if len(code) > 50:
            raise Refused(200, "ticket_code is longer than 50 characters.", error_type="invalid_format")
        notes = clean_text(fields.get("notes", ""), 500)
        ticket = await service_of(request).returns.open(who.actor, location, code=code or None, notes=notes)
    except (Refused, RuleError) as error:
        if not wants_page(request):
            raise
        return done(request, plain(request, "New return", actions=[form], message=str(error)))
    if wants_page(request):
        return done(request, RedirectResponse(f"/ipt/{ticket.id}", 302))
    body = {"success": True, "message": f"Return ticket {ticket.code} opened.", "ticket": ticket_of(ticket)}
    return done(request, reply(body, 201))


@answered
@browsable
async def show(request: Request) -> Response:
    await asked(request, Permission.RETURNS)
    returns = service_of(request).returns
    ticket = await returns.get(await _number(request))
    parents = await returns.parents(ticket.id)
    if not wants_page(request):
        body = {"success": True, **ticket_of(ticket), "bags": [_returned(parent) for parent in parents]}
        return done(request, reply(body))
    rows = [
        [line.code, line.bill, line.child_count, f"{line.weight_kg:f}", "back on its bill" if line.restored else ""]
        for line in parents
    ]
    table = Table(("Parent", "Bill", "Children", "kg", ""), rows, [f"/bag/{line.code}" for line in parents])
    actions = [
        Action(
            f"/ipt/scan/{ticket.id}/process", "Return", (Field("qr_code", "Scan a parent bag", 200, required=True),)
        ),
        Action(f"/ipt/{ticket.id}/finalise", "Finalise"),
        Action(f"/ipt/{ticket.id}/cancel", "Cancel"),
    ]
    facts = {"C&F point": ticket.location, "Status": ticket.status, "Parents": ticket.bag_count}
    still_open = actions if ticket.status == "open" else []
    title = f"Return {ticket.code}"
    return done(request, plain(request, title, [table], facts=facts, actions=still_open, links={"Returns": "/ipt"}))


@answered
@browsable
async def process(request: Request) -> Response:
    """A parent comes back: it leaves its bill, and may go on another."""
    who, fields = await asked(request, Permission.RETURNS)
    text = first(fields, (*CODE_NAMES, "parent_qr"))
    if text is None:
        raise Refused(200, "No QR code provided.", error_type="missing_data")
    try:
        code = parse(text)
    except MalformedCodeError as error:
        raise Refused(200, str(error), error_type="invalid_format") from None
    if code.kind is not Kind.PARENT:
        message = f"{code.text} is a child bag: scan the parent bag that comes back."
        raise Refused(200, message, error_type="wrong_bag_type")
    ticket = await _number(request)
    back = await service_of(request).returns.scan(who.actor, ticket, code.text, source=SOURCE)
    if wants_page(request):
        return done(request, RedirectResponse(f"/ipt/{ticket}", 302))
    body = {
        "success": True,
        "message": f"{back.code} returned from bill {back.bill}.",
        "bag_qr": back.code,
        "original_bill_id": back.bill,
        "original_bill_number": back.bill_id,
        "child_count_removed": back.child_count,
        "ticket_scanned_count": back.ticket.bag_count,
        "ticket_total_weight": float(back.ticket.weight_kg),
    }
    return done(request, reply(body))


@answered
@browsable
async def finalise(request: Request) -> Response:
    who, _ = await asked(request, Permission.RETURNS)
    ticket = await service_of(request).returns.finalise(who.actor, await _number(request))
    if wants_page(request):
        return done(request, RedirectResponse(f"/ipt/{ticket.id}", 302))
    message = f"Return ticket {ticket.code} finalised with {ticket.bag_count} parent bags."
    return done(request, reply({"success": True, "message": message, "ticket": ticket_of(ticket)}))


@answered
@browsable
async def cancel(request: Request) -> Response:
    """Puts the parents back on their bills, where that is still possible, and says of the others why not."""
    who, _ = await asked(request, Permission.RETURNS)
    result = await service_of(request).returns.cancel(who.actor, await _number(request), source=SOURCE)
    if wants_page(request):
        return done(request, RedirectResponse(f"/ipt/{result.ticket.id}", 302))
    body = {
        "success": True,
        "message": f"Return ticket {result.ticket.code} cancelled: {len(result.restored)} back on their bills.",
        "ticket": ticket_of(result.ticket),
        "restored": result.restored,
        "left_out": result.left_out,
    }
    return done(request, reply(body))


def _post(path: str, handler: Any) -> Route:
    return Route(path, handler, methods=["POST"], max_body_size=MAX_BODY)


ROUTES = [
    Route("/ipt", index),
    Route("/ipt/new", new, methods=["GET", "POST"], max_body_size=MAX_BODY),
    _post("/ipt/scan/{ticket}/process", process),
    Route("/ipt/{ticket}", show),
    *[_post(f"/ipt/{{ticket}}/{word}", finalise) for word in ("finalise", "finalize")],
    _post("/ipt/{ticket}/cancel", cancel),
]
