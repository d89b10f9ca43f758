"""Two-factor log-in: setting it up, turning it on and off, and the second step of a log-in."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from tracetrack_app import metrics
from tracetrack_app.domain.accounts import AccountError
from tracetrack_app.domain.people import Role
from tracetrack_app.http.auth import members, totp
from tracetrack_app.http.auth.guard import person
from tracetrack_app.http.auth.limits import LimitedError
from tracetrack_app.http.auth.trail import who
from tracetrack_app.http.legacy.forms import Field, account_call, finished, form, sent, wants_json
from tracetrack_app.http.replies import MAX_BODY, Refused, reply, service_of

_CODE = Field("code", "Code of your authenticator app", autocomplete="one-time-code")
_WRONG = "This code is wrong, was used before or is too old. Wait for the next one."


async def _count(request: Request, user_id: int) -> None:
    if not await service_of(request).totp.allowed(user_id):
        raise LimitedError("Too many codes. Wait a quarter of an hour and log in again.", 900)


@account_call
async def setup(request: Request) -> Response:
    """The secret, as a QR code and as text, until it is turned on by a code made with it."""
    service, him = service_of(request), await person(request)
    if him.totp:
        if wants_json(request):
            return reply({"success": True, "enabled": True, "message": "Two-factor log-in is on."})
        password = Field("password", "Your password, to turn it off", type="password", autocomplete="current-password")
        return form(
            request,
            "Two-factor log-in",
            [password, _CODE],
            person=him,
            submit="Turn off",
            text="Two-factor log-in is on.",
            target="/2fa/disable",
        )
    secret = await service.totp.begin(service.credentials, him.user_id)
    address = totp.uri(secret, him.username)
    if wants_json(request):
        return reply({"success": True, "enabled": False, "secret": secret, "uri": address})
    return form(
        request,
        "Two-factor log-in",
        [_CODE],
        person=him,
        submit="Turn on",
        text="Scan this with your authenticator app, or type the key in. Then enter the code that the app shows.",
        picture=totp.qr_code(address),
        secret=" ".join(secret[each : each + 4] for each in range(0, len(secret), 4)),
        target="/2fa/enable",
    )


@account_call
async def enable(request: Request) -> Response:
    """Turn it on with a code; the recovery codes are told this once."""
    service, him = service_of(request), await person(request)
    fields = await sent(request)
    await _count(request, him.user_id)
    step = await service.totp.step_of(service.credentials, him.user_id, fields.get("code") or fields.get("token") or "")
    if step is None:
        if wants_json(request):
            raise AccountError("wrong_code", _WRONG, "code")
        return form(request, "Two-factor log-in", [_CODE], person=him, submit="Turn on", message=_WRONG)
    await service.totp.succeeded(him.user_id)
    codes = totp.recovery_codes()
    hashes = [totp.recovery_hash(him.user_id, code) for code in codes]
    await service.credentials.enable_totp(who(request, him), him.user_id, step, hashes)
    words = "Two-factor log-in is on. Keep these recovery codes: each gets you in once when your app is lost."
    if wants_json(request):
        return reply({"success": True, "message": words, "recovery_codes": codes})
    return form(request, "Two-factor log-in", [], person=him, message=words, good=True, codes=codes)


@account_call
async def disable(request: Request) -> Response:
    """Turn it off, with the password and a code."""
    service, him = service_of(request), await person(request)
    fields = await sent(request)
    if him.role is Role.ADMIN and (await service.business.values()).require_admin_totp:
        raise AccountError("totp_required", "Admins need two-factor log-in here: it cannot be turned off.")
    await members.confirm(service, him, fields.get("password") or fields.get("current_password") or "")
    await _count(request, him.user_id)
    if await service.totp.check(service.credentials, him.user_id, fields.get("code", "")) is None:
        raise AccountError("wrong_code", _WRONG, "code")
    await service.totp.succeeded(him.user_id)
    await service.credentials.disable_totp(who(request, him), him.user_id)
    words = "Two-factor log-in is off."
    return finished(request, "/profile", {"message": words}, words)


@account_call
async def verify(request: Request) -> Response:
    """The second step of a log-in: a code of the app, or a recovery code."""
    service = service_of(request)
    session = service.sessions.read(request)
    if session is None or session.pending is None:
        if wants_json(request):
            raise Refused(401, "Log in with your password first.", auth_required=True, error_code="unauthorized")
        return RedirectResponse("/login", 302)
    title, user_id = "Two-factor log-in", session.pending
    if request.method == "GET":
        return form(request, title, [_CODE], session=session, submit="Log in")
    fields = await sent(request)
    await _count(request, user_id)
    him = await service.reads.principal(user_id)
    right = await service.totp.check(service.credentials, user_id, fields.get("code") or fields.get("token") or "")
    if him is None or right is None:
        metrics.LOGINS.labels("totp_refused").inc()
        actor = who(request, him)
        await service.audit.record("login.failed", actor, "user", user_id, details={"reason": "wrong_code"})
        if wants_json(request):
            raise AccountError("wrong_code", _WRONG, "code")
        return form(request, title, [_CODE], session=session, submit="Log in", message=_WRONG)
    await service.totp.succeeded(user_id)
    metrics.LOGINS.labels("ok").inc()
    await service.audit.record("login", who(request, him), "user", user_id, details={"factor": right})
    await service.shared.end_session(session.id, service.sessions.ends(session))
    fresh = service.sessions.create(him.user_id, him.username, him.role, epoch=him.epoch)
    user = {"id": him.user_id, "username": him.username, "role": him.role, "dispatch_area": him.area}
    body = {"message": f"Welcome, {him.username}.", "user": user, "csrf_token": service.sessions.csrf_token(fresh)}
    response = finished(request, "/dashboard", body)
    service.sessions.set(request, response, fresh)
    response.delete_cookie("parent", path="/")
    return response


ROUTES = [
    Route("/2fa/setup", setup),
    Route("/2fa/enable", enable, methods=["POST"], max_body_size=MAX_BODY),
    Route("/2fa/disable", disable, methods=["POST"], max_body_size=MAX_BODY),
    Route("/2fa/verify", verify, methods=["GET", "POST"], max_body_size=MAX_BODY),
]
