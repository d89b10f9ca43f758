"""Pages made of a form, and the same calls for scripts: what the account pages share."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from tracetrack_app.domain.accounts import AccountError
from tracetrack_app.domain.people import Principal
from tracetrack_app.http.auth.guard import check_csrf
from tracetrack_app.http.auth.limits import LimitedError
from tracetrack_app.http.auth.sessions import Session
from tracetrack_app.http.legacy.common import Handler, answered
from tracetrack_app.http.pages.templates import page
from tracetrack_app.http.replies import Refused, fields_of, reply, service_of


@dataclass(frozen=True, slots=True)
class Field:
    """An input of a form; `choices` make it a list to choose from."""

    name: str
    label: str
    value: str = ""
    type: str = "text"
    autocomplete: str = "off"
    required: bool = True
    choices: tuple[str, ...] = ()


def wants_json(request: Request) -> bool:
    """Whether the answer is for a script: it sends JSON, asks for it, or says that it is one."""
    headers = request.headers
    return (
        headers.get("content-type", "").startswith("application/json")
        or "application/json" in headers.get("accept", "")
        or headers.get("x-requested-with", "").lower() == "xmlhttprequest"
    )


def account_call(handler: Handler) -> Handler:
    """Turns what an account call raises into its answer: AccountError is HTTP 200 with `success: false` and why."""

    @functools.wraps(handler)
    async def wrapper(request: Request) -> Response:
        try:
            return await handler(request)
        except AccountError as error:
            return reply(refusal(error), 404 if error.code == "not_found" else 200)
        except LimitedError as error:
            body = {"success": False, "message": str(error), "error_code": "too_many"}
            return reply(body, 429, {"Retry-After": str(error.retry_after)})
        except Refused as refused:
            if refused.status == 401 and not wants_json(request) and "text/html" in request.headers.get("accept", ""):
                return RedirectResponse("/login", 302)
            raise

    return answered(wrapper)


def refusal(error: AccountError) -> dict[str, Any]:
    body: dict[str, Any] = {"success": False, "message": str(error), "error_type": error.code}
    return body | ({"field": error.field} if error.field else {})


def any_session(request: Request) -> Session:
    """The request's session, or one for someone who is nobody yet, to tie a form's token to."""
    sessions = service_of(request).sessions
    return sessions.read(request) or sessions.create()


async def sent(request: Request) -> dict[str, str]:
    """The fields of the body, after the CSRF token was checked. Raises Refused with 400."""
    fields = await fields_of(request)
    session = service_of(request).sessions.read(request)
    if session is None:
        raise Refused(400, "The CSRF token is missing or of another session: load the page again.", error_code="csrf")
    check_csrf(request, session, fields)
    return fields


def form(
    request: Request,
    title: str,
    fields: list[Field],
    *,
    session: Session | None = None,
    person: Principal | None = None,
    submit: str = "Save",
    message: str = "",
    good: bool = False,
    status: int = 200,
    **more: object,
) -> Response:
    """A page with one form, or with none when there are no fields; sets the cookie that its token belongs to."""
    sessions = service_of(request).sessions
    session = session or any_session(request)
    response = page(
        "form.html",
        status,
        user=person.username if person else "",
        csrf_token=sessions.csrf_token(session),
        title=title,
        fields=fields,
        submit=submit,
        message=message,
        good=good,
        action=request.url.path,
        **more,
    )
    if session.user_id is None:
        sessions.set(request, response, session)
    else:
        sessions.refresh(request, response, session)
    return response


def finished(request: Request, location: str, body: Mapping[str, Any], said: str = "") -> Response:
    """JSON for a script, else on to another page, which shows what was said."""
    if wants_json(request):
        return reply({"success": True, **body})
    query = f"?{urlencode({'message': said})}" if said else ""
    return RedirectResponse(location + query, 302)
