"""A dispatcher of another area learns nothing of a bag and changes nothing about it, whatever address he calls.

Every route of the application is in ROUTES. A route that is missing there fails the test: say with one line what it is.

    nothing()      says nothing of bags: called all the same, and looked through
    refused()      a dispatcher may not call it: 401 or 403, whatever he sends
    reads(…)       shows bags: the dispatcher of the area sees them here, the other one does not
    writes(…)      changes bags: called with the other area's bags, each body in turn, and they stay as they were
    elsewhere(…)   cannot be called in this way; says which test looks at it

In a query or a body, FAR and FAR_CHILD are bags of the other area, NEAR is the caller's own, NEW are unknown. Path
parameters are filled in by their names.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx

from tests.integration.app.accounts import logged_in, make_user
from tests.integration.app.process import AppProcess
from tracetrack_app.http import v1
from tracetrack_app.main import Application, create_app
from tracetrack_app.settings import Settings

FAR, FAR_2, FAR_CHILD, FAR_CHILD_2, FAR_LOOSE = "SB71001", "SB71002", "FARCHILDA1", "FARCHILDB2", "FARLOOSE3"
FAR_NAME, FAR_BILL = "Jute of Jaipur", "FARBILL9"
NEAR, NEW, NEW_CHILD = "SB00001", "SB00777", "NEWCHILD7"
FIRST_ID = 918_273_000
_FILLED = {"qr": FAR, "code": FAR, "parent": FAR_2, "days": "7", "ticket": "1", "name": "jaipur", "token": "x"}
_MISSING = ("missing_data", "No QR code", "is required", "Field required")


@dataclass(frozen=True)
class Probe:
    """What a route is, and what it is called with."""

    kind: str
    bodies: tuple[Any, ...] = ({},)
    query: dict[str, str] = field(default_factory=dict)
    shows: str | None = None
    ends: bool = False


def nothing(*, ends: bool = False) -> Probe:
    return Probe("nothing", ends=ends)


def refused() -> Probe:
    body = {"qr_code": FAR, "parent_qr": FAR, "qr_id": FAR, "bill_id": FAR_BILL, "code": FAR, "child_qrs": [FAR_CHILD]}
    return Probe("refused", (body,))


def reads(shows: str | None = FAR, body: Any = None, **query: str) -> Probe:
    """`shows` is what the area's own dispatcher must find in the answer; None where it holds figures only."""
    return Probe("reads", (body,) if body is not None else ({},), query, shows)


def writes(*bodies: Any) -> Probe:
    return Probe("writes", bodies or ({},))


def elsewhere(test: str) -> Probe:
    return Probe("elsewhere", shows=test)


def _scan(**fields: Any) -> dict[str, Any]:
    return {"scan_id": str(uuid4()), **fields}


_PARENTS = tuple({name: FAR} for name in ("qr_code", "qr_id", "parent_qr"))
_CHILDREN = (
    {"qr_code": NEW_CHILD, "parent_qr": FAR},
    {"qr_code": FAR_CHILD, "parent_qr": NEAR},
    {"child_qr": FAR_LOOSE, "parent_qr": NEAR},
    {"qr_id": FAR_CHILD, "parent_qr": FAR},
)
_UNDOS = ({"parent_qr": FAR}, {"qr_code": FAR_CHILD}, {"qr_code": FAR_CHILD, "parent_qr": FAR})
_V1_SCANS = (
    _scan(code=FAR),
    _scan(code=NEW_CHILD, parent=FAR),
    _scan(code=FAR_CHILD, parent=NEAR),
    _scan(code=FAR_LOOSE, parent=NEAR),
    _scan(code=FAR_2, bill=FAR_BILL),
)

ROUTES: dict[str, Probe] = {
    # Machines, static files, log-in, one's own account.
    "GET /": nothing(),
    "GET /health": nothing(),
    "GET /status": nothing(),
    "GET /api/health": nothing(),
    "GET /api/v2/health": nothing(),
    "GET /ready": nothing(),
    "GET /live": nothing(),
    "GET /metrics": nothing(),
    "Mount /static": elsewhere("files of the package"),
    "Mount /api/v1/docs/assets": elsewhere("files of a package"),
    "GET /api/v1/docs": nothing(),
    "GET /api/v1/openapi.json": elsewhere("made of the code, which test_openapi_document_holds_no_data looks through"),
    "GET /login": nothing(),
    "POST /login": nothing(),
    "POST /api/v2/login": nothing(),
    "GET /logout": nothing(ends=True),
    "POST /logout": nothing(ends=True),
    "GET /register": nothing(),
    "POST /register": nothing(),
    "GET /forgot_password": nothing(),
    "POST /forgot_password": nothing(),
    "GET /reset_password/{token}": nothing(),
    "POST /reset_password/{token}": nothing(),
    "GET /2fa/setup": nothing(),
    "POST /2fa/enable": nothing(),
    "POST /2fa/disable": nothing(),
    "GET /2fa/verify": nothing(),
    "POST /2fa/verify": nothing(),
    "GET /profile": nothing(),
    "GET /profile/edit": nothing(),
    "POST /profile/edit": nothing(),
    "POST /profile/logout_everywhere": nothing(ends=True),
    "POST /profile/notifications/{id}/read": nothing(),
    "GET /request_promotion": nothing(),
    "POST /request_promotion": nothing(),
    "GET /api/session/status": nothing(),
    "GET /api/v1/profile": nothing(),
    "PATCH /api/v1/profile": nothing(),
    "GET /api/v1/profile/tokens": nothing(),
    "POST /api/v1/profile/tokens": nothing(),
    "DELETE /api/v1/profile/tokens/{token_id}": nothing(),
    "GET /api/v1/notifications": nothing(),
    "POST /api/v1/notifications/{notice_id}/read": nothing(),
    # Lists imported and tables exported, by an admin.
    **{
        f"{method} /import/{name}": refused()
        for name in ("bags", "bills", "batch_child_parent", "batch_parent_bill", "batch_multi")
        for method in ("GET", "POST")
    },
    "GET /import/status/{job}": refused(),
    "GET /import/errors/{job}": refused(),
    "GET /export/bags/{form}": refused(),
    "GET /export/bills/{form}": refused(),
    "GET /export/batch_child_parent/{form}": refused(),
    "GET /export/batch_parent_bill/{form}": refused(),
    "GET /export/reports/user-activity/{form}": refused(),
    "GET /export/reports/system-stats/{form}": refused(),
    # Accounts of others, the audit log, the system.
    "GET /user_management": refused(),
    "GET /api/users": refused(),
    "GET /api/v2/users": refused(),
    "POST /create_user": refused(),
    "GET /admin/users/{id}/edit": refused(),
    "POST /admin/users/{id}/edit": refused(),
    "POST /admin/users/{id}/change-role": refused(),
    "POST /admin/users/{id}/promote": refused(),
    "POST /admin/users/{id}/demote": refused(),
    "POST /admin/users/{id}/delete": refused(),
    "POST /admin/users/{id}/unlock": refused(),
    "GET /admin/promotions": refused(),
    "POST /admin/promotion_request/{id}": refused(),
    "GET /api/v1/users": refused(),
    "POST /api/v1/users": refused(),
    "GET /api/v1/users/{user_id}": refused(),
    "PATCH /api/v1/users/{user_id}": refused(),
    "DELETE /api/v1/users/{user_id}": refused(),
    "PUT /api/v1/users/{user_id}/password": refused(),
    "DELETE /api/v1/users/{user_id}/sessions": refused(),
    "DELETE /api/v1/users/{user_id}/lock": refused(),
    "DELETE /api/v1/users/{user_id}/totp": refused(),
    "GET /api/v1/audit": refused(),
    "GET /api/v1/audit/rows": refused(),
    "GET /api/system_health": refused(),
    "GET /api/slow_queries": refused(),
    # Pages to scan on.
    "GET /scan/parent": nothing(),
    "GET /scan_parent": nothing(),
    "GET /scan/child": nothing(),
    "GET /scan_child": nothing(),
    "GET /scan/complete": nothing(),
    "GET /process_parent_scan": nothing(),
    "GET /ajax/scan_parent": nothing(),
    # Bags.
    "GET /dashboard": reads(),
    "GET /bags": reads(search="SB71"),
    "GET /bag_management": reads(search="SB71"),
    "GET /bag/{qr}": reads(FAR_CHILD),
    "GET /lookup": reads(FAR_2, q="SB7100"),
    "POST /lookup": reads(FAR_2, {"q": "SB7100"}),
    "GET /api/bag/{qr}": reads(str(FIRST_ID)),
    "GET /api/bags": reads(),
    "GET /api/bags/search": reads(FAR_2, q="SB71"),
    "GET /api/v2/bags/search": reads(FAR_2, q="SB71"),
    "GET /api/bags/parent/list": reads(),
    "GET /api/bags/{bag}/children": reads(FAR_CHILD),
    "GET /api/parent-children/{qr}": reads(FAR_CHILD),
    "GET /api/scanned-children": reads(FAR_CHILD, parent_qr=FAR),
    "GET /api/scans": reads(),
    "GET /api/scans/recent": reads(),
    "GET /api/stats": reads(None),
    "GET /api/v2/stats": reads(None),
    "GET /api/statistics": reads(None),
    "GET /api/activity/{days}": reads(None),
    "GET /api/dashboard/analytics": reads(None),
    "GET /api/my/productivity": reads(None),
    "GET /api/v1/bags": reads(),
    "GET /api/v1/bags/{code}": reads(FAR_NAME),
    "GET /api/v1/bags/{code}/children": reads(FAR_CHILD),
    "GET /api/v1/ledger": reads(),
    "GET /api/v1/statistics": reads(None),
    "GET /api/v1/lookup": reads(FAR_2, q="SB7100"),
    "WebSocketRoute /api/v1/events": elsewhere("test_events.py"),
    "POST /api/fast_parent_scan": writes(*_PARENTS),
    "POST /process_parent_scan": writes(*_PARENTS),
    "POST /ajax/scan_parent": writes(*_PARENTS),
    "POST /process_child_scan_fast": writes(*_CHILDREN),
    "POST /process_child_scan": writes(*_CHILDREN),
    "POST /scan/child": writes(*_CHILDREN),
    "POST /api/unlink_child": writes(*_UNDOS),
    "POST /api/delete-child-scan": writes(*_UNDOS[1:]),
    "POST /complete_parent_scan": writes({"parent_qr": FAR, "confirm": "1"}),
    "POST /scan/complete": writes({"parent_qr": FAR, "confirm": "1"}),
    "POST /api/bags": writes({"qr_id": FAR, "type": "parent"}, {"qr_id": FAR_LOOSE, "type": "child"}),
    "POST /api/link": writes({"parent_bag_id": str(FIRST_ID), "child_bag_id": str(FIRST_ID + 4)}),
    "POST /api/v2/scan": writes(*_PARENTS[:2], *_CHILDREN),
    "POST /api/v2/batch/scan": writes({"scans": [*_PARENTS[:2], *_CHILDREN]}),
    "POST /api/v1/scans": writes(*_V1_SCANS),
    "POST /api/v1/scans/bulk": writes({"scans": [scan | {"scan_id": str(uuid4())} for scan in _V1_SCANS]}),
    "POST /api/v1/scans/undo": writes(_scan(parent=FAR), _scan(code=FAR_CHILD), _scan(code=FAR_CHILD, parent=FAR)),
    "POST /api/v1/bags": writes({"code": FAR}, {"code": FAR_LOOSE}),
    "POST /api/v1/bags/{code}/complete": writes({"short": True}),
    "POST /api/v1/bags/{code}/reopen": writes(),
    "PATCH /api/v1/bags/{code}": writes({"name": "mine now"}),
    "DELETE /api/v1/bags/{code}": refused(),
    "PUT /api/v1/bags/{code}/children": refused(),
    "POST /bag/{bag}/delete": refused(),
    "POST /api/delete_bag": refused(),
    "POST /api/edit-parent-children": refused(),
    # Bills, returns, products and areas.
    "GET /bills": refused(),
    "GET /bill_management": refused(),
    "GET /bill/create": refused(),
    "POST /bill/create": refused(),
    "GET /bill/{bill}": refused(),
    "GET /bill/{bill}/edit": refused(),
    "POST /bill/{bill}/edit": refused(),
    "POST /bill/{bill}/delete": refused(),
    "GET /bill/{bill}/finish": refused(),
    "POST /bill/{bill}/finish": refused(),
    "GET /bill/{bill}/scan_parent": refused(),
    "POST /bill/{bill}/scan_parent": refused(),
    "POST /bill/manual_parent_entry": refused(),
    "POST /fast/bill_parent_scan": writes({"bill_id": "1", "qr_code": FAR}),
    "POST /process_bill_parent_scan": refused(),
    "POST /remove_bag_from_bill": refused(),
    "POST /complete_bill": refused(),
    "POST /reopen_bill": refused(),
    "GET /api/bills": refused(),
    "GET /api/bills/{bill}": refused(),
    "GET /api/bill/{bill}/weights": refused(),
    "GET /api/bill_summary/eod": refused(),
    "POST /api/bill_summary/send_eod": refused(),
    "POST /api/bill_summary/schedule_eod": refused(),
    "POST /admin/recalculate-bill-weights": refused(),
    "GET /ipt": refused(),
    "GET /ipt/new": refused(),
    "POST /ipt/new": refused(),
    "GET /ipt/{ticket}": refused(),
    "POST /ipt/{ticket}/cancel": refused(),
    "POST /ipt/{ticket}/finalise": refused(),
    "POST /ipt/{ticket}/finalize": refused(),
    "POST /ipt/scan/{ticket}/process": refused(),
    "GET /api/v1/bills": refused(),
    "POST /api/v1/bills": refused(),
    "GET /api/v1/bills/{code}": refused(),
    "PATCH /api/v1/bills/{code}": refused(),
    "DELETE /api/v1/bills/{code}": refused(),
    "DELETE /api/v1/bills/{code}/bags/{parent}": refused(),
    "POST /api/v1/bills/{code}/complete": refused(),
    "POST /api/v1/bills/{code}/reopen": refused(),
    "GET /api/v1/returns": refused(),
    "POST /api/v1/returns": refused(),
    "GET /api/v1/returns/{ticket}": refused(),
    "POST /api/v1/returns/{ticket}/scans": refused(),
    "POST /api/v1/returns/{ticket}/finalise": refused(),
    "POST /api/v1/returns/{ticket}/cancel": refused(),
    "GET /api/v1/products": nothing(),
    "POST /api/v1/products": refused(),
    "PATCH /api/v1/products/{product}": refused(),
    "DELETE /api/v1/products/{product}": refused(),
    "GET /api/v1/areas": nothing(),
    "GET /api/v1/settings": nothing(),
    "PATCH /api/v1/settings": refused(),
    "POST /api/v1/areas": refused(),
    "DELETE /api/v1/areas/{name}": refused(),
}


def _application() -> Application:
    environ = {"DATABASE_URL": "postgresql://u:p@h/d", "REDIS_URL": "redis://h", "SESSION_SECRET": "0" * 32}
    return create_app(Settings.load(environ))


def _plain(path: str) -> str:
    return re.sub(r"\{(\w+):\w+\}", r"{\1}", path)


def _found(routes: Iterable[Any], prefix: str = "") -> set[str]:
    found = set()
    for route in routes:
        methods, path = getattr(route, "methods", None), getattr(route, "path", None)
        if path is not None and methods:
            found |= {f"{method} {_plain(prefix + path)}" for method in methods - {"HEAD", "OPTIONS"}}
        elif path is not None:
            found.add(f"{type(route).__name__} {_plain(prefix + path)}")
    return found


def all_routes() -> set[str]:
    """METHOD /path of all that the application serves, by its routes, its routers and its own description."""
    app = _application()
    found = _found(app.routes)
    for router in v1.ROUTERS:
        found |= _found(router.routes)
    for path, operations in app.openapi()["paths"].items():
        found |= {f"{method.upper()} {_plain(path)}" for method in operations if method != "parameters"}
    return found


def test_every_route_is_in_the_table() -> None:
    routes = all_routes()
    assert sorted(routes - ROUTES.keys()) == [], "say in ROUTES what these are"
    assert sorted(ROUTES.keys() - routes) == [], "these are gone"


def test_openapi_document_holds_no_data() -> None:
    assert not any(word in str(_application().openapi()) for word in (FAR_NAME, FAR_CHILD, FAR_BILL))


async def _prepare(app: AppProcess, admin: httpx.AsyncClient, sql: Any) -> tuple[int, set[str]]:
    """(the other area's bill, all that tells of its bags)."""
    await make_user(admin, "near", dispatch_area="lucknow")
    await make_user(admin, "far", dispatch_area="jaipur")
    before = await sql.fetchval("SELECT nextval('bags_id_seq')")
    await sql.execute("SELECT setval('bags_id_seq', $1, false)", FIRST_ID)
    async with logged_in(app, "far") as far:
        for scan in (
            {"code": FAR},
            {"code": FAR_2},
            {"code": FAR_CHILD, "parent": FAR},
            {"code": FAR_CHILD_2, "parent": FAR_2},
            {"code": FAR_LOOSE, "parent": FAR},
        ):
            assert (await far.post("/api/v1/scans", json=_scan(**scan))).status_code == 201
        assert (await far.post("/api/v1/scans/undo", json=_scan(code=FAR_LOOSE))).is_success
    await sql.execute("SELECT setval('bags_id_seq', $1)", before)
    made = await admin.post("/api/v1/bills", json={"code": FAR_BILL, "capacity": 5})
    assert made.status_code == 201, made.text
    assert (await admin.post("/api/v1/scans", json=_scan(code=FAR_2, bill=FAR_BILL))).status_code == 201
    assert (await admin.patch(f"/api/v1/bags/{FAR}", json={"name": FAR_NAME})).is_success
    ids = [row["id"] for row in await sql.fetch("SELECT id FROM bags WHERE area = 'jaipur'")]
    assert sorted(ids) == list(range(FIRST_ID, FIRST_ID + 5))
    bill = await sql.fetchval("SELECT id FROM bills WHERE code = $1", FAR_BILL)
    return bill, {FAR, FAR_2, FAR_CHILD, FAR_CHILD_2, FAR_LOOSE, FAR_NAME, *map(str, ids)}


async def _state(sql: Any) -> Any:
    """All that is kept of the other area's bags."""
    return await sql.fetchval(
        "SELECT jsonb_build_array("
        " (SELECT jsonb_agg(b ORDER BY id) FROM bags b WHERE id >= $1),"
        " (SELECT jsonb_agg(k ORDER BY child_id) FROM links k WHERE child_id >= $1 OR parent_id >= $1),"
        " (SELECT jsonb_agg(k ORDER BY id) FROM bill_bags k WHERE bag_id >= $1))::text",
        FIRST_ID,
    )


def _url(route: str, bill: int) -> tuple[str, str]:
    method, _, path = route.partition(" ")
    filled = _FILLED | {"bag": str(FIRST_ID), "bill": str(bill)}
    if "/bills/{code}" in path:
        filled["code"] = FAR_BILL
    return method, re.sub(r"\{(\w+)\}", lambda found: filled.get(found[1], "1"), path)


async def _call(client: httpx.AsyncClient, method: str, url: str, probe: Probe, body: Any) -> list[httpx.Response]:
    if method == "GET" or (method == "DELETE" and not body):
        kinds = ("application/json", "text/html") if method == "GET" else ("*/*",)
        return [await client.request(method, url, params=probe.query, headers={"Accept": each}) for each in kinds]
    answers = [await client.request(method, url, json=body)]
    if isinstance(body, dict) and not url.startswith("/api/v1/") and all(isinstance(v, str) for v in body.values()):
        answers.append(await client.request(method, url, data=body))
    return answers


def _told(answer: httpx.Response, words: set[str]) -> set[str]:
    """What the answer says of the other area's bags beyond what the request said."""
    request = answer.request
    sent = f"{request.url}{request.content.decode()}".upper()
    said = f"{answer.headers}{answer.text}".upper()
    return {word for word in words if word.upper() in said and word.upper() not in sent}


async def test_a_dispatcher_of_another_area_learns_and_changes_nothing(
    app: AppProcess, worker: httpx.AsyncClient, sql: Any
) -> None:
    bill, words = await _prepare(app, worker, sql)
    async with logged_in(app, "near") as near, logged_in(app, "far") as far:
        assert (await near.post("/api/fast_parent_scan", data={"qr_code": NEAR})).status_code == 200
        # What he sends himself is in his own history afterwards: look at everything before anything is sent.
        for kind in ("reads", "nothing", "refused", "writes"):
            for route, probe in ROUTES.items():
                if probe.kind != kind:
                    continue
                method, url = _url(route, bill)
                before = await _state(sql)
                for body in probe.bodies:
                    if probe.ends:
                        async with logged_in(app, "near") as own:
                            answers = await _call(own, method, url, probe, body)
                    else:
                        answers = await _call(near, method, url, probe, body)
                    for answer in answers:
                        assert answer.status_code < 500, (route, answer.text)
                        assert not _told(answer, words), (route, body, answer.text)
                        if kind == "refused":
                            assert answer.status_code in (401, 403), (route, answer.status_code, answer.text)
                        if kind == "writes":
                            assert answer.status_code != 422, (route, body, answer.text)
                            assert not any(word in answer.text for word in _MISSING), (route, body, answer.text)
                    if kind == "reads" and probe.shows is not None:
                        seen = "".join(each.text for each in await _call(far, method, url, probe, body))
                        assert probe.shows in seen, (route, "the area's own dispatcher sees nothing either", seen)
                assert await _state(sql) == before, route
                if probe.ends:
                    near.headers["X-CSRFToken"] = await _again(near)


async def _again(client: httpx.AsyncClient) -> str:
    client.cookies.clear()
    answer = await client.post("/api/v2/login", json={"username": "near", "password": "Str0ng!pass"})
    token: str = answer.json()["csrf_token"]
    return token
