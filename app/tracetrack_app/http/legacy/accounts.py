"""One's own account in the old contract: registration, forgotten passwords, profile, the session's time."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tracetrack_app.domain import passwords
from tracetrack_app.domain.accounts import AccountError
from tracetrack_app.domain.people import Principal, Role
from tracetrack_app.http.auth import members
from tracetrack_app.http.auth.guard import account, check_csrf, person, signed_in
from tracetrack_app.http.auth.limits import limit
from tracetrack_app.http.auth.login import MESSAGES, LoginResult, log_in
from tracetrack_app.http.auth.passwords import hash_password
from tracetrack_app.http.auth.trail import address_of, who
from tracetrack_app.http.legacy.forms import Field, account_call, any_session, finished, form, refusal, sent, wants_json
from tracetrack_app.http.pages.templates import page
from tracetrack_app.http.replies import MAX_BODY, Refused, fields_of, reply, service_of
from tracetrack_app.store.credentials import RESET_MINUTES

_HOUR = 3600
_WARN_BEFORE = 300
_SENT = "If there is such an account with an e-mail address, a link to choose a new password is on its way."
_SPENT = "This link has been used or is too old. Ask for another one."
_WAITS = "Your account waits for an admin's approval."
_STATUS = {LoginResult.LIMITED: 429, LoginResult.UNAVAILABLE: 503}


@account_call
async def v2_login(request: Request) -> Response:
    """Log in by JSON: the session's cookie, its CSRF token, and `totp_required` when a code must follow.

    A page of another site cannot send this content type, so it needs no token of a page before.
    """
    if not request.headers.get("content-type", "").startswith("application/json"):
        raise Refused(415, "Send application/json.", error_code="bad_request")
    service, fields = service_of(request), await fields_of(request)
    username, password = fields.get("username", "").strip(), fields.get("password", "")
    if not username or not password or len(username) > 64 or len(password) > passwords.MAX_LENGTH:
        return reply({"success": False, "message": MESSAGES[LoginResult.REFUSED], "error_type": "refused"}, 401)
    attempt = await log_in(service, who(request, username=username), username, password, address_of(request))
    user = attempt.user
    if user is None or attempt.result not in (LoginResult.OK, LoginResult.TOTP):
        status = _STATUS.get(attempt.result, 401)
        headers = {"Retry-After": "60"} if status in (429, 503) else None
        body = {"success": False, "message": MESSAGES[attempt.result], "error_type": attempt.result.value}
        return reply(body, status, headers)
    if attempt.result is LoginResult.TOTP:
        session = service.sessions.create(pending=user.id)
        response = reply(
            {
                "success": False,
                "totp_required": True,
                "message": MESSAGES[LoginResult.TOTP],
                "redirect": "/2fa/verify",
                "csrf_token": service.sessions.csrf_token(session),
            }
        )
    else:
        session = service.sessions.create(user.id, user.username, user.role, epoch=user.epoch)
        him = await service.reads.principal(user.id)
        response = reply(
            {
                "success": True,
                "message": f"Welcome, {user.username}.",
                "user": {
                    "id": user.id,
                    "username": user.username,
                    "role": user.role,
                    "dispatch_area": him.area if him else None,
                },
                "csrf_token": service.sessions.csrf_token(session),
                "expires_in": round(service.sessions.remaining(session)),
            }
        )
    service.sessions.set(request, response, session)
    return response


@account_call
async def session_status(request: Request) -> Response:
    """How long the session lasts if it is not used; asking does not prolong it."""
    service = service_of(request)
    session = service.sessions.read(request)
    him = await account(request, session) if session is not None and session.user_id is not None else None
    if session is None or him is None:
        body = {"success": True, "authenticated": False, "time_remaining_seconds": 0, "show_warning": False}
        return reply(body | {"session_info": None})
    left = max(0, round(service.sessions.remaining(session)))
    return reply(
        {
            "success": True,
            "authenticated": True,
            "time_remaining_seconds": left,
            "show_warning": left <= _WARN_BEFORE,
            "session_info": {
                "user_id": him.user_id,
                "username": him.username,
                "role": him.role,
                "login_time": datetime.fromtimestamp(session.began, UTC).isoformat(),
                "last_activity": datetime.fromtimestamp(session.seen, UTC).isoformat(),
                "absolute_remaining_seconds": max(0, round(service.sessions.ends(session) - time.time())),
            },
        }
    )


def _registration(fields: dict[str, str], areas: list[str]) -> list[Field]:
    return [
        Field("username", "User name", fields.get("username", ""), autocomplete="username"),
        Field("email", "E-mail", fields.get("email", ""), "email", "email"),
        Field("password", f"Password ({passwords.RULE})", type="password", autocomplete="new-password"),
        Field("dispatch_area", "Area", fields.get("dispatch_area", ""), choices=tuple(areas)),
    ]


@account_call
async def register(request: Request) -> Response:
    """Ask for a dispatcher's account; an admin approves it, unless the settings say otherwise."""
    service = service_of(request)
    registration = (await service.business.values()).registration
    if registration == "off":
        raise Refused(403, "Registration is off here: ask an admin for an account.", error_code="forbidden")
    areas = await service.accounts.areas()
    if request.method == "GET":
        return form(request, "Register", _registration({}, areas), submit="Ask for an account")
    fields = await sent(request)
    await limit(service.shared, f"register:{address_of(request)}", service.settings.accounts.registration_limit, _HOUR)
    approved = registration == "open"
    try:
        made = await members.create(
            service,
            who(request),
            username=fields.get("username", ""),
            password=fields.get("password", ""),
            role=Role.DISPATCHER,
            area=fields.get("dispatch_area") or fields.get("area"),
            email=fields.get("email"),
            approved=approved,
        )
    except AccountError as error:
        if wants_json(request):
            raise
        return form(request, "Register", _registration(fields, areas), submit="Ask for an account", message=str(error))
    if not approved:
        await service.requests.registered(made.username)
    words = "Your account is ready: log in." if approved else _WAITS
    if wants_json(request):
        return reply({"success": True, "message": words, "approved": approved})
    return form(request, "Register", [], message=words, good=True)


_FORGOT = [Field("email", "User name or e-mail", autocomplete="username")]


@account_call
async def forgot_password(request: Request) -> Response:
    """The same answer, at once, whether there is such an account or not; the mail goes after it."""
    service = service_of(request)
    if request.method == "GET":
        return form(request, "Forgotten password", _FORGOT, submit="Send me a link")
    fields = await sent(request)
    name = (fields.get("email") or fields.get("username") or "").strip()[:120]
    if not name:
        raise AccountError("missing_data", "Give your user name or e-mail address.", "email")
    await limit(service.shared, f"reset:{address_of(request)}", service.settings.accounts.reset_limit, _HOUR)
    actor = who(request)

    async def send() -> None:
        # A retry makes another link; those before it die with the first that is used.
        found = await service.credentials.begin_reset(actor, name)
        if found is None:
            return
        username, address, token = found
        link = f"{service.settings.accounts.public_url}/reset_password/{token}"
        text = (
            f"Somebody, probably you, asked for a new password for {username} at TraceTrack.\n\n"
            f"Choose it here within {RESET_MINUTES} minutes:\n{link}\n\n"
            "If it was not you, there is nothing to do: your password stays as it is.\n"
        )
        await service.mailer.send(address, "Choose a new password for TraceTrack", text)

    if service.mailer.configured:
        service.mailer.background(send)
    if wants_json(request):
        return reply({"success": True, "message": _SENT})
    return form(request, "Forgotten password", [], message=_SENT, good=True)


@account_call
async def reset_password(request: Request) -> Response:
    """Choose a new password by the link of the mail; it works once, for an hour, and ends all sessions."""
    service, token = service_of(request), request.path_params["token"][:200]
    username = await service.credentials.reset_for(token)
    if username is None:
        if wants_json(request):
            return reply({"success": False, "message": _SPENT, "error_type": "link_spent"})
        return form(request, "New password", [], message=_SPENT)
    fields = [Field("password", f"New password ({passwords.RULE})", type="password", autocomplete="new-password")]
    fields.append(Field("confirm_password", "The same again", type="password", autocomplete="new-password"))
    if request.method == "GET":
        return form(request, f"New password for {username}", fields)
    given = await sent(request)
    await limit(service.shared, f"reset:{address_of(request)}", service.settings.accounts.reset_limit, _HOUR)
    try:
        if given.get("confirm_password", given.get("password")) != given.get("password"):
            raise AccountError("passwords_differ", "The two passwords differ.", "confirm_password")
        members.check_password(given.get("password", ""), username)
    except AccountError as error:
        if wants_json(request):
            raise
        return form(request, f"New password for {username}", fields, message=str(error))
    hashed = await hash_password(given["password"])
    if await service.credentials.finish_reset(who(request, username=username), token, hashed) is None:
        raise AccountError("link_spent", _SPENT)
    words = "Your new password is set. Log in with it."
    return finished(request, "/login", {"message": words})


@account_call
async def profile(request: Request) -> Response:
    """One's own account: what it may, its notices."""
    service, him = service_of(request), await person(request)
    shown = await service.accounts.get(him.user_id)
    notices = await service.requests.notices(him.user_id, limit=20)
    if wants_json(request):
        user = {
            "id": shown.id,
            "username": shown.username,
            "email": shown.email,
            "role": shown.role,
            "dispatch_area": shown.area,
            "two_fa_enabled": shown.totp_enabled,
            "created_at": shown.created_at.isoformat(),
        }
        return reply({"success": True, "user": user, "notifications": [msgspec.to_builtins(each) for each in notices]})
    session = signed_in(request)
    response = page(
        "profile.html",
        user=him.username,
        csrf_token=service.sessions.csrf_token(session),
        account=shown,
        notices=notices,
        message=request.query_params.get("message", "")[:200],
    )
    service.sessions.refresh(request, response, session)
    return response


def _profile_fields(email: str) -> list[Field]:
    return [
        Field("email", "E-mail", email, "email", "email", required=False),
        Field("current_password", "Current password", type="password", autocomplete="current-password"),
        Field(
            "new_password",
            f"New password, if you want one ({passwords.RULE})",
            type="password",
            autocomplete="new-password",
            required=False,
        ),
    ]


@account_call
async def edit_profile(request: Request) -> Response:
    """Change one's e-mail address or password; needs the current password."""
    service, him = service_of(request), await person(request)
    shown = await service.accounts.get(him.user_id)
    title = "Choose a password of your own" if him.must_change_password else "Your account"
    if request.method == "GET":
        return form(request, title, _profile_fields(shown.email or ""), person=him)
    fields = await sent(request)
    try:
        epoch = await _edit(request, him, fields, shown.email)
    except AccountError as error:
        if wants_json(request):
            raise
        return form(request, title, _profile_fields(fields.get("email", "")), person=him, message=str(error))
    response = finished(request, "/profile", {"message": "Saved."}, "Saved.")
    session = msgspec.structs.replace(signed_in(request), epoch=epoch, seen=time.time(), adopted=False)
    service.sessions.set(request, response, session)
    return response


async def _edit(request: Request, him: Principal, fields: dict[str, str], email: str | None) -> int:
    """The account's epoch afterwards: a new password ends all sessions but this one."""
    service, actor = service_of(request), who(request, him)
    await members.confirm(service, him, fields.get("current_password", ""))
    new = fields.get("new_password") or fields.get("password") or ""
    if new:
        if fields.get("confirm_password", new) != new:
            raise AccountError("passwords_differ", "The two passwords differ.", "confirm_password")
        members.check_password(new, him.username)
        if new == fields.get("current_password"):
            raise AccountError("same_password", "This is your current password: choose another.", "new_password")
    elif him.must_change_password:
        raise AccountError("weak_password", "Choose a new password.", "new_password")
    if "email" in fields and fields["email"].strip() != (email or ""):
        await members.change(service, actor, him.user_id, {"email": fields["email"]})
    return await members.set_password(service, actor, him.user_id, him.username, new) if new else him.epoch


@account_call
async def log_out_everywhere(request: Request) -> Response:
    """End all of one's sessions, this one too."""
    service, him = service_of(request), await person(request)
    check_csrf(request, any_session(request), await fields_of(request))
    await service.accounts.end_sessions(who(request, him), him.user_id)
    response = finished(request, "/login", {"message": "You are logged out everywhere."})
    service.sessions.clear(response)
    return response


@account_call
async def request_promotion(request: Request) -> Response:
    """A dispatcher or biller asks to become an admin."""
    service, him = service_of(request), await person(request)
    fields = [Field("reason", "Why should you be an admin?")]
    if request.method == "GET":
        return form(request, "Become an admin", fields, person=him, submit="Ask")
    given = await sent(request)
    try:
        if him.role is Role.ADMIN:
            raise AccountError("already_admin", "You are an admin already.")
        number = await service.requests.ask(who(request, him), him.user_id, given.get("reason", ""))
    except AccountError as error:
        if wants_json(request):
            return reply(refusal(error))
        return form(request, "Become an admin", fields, person=him, submit="Ask", message=str(error))
    words = "Your request waits for an admin."
    return finished(request, "/profile", {"message": words, "request_id": number}, words)


@account_call
async def read_notice(request: Request) -> Response:
    """Mark a notice as read."""
    service, him = service_of(request), await person(request)
    await sent(request)
    if not await service.requests.read(him.user_id, request.path_params["id"]):
        raise AccountError("not_found", "There is no such notice.")
    return finished(request, "/profile", {"message": "Read."})


_BOTH = ["GET", "POST"]
ROUTES = [
    Route("/api/v2/login", v2_login, methods=["POST"], max_body_size=MAX_BODY),
    Route("/api/session/status", session_status),
    Route("/register", register, methods=_BOTH, max_body_size=MAX_BODY),
    Route("/forgot_password", forgot_password, methods=_BOTH, max_body_size=MAX_BODY),
    Route("/reset_password/{token}", reset_password, methods=_BOTH, max_body_size=MAX_BODY),
    Route("/profile", profile),
    Route("/profile/edit", edit_profile, methods=_BOTH, max_body_size=MAX_BODY),
    Route("/profile/logout_everywhere", log_out_everywhere, methods=["POST"], max_body_size=MAX_BODY),
    Route("/profile/notifications/{id:int}/read", read_notice, methods=["POST"], max_body_size=MAX_BODY),
    Route("/request_promotion", request_promotion, methods=_BOTH, max_body_size=MAX_BODY),
]
