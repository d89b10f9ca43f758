"""Who asks, as the audit log names him."""

from __future__ import annotations

import re
from uuid import uuid4

from starlette.requests import Request

from tracetrack_app.domain.people import Principal
from tracetrack_app.http.replies import service_of
from tracetrack_app.store.audit import Who
from tracetrack_app.store.masking import kept_address

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,100}")


def address_of(request: Request) -> str:
    """Where the request came from, in full: for limits, not to be kept."""
    return request.client.host if request.client else ""


def request_id(request: Request) -> str:
    """The one that a proxy gave the request, or one of our own, the same throughout the request."""
    known: str | None = getattr(request.state, "request_id", None)
    if known is None:
        given = request.headers.get("x-request-id", "")
        known = request.state.request_id = given if _REQUEST_ID.fullmatch(given) else uuid4().hex
    return known


def who(request: Request, principal: Principal | None = None, username: str | None = None) -> Who:
    """For `service.audit.record`. `username` is who he says he is, where he is not logged in."""
    kept = kept_address(address_of(request), service_of(request).settings.accounts.audit_address)
    if principal is None:
        return Who(None, username, kept, request_id(request))
    return Who(principal.user_id, principal.username, kept, request_id(request))
