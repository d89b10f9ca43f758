"""Bags registered, listed, searched, linked and deleted by hand, as pages and scripts of the existing system do it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from tracetrack_app.domain.codes import Kind, MalformedCodeError, clean_text, parse
from tracetrack_app.domain.people import Permission, Principal
from tracetrack_app.domain.rules import Rule, RuleError
from tracetrack_app.http.legacy.bag_shapes import bill_of, child_of, code_of, fill_of, listed, which
from tracetrack_app.http.legacy.bill_shapes import number, wants_page
from tracetrack_app.http.legacy.bodies import texts
from tracetrack_app.http.legacy.common import CODE_NAMES, PARENT_NAMES, SOURCE, answered, asked, done, first, scan_id
from tracetrack_app.http.legacy.scanning import child_reply
from tracetrack_app.http.pages.plain import browsable
from tracetrack_app.http.replies import MAX_BODY, Refused, reply, service_of
from tracetrack_app.ingest.scans import RawScan, submit
from tracetrack_app.store.lists import BagFilter, BagPage, CursorError, Found

MAX_PAGE = 1000
MAX_FOUND = 100
_MAX_NUMBER = 10**12
_STATUSES = ("pending", "in_progress", "completed")


def kind_of(query: Mapping[str, str], name: str = "type") -> str | None:
    """The kind of bag asked for. Raises Refused."""
    text = query.get(name, "").strip().lower()
    if text in ("", "all"):
        return None
    if text not in tuple(Kind):
        raise Refused(400, f"{name} must be parent, child or all.", error_code="bad_request")
    return text


def filter_of(query: Mapping[str, str]) -> BagFilter:
    """`type`, `search` (or `q`) and `status`. Raises Refused."""
    status = query.get("status", "").strip().lower()
    if status in ("", "all"):
        status = ""
    elif status not in _STATUSES:
        raise Refused(400, f"status must be one of {', '.join(_STATUSES)}.", error_code="bad_request")
    search = first(query, ("search", "q")) or ""
    return BagFilter(kind_of(query), code_of(search), status or None)


async def page_of(request: Request, who: Principal, query: Mapping[str, str], limit: int, offset: int = 0) -> BagPage:
    """A page of the list; `after` in the query continues a former one. Raises Refused."""
    after = first(query, ("after",))
    lists = service_of(request).lists
    try:
        return await lists.bags(who.scope, filter_of(query), limit, offset=offset, after=after)
    except CursorError:
        raise Refused(400, "after must be what a page before gave as its after.", error_code="bad_request") from None


@answered
async def create(request: Request) -> Response:
    """201 with the bag; real 400 and 409."""
    who, fields = await asked(request, Permission.SCAN)
    text = first(fields, (*CODE_NAMES, "parent_qr", "code"))
    if text is None:
        raise Refused(400, "qr_id is missing.", error_code="bad_request", error_type="missing_data")
    wanted = kind_of(fields)
    try:
        code = parse(text)
    except MalformedCodeError as error:
        raise Refused(400, str(error), error_code="bad_request", error_type="invalid_format") from None
    if wanted is not None and wanted != code.kind:
        message = f"{code.text} is the code of a {code.kind} bag: type must be {code.kind}."
        raise Refused(400, message, error_code="bad_request", error_type="wrong_bag_type")
    service = service_of(request)
    try:
        name = clean_text(fields.get("name", ""), 100)
        made = await service.bags.register(who.actor, code, name=name, source=SOURCE, scan_id=scan_id(fields))
    except RuleError as error:
        if error.rule is not Rule.BAG_EXISTS:
            raise
        raise Refused(409, str(error), error_code="conflict", error_type=error.rule, qr_id=code.text) from None
    bag = listed(await service.lists.bag(who.scope, made))
    return done(request, reply({"success": True, "message": f"Bag {code.text} created.", "bag": bag}, 201))


@answered
async def index(request: Request) -> Response:
    """`limit` and `offset` as scripts page; `after` costs the same however far into the list."""
    who, query = await asked(request, Permission.LOOKUP)
    limit = min(number(query.get("limit") or "50", "limit", 1), MAX_PAGE)
    offset = number(query.get("offset") or "0", "offset")
    page = await page_of(request, who, query, limit, offset)
    body = {
        "success": True,
        "total": await service_of(request).lists.count(who.scope, filter_of(query)),
        "limit": limit,
        "offset": offset,
        "count": len(page.bags),
        "bags": [listed(bag) for bag in page.bags],
        "after": page.after,
    }
    return done(request, reply(body))


def found_of(text: str, found: Found) -> dict[str, Any]:
    """What a word found, as the search and the look-up page show it."""
    return {
        "success": True,
        "query": text,
        "match": found.exact,
        "bags": [listed(bag) for bag in found.bags],
        "bills": [bill_of(bill) for bill in found.bills],
        "count": len(found.bags) + len(found.bills),
        "did_you_mean": found.near,
    }


async def look_up(request: Request, who: Principal, query: Mapping[str, str], text: str) -> dict[str, Any]:
    """What the word finds of what its asker may see: bills are for those who work with them."""
    limit = min(number(query.get("limit") or "50", "limit", 1), MAX_FOUND)
    bills = who.may(Permission.BILLS) and kind_of(query) is None
    found = await service_of(request).lists.search(who.scope, text, limit, kind=kind_of(query), bills=bills)
    return found_of(clean_text(text, 100), found)


@answered
async def search(request: Request) -> Response:
    """Parents, children and bills by a word in any case; nothing for no word."""
    who, query = await asked(request, Permission.LOOKUP)
    text = first(query, ("q", "query", "search", "qr_code", "qr_id"))
    return done(request, reply(await look_up(request, who, query, text) if text else found_of("", _NOTHING)))


@answered
async def parent_list(request: Request) -> Response:
    """Parents by page number, newest first."""
    who, query = await asked(request, Permission.LOOKUP)
    page = min(number(query.get("page") or "1", "page", 1), _MAX_NUMBER)
    per_page = min(number(query.get("per_page") or "20", "per_page", 1), MAX_PAGE)
    wanted = {**query, "type": Kind.PARENT.value}
    total = await service_of(request).lists.count(who.scope, filter_of(wanted))
    lines = (await page_of(request, who, wanted, per_page, (page - 1) * per_page)).bags
    pages = -(-total // per_page)
    body = {
        "success": True,
        "data": [listed(bag) for bag in lines],
        "pagination": {
            "page": page,
            "per_page": per_page,
            "total": total,
            "pages": pages,
            "has_next": page < pages,
            "has_prev": page > 1,
        },
    }
    return done(request, reply(body))


@answered
async def children(request: Request) -> Response:
    who, _ = await asked(request, Permission.LOOKUP)
    name = which(request.path_params["bag"])
    bag, inside = await service_of(request).lists.children(who.scope, name)
    body = {"success": True, "children": [child_of(child) for child in inside], "count": len(inside), **fill_of(bag)}
    return done(request, reply(body))


@answered
async def link(request: Request) -> Response:
    """A child into a parent, both by their numbers in the database, or by code: under the rules of every scan."""
    who, fields = await asked(request, Permission.SCAN)
    lists = service_of(request).lists
    names = {"parent_bag_id": ("parent_bag_id", *PARENT_NAMES), "child_bag_id": ("child_bag_id", *CODE_NAMES)}
    given = {name: first(fields, aliases) for name, aliases in names.items()}
    missing = [name for name, value in given.items() if value is None]
    if missing:
        raise Refused(200, f"{missing[0]} is missing.", error_type="missing_data")
    parent = await lists.bag(who.scope, which(given["parent_bag_id"] or ""))
    child = await lists.bag(who.scope, which(given["child_bag_id"] or ""))
    if parent.kind != Kind.PARENT:
        raise RuleError(Rule.WRONG_BAG_TYPE, f"{parent.code} is a child bag: it cannot hold others.", code=parent.code)
    raw = RawScan(
        scan_id(fields),
        child.code,
        who.actor,
        SOURCE,
        datetime.now(UTC),
        parent=parent.code,
        station=fields.get("station", ""),
        expect=Kind.CHILD,
    )
    return done(request, child_reply(await submit(service_of(request).writer, raw)))


@answered
@browsable
async def delete(request: Request) -> Response:
    """Refused for a bag that is linked, on a bill, or was on one."""
    who, fields = await asked(request, Permission.DELETE_BAG)
    names = ("bag_id", "id", *CODE_NAMES, "parent_qr")
    text = request.path_params.get("bag") or first(fields, names)
    if text is None:
        raise Refused(200, "qr_code or bag_id is missing.", error_type="missing_data")
    by_number = "bag" in request.path_params or first(fields, ("bag_id", "id")) is not None
    service = service_of(request)
    bag = await service.lists.bag(who.scope, which(text) if by_number else code_of(text))
    await service.bags.delete(who.actor, bag.code, source=SOURCE)
    if wants_page(request):
        return done(request, RedirectResponse("/bags", 302))
    return done(request, reply({"success": True, "message": f"Bag {bag.code} deleted.", "qr_id": bag.code}))


@answered
async def edit_children(request: Request) -> Response:
    """Make `child_qrs` the children of the parent, all of it or nothing; an empty list empties it."""
    who, fields = await asked(request, Permission.EDIT_CHILDREN)
    parent = first(fields, PARENT_NAMES)
    wanted = await texts(request, "child_qrs")
    if parent is None or wanted is None:
        name = "parent_qr" if parent is None else "child_qrs"
        raise Refused(200, f"{name} is missing.", error_type="missing_data")
    found: list[str] = []
    for text in wanted:
        try:
            code = parse(text)
        except MalformedCodeError as error:
            message = f"{error.text[:50]!r} in child_qrs: {error}"
            raise Refused(200, message, error_type="invalid_format") from None
        if code.kind is not Kind.CHILD:
            raise RuleError(Rule.WRONG_BAG_TYPE, f"{code.text} in child_qrs is a parent's code.", code=code.text)
        found.append(code.text)
    edited = await service_of(request).bags.set_children(who.actor, code_of(parent), found, source=SOURCE)
    body = {
        "success": True,
        "message": f"Parent bag {edited.parent}: {len(edited.linked)} added, {len(edited.unlinked)} removed.",
        "parent_qr": edited.parent,
        "child_count": edited.child_count,
        "added": edited.linked,
        "removed": edited.unlinked,
    }
    return done(request, reply(body))


_NOTHING = Found(None, [], [], [])

ROUTES = [
    Route("/api/bags", index),
    Route("/api/bags", create, methods=["POST"], max_body_size=MAX_BODY),
    Route("/api/bags/search", search),
    Route("/api/bags/parent/list", parent_list),
    Route("/api/bags/{bag}/children", children),
    Route("/api/link", link, methods=["POST"], max_body_size=MAX_BODY),
    Route("/bag/{bag}/delete", delete, methods=["POST"], max_body_size=MAX_BODY),
    Route("/api/delete_bag", delete, methods=["POST"], max_body_size=MAX_BODY),
    Route("/api/edit-parent-children", edit_children, methods=["POST"], max_body_size=MAX_BODY),
]
