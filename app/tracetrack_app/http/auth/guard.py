"""What stands before a call that needs a session."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.requests import Request

from tracetrack_app.http.auth.sessions import Session
from tracetrack_app.http.replies import Refused, service_of


def signed_in(request: Request) -> Session:
    """The session of someone logged in. Raises Refused with 401."""
    session = service_of(request).sessions.read(request)
    if session is None or session.user_id is None:
        raise Refused(401, "Please log in.", auth_required=True, error_code="unauthorized")
    return session


def check_csrf(request: Request, session: Session, fields: Mapping[str, str]) -> None:
    """Raises Refused with 400 unless the request carries the session's token."""
    token = request.headers.get("x-csrftoken") or fields.get("csrf_token") or ""
    if not service_of(request).sessions.csrf_matches(session, token):
        message = "The CSRF token is missing or of another session: load the page again."
        raise Refused(400, message, error_code="csrf")
