"""What the calls of the old contract share: how they fail, and how they name their fields."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Mapping
from uuid import UUID, uuid4

from starlette.requests import Request
from starlette.responses import Response

from tracetrack_app.domain.people import Permission, Principal
from tracetrack_app.domain.rules import NOT_FOUND, RuleError
from tracetrack_app.http.auth.guard import check_csrf, principal, signed_in
from tracetrack_app.http.auth.limits import scan_limit
from tracetrack_app.http.replies import Refused, fields_of, refusal, reply, service_of
from tracetrack_app.store.writer import UnavailableError

Handler = Callable[[Request], Awaitable[Response]]
CODE_NAMES = ("qr_code", "qr_id", "child_qr")
PARENT_NAMES = ("parent_qr", "parent_qr_code", "parent_id")
SOURCE = "legacy"


def answered(handler: Handler) -> Handler:
    """Turns Refused, RuleError (HTTP 200, but for a GET of what isn't there) and UnavailableError into replies."""

    @functools.wraps(handler)
    async def wrapper(request: Request) -> Response:
        try:
            return await handler(request)
        except Refused as refused:
            return refusal(refused)
        except RuleError as error:
            if error.rule in NOT_FOUND and request.method == "GET":
                return refusal(Refused(404, str(error), error_type=error.rule, **error.fields))
            return reply({"success": False, "message": str(error), "error_type": error.rule, **error.fields})
        except UnavailableError as error:
            body = {"success": False, "message": f"{error} Scan again.", "error_code": "unavailable"}
            return reply(body, 503, {"Retry-After": str(error.retry_after)})

    return wrapper


async def asked(request: Request, permission: Permission) -> tuple[Principal, dict[str, str]]:
    """Who calls, and the fields of the body. Raises Refused: 401, 403, 400 for a missing CSRF token or a bad body."""
    session = signed_in(request)
    fields = await fields_of(request) if request.method not in ("GET", "HEAD") else dict(request.query_params)
    if request.method not in ("GET", "HEAD"):
        check_csrf(request, session, fields)
    who = await principal(request, permission)
    if request.method == "POST" and permission in (Permission.SCAN, Permission.UNDO):
        scan_limit(request, who.actor)
    return who, fields


def first(fields: Mapping[str, str], names: tuple[str, ...]) -> str | None:
    """The first of these fields that holds more than spaces."""
    for name in names:
        if fields.get(name, "").strip():
            return fields[name]
    return None


def scan_id(fields: Mapping[str, str]) -> UUID:
    """The client's `scan_id`, or a new one. Raises Refused."""
    text = fields.get("scan_id")
    if not text:
        return uuid4()
    try:
        return UUID(text)
    except ValueError:
        raise Refused(400, "scan_id is not a UUID.", error_code="bad_request") from None


def done(request: Request, response: Response) -> Response:
    """The response, with the session's idle limit put off."""
    sessions = service_of(request).sessions
    sessions.refresh(request, response, signed_in(request))
    return response
