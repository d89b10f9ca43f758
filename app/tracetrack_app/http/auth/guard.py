"""What stands before a call that needs a session."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.requests import Request

from tracetrack_app.domain.people import Permission, Principal, Role
from tracetrack_app.http.auth.sessions import Session
from tracetrack_app.http.auth.trail import who
from tracetrack_app.http.replies import Refused, service_of
from tracetrack_app.store.audit import acting
from tracetrack_app.store.guarded import guarded


@dataclass(frozen=True, slots=True)
class Hold:
    """What someone must do before anything else, and the page where he does it."""

    code: str
    message: str
    page: str


_PASSWORD = Hold("password_change_required", "Choose a password of your own first.", "/profile/edit")
_TOTP = Hold("totp_setup_required", "Set up two-factor log-in first: an admin needs it here.", "/2fa/setup")


def signed_in(request: Request) -> Session:
    """The session of someone logged in. Raises Refused with 401."""
    session = service_of(request).sessions.read(request)
    if session is None or session.user_id is None:
        raise Refused(401, "Please log in.", auth_required=True, error_code="unauthorized")
    return session


async def account(request: Request, session: Session) -> Principal | None:
    """Whose session it is, as the accounts have him now; None when it no longer counts. Raises UnavailableError."""
    service = service_of(request)
    async with guarded(service.connector):
        found = await service.reads.principal(session.user_id)
    # A session of an earlier epoch was ended: by a new password, a step down, or "log out everywhere".
    if found is None or found.epoch != session.epoch:
        return None
    acting.set(lambda: who(request, found))
    return found


async def held_up(request: Request, found: Principal) -> Hold | None:
    """What he must do before anything else. Raises UnavailableError."""
    if found.must_change_password:
        return _PASSWORD
    if found.role is not Role.ADMIN or found.totp:
        return None
    values = await service_of(request).business.values()
    return _TOTP if values.require_admin_totp else None


async def person(request: Request) -> Principal:
    """Who is logged in, also while something holds him up. Raises Refused with 401, UnavailableError."""
    found = await account(request, signed_in(request))
    if found is None:
        raise Refused(401, "This session has ended: log in again.", auth_required=True, error_code="unauthorized")
    return found


async def principal(request: Request, permission: Permission) -> Principal:
    """Who is logged in, as the accounts have him now.

    Raises Refused (401, or 403 without the permission), UnavailableError.
    """
    found = await person(request)
    hold = await held_up(request, found)
    if hold is not None:
        raise Refused(403, hold.message, error_type="access_denied", error_code=hold.code, redirect=hold.page)
    if not found.may(permission):
        raise Refused(403, "Your role does not allow this.", error_type="access_denied", error_code="forbidden")
    return found


def check_csrf(request: Request, session: Session, fields: Mapping[str, str]) -> None:
    """Raises Refused with 400 unless the request carries the session's token."""
    token = request.headers.get("x-csrftoken") or fields.get("csrf_token") or ""
    if not service_of(request).sessions.csrf_matches(session, token):
        message = "The CSRF token is missing or of another session: load the page again."
        raise Refused(400, message, error_code="csrf")
