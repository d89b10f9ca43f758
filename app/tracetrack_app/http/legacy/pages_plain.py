"""Bags as pages: the list, one bag, the look-up. JSON for whoever does not ask for HTML."""

from __future__ import annotations

from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tracetrack_app.domain.codes import Kind
from tracetrack_app.domain.people import Permission
from tracetrack_app.http.legacy.bag_shapes import child_of, code_of, listed, whole
from tracetrack_app.http.legacy.bags import MAX_PAGE, look_up, page_of
from tracetrack_app.http.legacy.bill_shapes import number, wants_page
from tracetrack_app.http.legacy.common import answered, asked, done, first
from tracetrack_app.http.pages.plain import Action, Field, Table, browsable, plain
from tracetrack_app.http.replies import MAX_BODY, reply, service_of

_WORDS = ("q", "qr_code", "qr_id", "search", "query", "bill_id")


@answered
@browsable
async def bags(request: Request) -> Response:
    """`type`, `status`, `search`; pages by `after`, which costs the same however far into the list."""
    who, query = await asked(request, Permission.LOOKUP)
    limit = min(number(query.get("limit") or query.get("per_page") or "50", "limit", 1), MAX_PAGE)
    found = await page_of(request, who, query, limit)
    if not wants_page(request):
        lines = [listed(bag) for bag in found.bags]
        return done(request, reply({"success": True, "bags": lines, "count": len(lines), "after": found.after}))
    rows = [
        [bag.code, bag.kind, f"{bag.child_count}/{bag.capacity}" if bag.kind == Kind.PARENT else "", bag.status]
        for bag in found.bags
    ]
    table = Table(("Bag", "Type", "Children", "Status"), rows, [f"/bag/{bag.code}" for bag in found.bags])
    links = {"Parents": "/bags?type=parent", "Children": "/bags?type=child", "All": "/bags"}
    if found.after is not None:
        kept = {name: query[name] for name in ("type", "status", "search", "limit") if query.get(name)}
        links["More"] = f"/bags?{urlencode({**kept, 'after': found.after})}"
    form = Action("/bags", "Search", (Field("search", "Code begins with", 200),), "get")
    return done(request, plain(request, "Bags", [table], actions=[form], links=links))


@answered
@browsable
async def bag(request: Request) -> Response:
    """One bag by its code in any case: what is in it, what it is in, its bill."""
    who, _ = await asked(request, Permission.LOOKUP)
    lists = service_of(request).lists
    found = await lists.bag(who.scope, code_of(request.path_params["qr"]))
    where = await lists.whereabouts(found)
    children = (await lists.children(who.scope, found.id))[1] if found.kind == Kind.PARENT else []
    if not wants_page(request):
        body = {"success": True, **whole(found, where), "children": [child_of(child) for child in children]}
        return done(request, reply(body))
    facts: dict[str, object] = {"Type": found.kind, "Status": found.status, "Area": found.area or ""}
    if found.kind == Kind.PARENT:
        facts["Children"] = f"{found.child_count} of {found.capacity}"
    links = {f"Parent {where.parent}": f"/bag/{where.parent}"} if where.parent else {}
    if where.bill is not None:
        facts["Bill"] = where.bill
        if who.may(Permission.BILLS):
            links[f"Bill {where.bill}"] = f"/bill/{where.bill_id}"
    rows = [[child.code, child.linked_at, child.linked_by or ""] for child in children]
    tables = [Table(("Child", "Since", "By"), rows, [f"/bag/{child.code}" for child in children])] if rows else []
    may_delete = who.may(Permission.DELETE_BAG) and not (where.parent or where.bill or found.child_count)
    actions = [Action(f"/bag/{found.id}/delete", "Delete")] if may_delete else []
    return done(request, plain(request, f"Bag {found.code}", tables, facts=facts, links=links, actions=actions))


@answered
@browsable
async def lookup(request: Request) -> Response:
    """What a word finds: parents, children and bills in any case, and what may have been meant."""
    who, query = await asked(request, Permission.LOOKUP)
    text = first(query, _WORDS)
    found = await look_up(request, who, query, text) if text else None
    if not wants_page(request):
        empty = {"success": True, "query": "", "match": None, "bags": [], "bills": [], "count": 0, "did_you_mean": []}
        return done(request, reply(found or empty))
    form = Action("/lookup", "Look up", (Field("q", "Bag or bill", 200, required=True),), "get")
    if found is None:
        return done(request, plain(request, "Look up", actions=[form]))
    rows = [[bag["qr_id"], bag["type"], bag["status"]] for bag in found["bags"]]
    tables = [Table(("Bag", "Type", "Status"), rows, [f"/bag/{bag['qr_id']}" for bag in found["bags"]])] if rows else []
    if found["bills"]:
        lines = [[bill["bill_id"], bill["destination"], bill["status"]] for bill in found["bills"]]
        addresses = [f"/bill/{bill['id']}" for bill in found["bills"]]
        tables.append(Table(("Bill", "Destination", "Status"), lines, addresses))
    links = {f"Did you mean {code}?": f"/lookup?{urlencode({'q': code})}" for code in found["did_you_mean"]}
    message = "" if tables else f"Nothing is called {text}."
    return done(request, plain(request, "Look up", tables, actions=[form], links=links, message=message))


ROUTES = [
    Route("/bags", bags),
    Route("/bag_management", bags),
    Route("/bag/{qr}", bag),
    Route("/lookup", lookup, methods=["GET", "POST"], max_body_size=MAX_BODY),
]
