"""Bills as plain pages: a list, a bill, a form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from tracetrack_app.http.auth.guard import signed_in
from tracetrack_app.http.pages.templates import page
from tracetrack_app.http.replies import service_of
from tracetrack_app.store.bills import Bill


def _page(request: Request, template: str, **values: Any) -> Response:
    session = signed_in(request)
    token = service_of(request).sessions.csrf_token(session)
    return page(template, user=session.username, csrf_token=token, **values)


def bill_list(request: Request, body: Mapping[str, Any]) -> Response:
    return _page(request, "bills.html", **body)


def bill_page(request: Request, body: Mapping[str, Any]) -> Response:
    return _page(request, "bill.html", bill=body)


def bill_form(request: Request, message: str, fields: Mapping[str, Any]) -> Response:
    """The form for a new bill, or for the one whose number is in `fields`, with what was wrong."""
    return _page(request, "bill_form.html", message=message, fields=fields)


def bill_scan(request: Request, bill: Bill, answer: Mapping[str, Any] | None) -> Response:
    """The page to scan parents onto a bill with, and what came of the last one."""
    return _page(request, "bill_scan.html", bill=bill, answer=answer)
