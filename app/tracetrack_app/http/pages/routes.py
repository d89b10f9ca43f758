"""Log-in, dashboard and the scanning page."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Mapping
from zoneinfo import ZoneInfo

from msgspec import structs
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from tracetrack_app.http.auth.guard import account, check_csrf, held_up
from tracetrack_app.http.auth.login import MESSAGES, LoginResult, log_in
from tracetrack_app.http.auth.sessions import Session
from tracetrack_app.http.auth.trail import address_of, who
from tracetrack_app.http.legacy.common import answered
from tracetrack_app.http.pages.templates import page
from tracetrack_app.http.replies import MAX_BODY, fields_of, reply, service_of

_STATUS = {LoginResult.LIMITED: 429, LoginResult.UNAVAILABLE: 503}
_PageHandler = Callable[[Request, Session], Awaitable[Response]]


def _wants_json(request: Request) -> bool:
    return request.headers.get("content-type", "").startswith("application/json")


async def _login_page(request: Request, session: Session, message: str = "", status: int = 200) -> Response:
    service = service_of(request)
    sessions = service.sessions
    # The page is there while the database is not.
    values = service.defaults if await service.problem() is not None else await service.business.values()
    response = page(
        "login.html",
        status,
        csrf_token=sessions.csrf_token(session),
        message=message,
        registration=values.registration != "off",
    )
    if status == 429:
        response.headers["Retry-After"] = "60"
    return response


async def login_form(request: Request) -> Response:
    """The page; gives the browser the cookie that the form's token belongs to."""
    sessions = service_of(request).sessions
    session = sessions.read(request)
    if session is not None and session.user_id is not None:
        return RedirectResponse("/dashboard", 302)
    session = session or sessions.create()
    response = await _login_page(request, session)
    sessions.set(request, response, session)
    return response


@answered
async def login(request: Request) -> Response:
    """302 to the dashboard, or the page again with what is wrong."""
    service = service_of(request)
    fields = await fields_of(request)
    session = service.sessions.read(request) or service.sessions.create()
    check_csrf(request, session, fields)
    username, password = fields.get("username", "").strip(), fields.get("password", "")
    if not username or not password or len(username) > 64 or len(password) > 1000:
        return await _not_logged_in(request, session, fields, MESSAGES[LoginResult.REFUSED], 200)
    problem = await service.problem()
    if problem is not None:
        return await _not_logged_in(request, session, fields, MESSAGES[LoginResult.UNAVAILABLE], 503)
    address = address_of(request)
    attempt = await log_in(service, who(request, username=username), username, password, address)
    if attempt.result is LoginResult.TOTP and attempt.user is not None:
        return _second_step(request, attempt.user.id)
    if attempt.user is None or attempt.result is not LoginResult.OK:
        status = _STATUS.get(attempt.result, 200)
        return await _not_logged_in(request, session, fields, MESSAGES[attempt.result], status)
    # A new session id, so that one planted before log-in is worth nothing.
    session = service.sessions.create(
        attempt.user.id, attempt.user.username, attempt.user.role, epoch=attempt.user.epoch
    )
    response = RedirectResponse("/dashboard", 302)
    service.sessions.set(request, response, session)
    response.delete_cookie("parent", path="/")
    return response


def _second_step(request: Request, user_id: int) -> Response:
    """On to the one-time code, with a session that can do nothing else."""
    sessions = service_of(request).sessions
    session = sessions.create(pending=user_id)
    response: Response = RedirectResponse("/2fa/verify", 302)
    if _wants_json(request):
        body = {"success": False, "totp_required": True, "message": MESSAGES[LoginResult.TOTP]}
        response = reply(body | {"redirect": "/2fa/verify", "csrf_token": sessions.csrf_token(session)})
    sessions.set(request, response, session)
    return response


async def _not_logged_in(
    request: Request, session: Session, fields: Mapping[str, str], message: str, status: int
) -> Response:
    if _wants_json(request):
        headers = {"Retry-After": "60"} if status == 429 else None
        return reply({"success": False, "message": message}, status, headers)
    response = await _login_page(request, session, message, status)
    service_of(request).sessions.set(request, response, session)
    return response


@answered
async def logout(request: Request) -> Response:
    """End the session on every replica."""
    service = service_of(request)
    session = service.sessions.read(request)
    if session is not None and request.method == "POST":
        check_csrf(request, session, await fields_of(request))
    if session is not None:
        await service.shared.end_session(session.id, service.sessions.ends(session))
    response = RedirectResponse("/login", 302)
    service.sessions.clear(response)
    return response


def _page(handler: _PageHandler) -> Callable[[Request], Awaitable[Response]]:
    @functools.wraps(handler)
    async def wrapper(request: Request) -> Response:
        service = service_of(request)
        session = service.sessions.read(request)
        if session is None or session.user_id is None:
            return RedirectResponse("/login", 302)
        if await service.problem() is not None:
            token = service.sessions.csrf_token(session)
            return page("waiting.html", 503, user=session.username, csrf_token=token)
        him = await account(request, session)
        if him is None:
            response: Response = RedirectResponse("/login", 302)
            service.sessions.clear(response)
            return response
        hold = await held_up(request, him)
        if hold is not None:
            return RedirectResponse(hold.page, 302)
        # One who came with a cookie of the existing system has no name in it.
        response = await handler(request, structs.replace(session, username=him.username))
        service.sessions.refresh(request, response, session)
        return response

    return wrapper


@_page
async def dashboard(request: Request, session: Session) -> Response:
    """Totals and the newest scans; a dispatcher's are those of his area."""
    service = service_of(request)
    him = await account(request, session)
    if him is None:
        return RedirectResponse("/login", 302)
    zone = ZoneInfo(service.settings.timezone)
    scans = await service.activity.recent(him.scope, 10)
    return page(
        "dashboard.html",
        user=session.username,
        csrf_token=service.sessions.csrf_token(session),
        totals=await service.activity.totals(him.scope),
        scans=[(scan.at.astimezone(zone).strftime("%d %b %H:%M:%S"), scan) for scan in scans],
        timezone=service.settings.timezone,
    )


@_page
async def scan_page(request: Request, session: Session) -> Response:
    """One large field for the scanner to type into."""
    service = service_of(request)
    child = "child" in request.url.path
    parent = service.sessions.parent(request, session)
    if child and parent is None:
        return RedirectResponse("/scan/parent", 302)
    count, expected = await service.reads.fill(parent) if child and parent else (0, 0)
    return page(
        "scan.html",
        user=session.username,
        csrf_token=service.sessions.csrf_token(session),
        child=child,
        parent=parent or "",
        count=count,
        expected=expected,
    )


ROUTES = [
    Route("/login", login_form),
    Route("/login", login, methods=["POST"], max_body_size=MAX_BODY),
    Route("/logout", logout, methods=["GET", "POST"], max_body_size=MAX_BODY),
    Route("/dashboard", dashboard),
    *[Route(path, scan_page) for path in ("/scan/parent", "/scan/child", "/scan_parent", "/scan_child")],
]
