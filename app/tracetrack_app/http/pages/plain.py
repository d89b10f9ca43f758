"""Plain pages: a title, facts, tables, small forms. Enough to work with by hand."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from tracetrack_app.domain.rules import NOT_FOUND, RuleError
from tracetrack_app.http.auth.guard import signed_in
from tracetrack_app.http.legacy.bill_shapes import wants_page
from tracetrack_app.http.pages.templates import page
from tracetrack_app.http.replies import Refused, service_of

Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Table:
    """`links` has an address for the first cell of each row, or is empty."""

    columns: Sequence[str]
    rows: Sequence[Sequence[object]]
    links: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Field:
    name: str
    label: str
    longest: int
    required: bool = False


@dataclass(frozen=True, slots=True)
class Action:
    """A form that is sent to `path`; `method` is post or get."""

    path: str
    label: str
    fields: Sequence[Field] = ()
    method: str = "post"


def plain(
    request: Request,
    title: str,
    tables: Sequence[Table] = (),
    *,
    facts: Mapping[str, object] | None = None,
    actions: Sequence[Action] = (),
    links: Mapping[str, str] | None = None,
    message: str = "",
    status: int = 200,
) -> Response:
    """The page, for someone who is logged in."""
    session = signed_in(request)
    values: dict[str, Any] = {"title": title, "tables": tables, "facts": facts or {}, "actions": actions}
    return page(
        "plain.html",
        status,
        user=session.username,
        csrf_token=service_of(request).sessions.csrf_token(session),
        links=links or {},
        message=message,
        **values,
    )


def browsable(handler: Handler) -> Handler:
    """Shows a refusal as a page to whoever came by a browser, and the log-in to whom is not logged in."""

    @functools.wraps(handler)
    async def wrapper(request: Request) -> Response:
        try:
            return await handler(request)
        except (Refused, RuleError) as error:
            if not wants_page(request):
                raise
            if isinstance(error, Refused):
                status = error.status
            else:
                status = 404 if error.rule in NOT_FOUND and request.method == "GET" else 200
            if status == 401:
                return RedirectResponse("/login", 302)
            return plain(request, "Not done", message=str(error), links={"Home": "/dashboard"}, status=status)

    return wrapper
