"""Accounts as admins manage them in the old contract, and requests to become one."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tracetrack_app.domain import passwords
from tracetrack_app.domain.accounts import AccountError
from tracetrack_app.domain.people import Permission, Principal, Role
from tracetrack_app.http.auth import members
from tracetrack_app.http.auth.guard import signed_in
from tracetrack_app.http.auth.trail import who
from tracetrack_app.http.legacy.common import asked, done
from tracetrack_app.http.legacy.forms import Field, account_call, finished, form, wants_json
from tracetrack_app.http.pages.templates import page
from tracetrack_app.http.replies import MAX_BODY, Refused, reply, service_of
from tracetrack_app.store.accounts import Account

_PAGE = 500
_YES = ("1", "true", "yes", "on")


def _shown(each: Account) -> dict[str, Any]:
    return {
        "id": each.id,
        "username": each.username,
        "email": each.email,
        "role": each.role,
        "dispatch_area": each.area,
        "active": each.active,
        "verified": each.approved,
        "two_fa_enabled": each.totp_enabled,
        "created_at": each.created_at.isoformat(),
        "last_login_at": each.last_login_at.isoformat() if each.last_login_at else None,
    }


async def _all(request: Request, search: str = "", role: str | None = None) -> list[Account]:
    found: list[Account] = []
    while True:
        before = found[-1].id if found else None
        rows = await service_of(request).accounts.list(before=before, limit=_PAGE, search=search, role=role)
        found += rows
        if len(rows) < _PAGE:
            return found[::-1]


@account_call
async def user_management(request: Request) -> Response:
    """Everybody, and the form for one more."""
    him, fields = await asked(request, Permission.USERS)
    return await _management(request, him, fields.get("search", "")[:64], fields.get("message", "")[:200])


async def _management(
    request: Request, him: Principal, search: str = "", message: str = "", given: dict[str, str] | None = None
) -> Response:
    service, users = service_of(request), await _all(request, search)
    if wants_json(request):
        return done(request, reply({"success": True, "total": len(users), "users": [_shown(each) for each in users]}))
    session = signed_in(request)
    response = page(
        "users.html",
        user=him.username,
        csrf_token=service.sessions.csrf_token(session),
        users=users,
        search=search,
        message=message,
        refused=given is not None,
        fields=_fields(given or {}, await service.accounts.areas()),
        requests=await service.requests.promotions(),
    )
    return done(request, response)


def _fields(given: dict[str, str], areas: list[str], *, new: bool = True) -> list[Field]:
    rule = f"Password ({passwords.RULE})" if new else "New password, if he needs one"
    return [
        Field("username", "User name", given.get("username", "")),
        Field("email", "E-mail", given.get("email", ""), "email", required=False),
        Field("password", rule, type="password", autocomplete="new-password", required=new),
        Field("role", "Role", given.get("role", Role.DISPATCHER), choices=tuple(Role)),
        Field("dispatch_area", "Area of a dispatcher", given.get("dispatch_area", ""), choices=("", *areas)),
    ]


@account_call
async def users_short(request: Request) -> Response:
    """id, name and role of everybody."""
    await asked(request, Permission.USERS)
    users = [{"id": each.id, "username": each.username, "role": each.role} for each in await _all(request)]
    return done(request, reply({"success": True, "total": len(users), "users": users}))


@account_call
async def create_user(request: Request) -> Response:
    """An account, approved at once."""
    him, fields = await asked(request, Permission.USERS)
    try:
        made = await members.create(
            service_of(request),
            who(request, him),
            username=fields.get("username", ""),
            password=fields.get("password", ""),
            role=fields.get("role") or Role.DISPATCHER,
            area=fields.get("dispatch_area") or fields.get("area"),
            email=fields.get("email"),
            must_change_password=fields.get("must_change_password", "").lower() in _YES,
        )
    except AccountError as error:
        if wants_json(request):
            raise
        return await _management(request, him, message=str(error), given=fields)
    words = f"{made.username} was created."
    return done(request, finished(request, "/user_management", {"message": words, "user": _shown(made)}, words))


@account_call
async def edit_user(request: Request) -> Response:
    """Change what is given; an empty password stays as it is."""
    him, fields = await asked(request, Permission.USERS)
    service, user_id = service_of(request), request.path_params["id"]
    before = await service.accounts.get(user_id)
    areas = await service.accounts.areas()
    title = f"Account of {before.username}"
    known = {"username": before.username, "email": before.email or "", "role": before.role}
    known["dispatch_area"] = before.area or ""
    if request.method == "GET":
        if wants_json(request):
            return done(request, reply({"success": True, "user": _shown(before)}))
        return form(request, title, _fields(known, areas, new=False), person=him)
    changes: dict[str, Any] = {name: fields[name] for name in ("username", "email", "role") if name in fields}
    for name in ("dispatch_area", "area"):
        if name in fields:
            changes["area"] = fields[name]
    for name, column in (("active", "active"), ("verified", "approved"), ("approved", "approved")):
        if name in fields:
            changes[column] = fields[name].lower() in _YES
    password = fields.get("password") or fields.get("new_password")
    try:
        if password:
            members.check_password(password, changes.get("username", before.username))
        after = await members.change(service, who(request, him), user_id, changes)
        if password:
            must = fields.get("must_change_password", "").lower() in _YES
            await members.set_password(service, who(request, him), user_id, after.username, password, must_change=must)
    except AccountError as error:
        if wants_json(request):
            raise
        return form(request, title, _fields(known | fields, areas, new=False), person=him, message=str(error))
    words = f"{after.username} was changed."
    return done(request, finished(request, "/user_management", {"message": words, "user": _shown(after)}, words))


async def _set_role(request: Request, him: Principal, role: str, area: str | None, action: str) -> Response:
    user_id = request.path_params["id"]
    changes: dict[str, Any] = {"role": role} | ({"area": area} if area is not None else {})
    after = await members.change(service_of(request), who(request, him), user_id, changes, action)
    words = f"{after.username} is {after.role} now."
    body = {"message": words, "user": _shown(after), "new_role": after.role}
    return done(request, finished(request, "/user_management", body, words))


@account_call
async def change_role(request: Request) -> Response:
    """`role` (or `new_role`), and `dispatch_area` for a dispatcher."""
    him, fields = await asked(request, Permission.USERS)
    role = fields.get("role") or fields.get("new_role")
    if not role:
        raise Refused(400, "Give the role: admin, biller or dispatcher.", error_code="missing_data")
    return await _set_role(request, him, role, fields.get("dispatch_area") or fields.get("area"), "user.update")


@account_call
async def promote(request: Request) -> Response:
    """Make an admin of him."""
    him, _ = await asked(request, Permission.USERS)
    return await _set_role(request, him, Role.ADMIN, None, "user.promote")


@account_call
async def demote(request: Request) -> Response:
    """Make a biller of him, or what `role` says; never of the last admin."""
    him, fields = await asked(request, Permission.USERS)
    role = fields.get("role") or Role.BILLER
    return await _set_role(request, him, role, fields.get("dispatch_area") or fields.get("area"), "user.demote")


@account_call
async def delete_user(request: Request) -> Response:
    """End the account; what he scanned and billed stays, under his name."""
    him, _ = await asked(request, Permission.USERS)
    gone = await members.delete(service_of(request), who(request, him), request.path_params["id"])
    words = f"{gone.username} was deleted; {gone.scans} scans and {gone.bills} bills stay."
    if "text/html" in request.headers.get("accept", "") and not wants_json(request):
        return done(request, finished(request, "/user_management", {}, words))
    counts = {"preserved_scans": gone.scans, "preserved_bills": gone.bills}
    return done(request, reply({"success": True, "message": words, **counts}))


@account_call
async def unlock_user(request: Request) -> Response:
    """Let him try to log in again at once."""
    him, _ = await asked(request, Permission.USERS)
    freed = await service_of(request).accounts.unlock(who(request, him), request.path_params["id"])
    words = f"{freed.username} may log in again."
    return done(request, finished(request, "/user_management", {"message": words}, words))


@account_call
async def promotions(request: Request) -> Response:
    """The requests to become an admin that wait."""
    him, fields = await asked(request, Permission.USERS)
    service = service_of(request)
    waiting = await service.requests.promotions(None if fields.get("status") == "all" else "pending")
    if wants_json(request):
        found = [msgspec.to_builtins(each) for each in waiting]
        return done(request, reply({"success": True, "count": len(found), "requests": found}))
    session = signed_in(request)
    token = service.sessions.csrf_token(session)
    message = fields.get("message", "")[:200]
    return done(
        request, page("promotions.html", user=him.username, csrf_token=token, requests=waiting, message=message)
    )


@account_call
async def decide_promotion(request: Request) -> Response:
    """`action` is approve or reject; `admin_notes` tells him why."""
    him, fields = await asked(request, Permission.USERS)
    action = (fields.get("action") or fields.get("decision") or "").lower()
    if action not in ("approve", "reject"):
        raise Refused(400, "action must be approve or reject.", error_code="bad_request")
    name = await service_of(request).requests.decide(
        who(request, him),
        request.path_params["id"],
        approve=action == "approve",
        notes=" ".join((fields.get("admin_notes") or fields.get("notes") or "").split()),
    )
    words = f"{name} is an admin now." if action == "approve" else f"The request of {name} was declined."
    return done(request, finished(request, "/admin/promotions", {"message": words}, words))


def _post(path: str, handler: Any) -> Route:
    return Route(path, handler, methods=["POST"], max_body_size=MAX_BODY)


ROUTES = [
    Route("/user_management", user_management),
    Route("/api/users", users_short),
    Route("/api/v2/users", users_short),
    _post("/create_user", create_user),
    Route("/admin/users/{id:int}/edit", edit_user, methods=["GET", "POST"], max_body_size=MAX_BODY),
    _post("/admin/users/{id:int}/change-role", change_role),
    _post("/admin/users/{id:int}/promote", promote),
    _post("/admin/users/{id:int}/demote", demote),
    _post("/admin/users/{id:int}/delete", delete_user),
    _post("/admin/users/{id:int}/unlock", unlock_user),
    Route("/admin/promotions", promotions),
    _post("/admin/promotion_request/{id:int}", decide_promotion),
]
