"""What stands before a call that needs a session."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.requests import Request

from tracetrack_app.domain.people import Permission, Principal
from tracetrack_app.http.auth.sessions import Session
from tracetrack_app.http.replies import Refused, service_of
from tracetrack_app.store.database import connection_lost
from tracetrack_app.store.writer import UnavailableError


def signed_in(request: Request) -> Session:
    """The session of someone logged in. Raises Refused with 401."""
    session = service_of(request).sessions.read(request)
    if session is None or session.user_id is None:
        raise Refused(401, "Please log in.", auth_required=True, error_code="unauthorized")
    return session


async def principal(request: Request, permission: Permission) -> Principal:
    """Who is logged in, as the accounts have him now. Raises Refused (401, or 403 without the permission), UnavailableError."""
    session = signed_in(request)
    service = service_of(request)
    try:
        found = await service.reads.principal(session.user_id)
    except Exception as error:
        if connection_lost(error):
            raise UnavailableError(service.connector.explain(error) + ".") from error
        raise
    if found is None:
        raise Refused(401, "This account is no longer active.", auth_required=True, error_code="unauthorized")
    if not found.may(permission):
        raise Refused(403, "Your role does not allow this.", error_type="access_denied", error_code="forbidden")
    return found


def check_csrf(request: Request, session: Session, fields: Mapping[str, str]) -> None:
    """Raises Refused with 400 unless the request carries the session's token."""
    token = request.headers.get("x-csrftoken") or fields.get("csrf_token") or ""
    if not service_of(request).sessions.csrf_matches(session, token):
        message = "The CSRF token is missing or of another session: load the page again."
        raise Refused(400, message, error_code="csrf")
