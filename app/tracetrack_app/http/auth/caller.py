"""Who calls API v1: a person by session or personal token, or a device by its key.

    @router.get("/bags/{code}")
    async def bag(code: str, caller: Annotated[Caller, needs(Permission.LOOKUP)]) -> …

`caller.scope` is the area that limits him, `caller.actor` is him as the ledger names him.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Security
from fastapi.security import APIKeyCookie, HTTPAuthorizationCredentials, HTTPBearer
from starlette.requests import Request
from starlette.responses import Response

from tracetrack_app.domain.devicekeys import Device, DeviceKeyError
from tracetrack_app.domain.people import Permission, Principal
from tracetrack_app.domain.scans import Actor
from tracetrack_app.http.auth import guard, trail
from tracetrack_app.http.auth.sessions import Session
from tracetrack_app.http.replies import ProblemError, service_of
from tracetrack_app.store.audit import acting
from tracetrack_app.store.credentials import TOKEN_PREFIX
from tracetrack_app.store.guarded import guarded

# What a scanner may do by itself.
DEVICE_PERMISSIONS = frozenset({Permission.SCAN, Permission.UNDO, Permission.LOOKUP})
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_WORDS = "Log in, or send a valid key or token: Authorization: Bearer <device key or personal token>."

_bearer = HTTPBearer(
    auto_error=False, scheme_name="bearer", description="A scanner's key (ttk1.…) or a personal token (ttp1.…)."
)
_cookie = APIKeyCookie(
    name="session",
    auto_error=False,
    scheme_name="session",
    description="The session of someone logged in; unsafe methods need its token in X-CSRFToken.",
)


@dataclass(frozen=True, slots=True)
class Caller:
    """Either a person (`principal`, with a `session` or by a personal token) or a device."""

    principal: Principal | None = None
    device: Device | None = None
    session: Session | None = None

    def may(self, permission: Permission) -> bool:
        if self.principal is not None:
            return self.principal.may(permission)
        return permission in DEVICE_PERMISSIONS

    @property
    def scope(self) -> str | None:
        """The area that limits what he reads and writes; None where nothing does."""
        return self.principal.scope if self.principal is not None else None

    @property
    def actor(self) -> Actor:
        if self.principal is not None:
            return self.principal.actor
        if self.device is None:
            raise ValueError("a caller is a person or a device")
        return Actor(fleet=self.device.fleet, scanner=self.device.scanner)

    @property
    def person(self) -> Principal:
        """Raises ProblemError with 403 for a device."""
        if self.principal is None:
            raise not_for_devices()
        return self.principal


def not_for_devices() -> ProblemError:
    return ProblemError(403, "forbidden", "Not for devices", "A person must do this: log in, or send his token.")


def unauthorized() -> ProblemError:
    headers = {"WWW-Authenticate": "Bearer"}
    return ProblemError(401, "unauthorized", "No valid key, token or session", _WORDS, headers=headers)


async def identify(request: Request) -> Caller:
    """Who calls. Raises ProblemError (401, 403) and UnavailableError. A bearer goes before a session."""
    service = service_of(request)
    given = request.headers.get("authorization")
    if given is not None:
        scheme, _, key = given.partition(" ")
        if scheme.lower() != "bearer":
            raise unauthorized()
        return await bearer(request, key.strip())
    session = service.sessions.read(request)
    if session is None or session.user_id is None:
        raise unauthorized()
    person = await guard.account(request, session)
    if person is None:
        raise unauthorized()
    if request.method not in _SAFE:
        token = request.headers.get("x-csrftoken", "")
        if not service.sessions.csrf_matches(session, token):
            words = "Send the token of the session's pages (meta tag csrf-token) as X-CSRFToken."
            raise ProblemError(403, "csrf", "The CSRF token is missing or of another session", words)
    return Caller(principal=person, session=session)


async def bearer(request: Request, key: str) -> Caller:
    """Whose key or token it is. Raises ProblemError with 401, UnavailableError."""
    service = service_of(request)
    if key.startswith(f"{TOKEN_PREFIX}."):
        async with guarded(service.connector):
            person = await service.credentials.bearer(key)
        if person is None:
            raise unauthorized()
        acting.set(lambda: trail.who(request, person))
        return Caller(principal=person)
    try:
        device = service.fleets.device(key)
    except DeviceKeyError:
        raise unauthorized() from None
    acting.set(lambda: trail.who(request, username=f"{device.fleet}/{device.scanner}"))
    return Caller(device=device)


async def caller(
    request: Request,
    _key: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)] = None,
    _session: Annotated[str | None, Security(_cookie)] = None,
) -> Caller:
    """The dependency: who calls, whatever he may. The further parameters are for the OpenAPI document."""
    return await identify(request)


async def require(request: Request, who: Caller, permission: Permission) -> None:
    """Raises ProblemError with 403 unless he may do this, UnavailableError."""
    if not who.may(permission):
        words = f"This needs the permission {permission.value!r}, which your role, token or key does not give."
        raise ProblemError(403, "forbidden", "You may not do this", words, permission=permission)
    if who.principal is not None and (hold := await guard.held_up(request, who.principal)):
        raise ProblemError(403, hold.code, "Something else comes first", hold.message)


def stay(request: Request, response: Response, who: Caller) -> None:
    """Put off the idle limit of a session."""
    if who.session is not None:
        service_of(request).sessions.refresh(request, response, who.session)


def needs(permission: Permission) -> Any:
    """The dependency: who calls, if he may do this; 403 if not."""

    async def allowed(request: Request, response: Response, who: Annotated[Caller, Depends(caller)]) -> Caller:
        await require(request, who, permission)
        stay(request, response, who)
        return who

    # Read by the OpenAPI document, which says what each route needs.
    allowed.permission = permission  # type: ignore[attr-defined]
    return Depends(allowed)
