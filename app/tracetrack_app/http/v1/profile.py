"""One's own account: who one is, password, personal tokens, notices."""

from __future__ import annotations

import time
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from msgspec import structs
from pydantic import BaseModel, Field, Strict

from tracetrack_app.domain.accounts import AccountError
from tracetrack_app.domain.passwords import MAX_LENGTH
from tracetrack_app.domain.people import PERMISSIONS, Permission
from tracetrack_app.http.auth import members
from tracetrack_app.http.auth.caller import Caller, caller, not_for_devices
from tracetrack_app.http.auth.sessions import Session
from tracetrack_app.http.auth.trail import who
from tracetrack_app.http.replies import ProblemError, service_of
from tracetrack_app.http.v1.problems import described
from tracetrack_app.http.v1.shapes import MAX_ID, Shape
from tracetrack_app.http.v1.users import Email, Password, UserOut

router = APIRouter(prefix="/api/v1", tags=["profile"])
_MAX_DAYS = 3660


async def _at_hand(found: Annotated[Caller, Depends(caller)]) -> Caller:
    """Somebody with a session: a token must not make tokens, or change the password."""
    _session(found)
    return found


async def _person(found: Annotated[Caller, Depends(caller)]) -> Caller:
    """Anybody but a device."""
    if found.principal is None:
        raise not_for_devices()
    return found


def _session(found: Caller) -> Session:
    if found.principal is None:
        raise not_for_devices()
    if found.session is None:
        raise ProblemError(403, "session_required", "Not with a token", "Log in with your password for this.")
    return found.session


AtHand = Annotated[Caller, Depends(_at_hand)]
Person = Annotated[Caller, Depends(_person)]


class ProfileOut(UserOut):
    """One's own account and what one may do, by this session or token."""

    permissions: list[Permission]


class ProfileChange(Shape):
    """A new address or password; the current password proves that it is he."""

    current_password: Annotated[str, Field(max_length=MAX_LENGTH, json_schema_extra={"writeOnly": True})]
    email: Email | None = None
    new_password: Password | None = None


class TokenIn(Shape):
    """A personal token for scripts and own devices."""

    name: Annotated[str, Field(min_length=1, max_length=100, examples=["Night report"])]
    scopes: Annotated[
        list[Permission],
        Field(min_length=1, max_length=len(Permission), description="What it may, of what your role gives."),
    ]
    expires_in_days: (
        Annotated[int, Strict(), Field(ge=1, le=_MAX_DAYS, description="Days until it stops working.")] | None
    ) = 365


class TokenOut(BaseModel):
    """A personal token, without its secret."""

    id: int
    name: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None


class NewToken(TokenOut):
    """A token just made: its text is told this once."""

    token: str = Field(description="Authorization: Bearer <this>.", examples=["ttp1.7.c2VjcmV0"])


class TokenList(BaseModel):
    items: list[TokenOut]


class NoticeOut(BaseModel):
    """Priority is 0 (good to know) to 3 (at once)."""

    id: int
    kind: str
    priority: int
    title: str
    message: str
    link: str | None
    created_at: datetime
    read_at: datetime | None


class NoticeList(BaseModel):
    items: list[NoticeOut]


@router.get("/profile", operation_id="get_profile", responses=described())
async def show(request: Request, caller: Person) -> ProfileOut:
    """Who I am, and what I may."""
    him = caller.person
    account = UserOut.of(await service_of(request).accounts.get(him.user_id))
    permissions = sorted(each for each in PERMISSIONS[him.role] if him.may(each))
    return ProfileOut(**account.model_dump(), permissions=permissions)


@router.patch("/profile", operation_id="change_profile", responses=described(409, 429))
async def change(request: Request, response: Response, caller: AtHand, body: ProfileChange) -> UserOut:
    """Change one's address or password. A new password ends all other sessions."""
    service, him, actor = service_of(request), caller.person, who(request, caller.person)
    await members.confirm(service, him, body.current_password)
    if body.new_password is not None and body.new_password == body.current_password:
        raise AccountError("same_password", "This is your current password: choose another.", "new_password")
    if "email" in body.model_fields_set:
        await members.change(service, actor, him.user_id, {"email": body.email})
    if body.new_password is not None:
        epoch = await members.set_password(service, actor, him.user_id, him.username, body.new_password)
        fresh = structs.replace(_session(caller), epoch=epoch, seen=time.time(), adopted=False)
        service.sessions.set(request, response, fresh)
    return UserOut.of(await service.accounts.get(him.user_id))


@router.get("/profile/tokens", operation_id="list_tokens", responses=described())
async def tokens(request: Request, caller: Person) -> TokenList:
    """One's tokens that are not revoked, newest first."""
    found = await service_of(request).credentials.tokens(caller.person.user_id)
    return TokenList(items=[TokenOut(**asdict(each)) for each in found])


@router.post("/profile/tokens", operation_id="create_token", status_code=201, responses=described(409))
async def create_token(request: Request, caller: AtHand, body: TokenIn) -> NewToken:
    """A new token; its text is told this once, and kept nowhere."""
    days = body.expires_in_days
    expires_at = datetime.now(UTC) + timedelta(days=days) if days is not None else None
    actor, scopes = who(request, caller.person), [scope.value for scope in body.scopes]
    service = service_of(request)
    made, text = await members.create_token(service, actor, caller.person, body.name, scopes, expires_at)
    return NewToken(**asdict(made), token=text)


@router.delete("/profile/tokens/{token_id}", operation_id="revoke_token", status_code=204, responses=described(404))
async def revoke_token(request: Request, caller: AtHand, token_id: Annotated[int, Path(ge=1, le=MAX_ID)]) -> None:
    """End a token at once."""
    revoked = await service_of(request).credentials.revoke_token(
        who(request, caller.person), caller.person.user_id, token_id
    )
    if not revoked:
        raise ProblemError(404, "not_found", "No such token", "There is no such token of yours, or it was revoked.")


@router.get("/notifications", operation_id="list_notifications", responses=described())
async def notices(
    request: Request,
    caller: Person,
    unread: Annotated[bool, Query(description="Only what was not read.")] = False,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> NoticeList:
    """One's notices, newest first."""
    found = await service_of(request).requests.notices(caller.person.user_id, unread=unread, limit=limit)
    return NoticeList(items=[NoticeOut(**asdict(each)) for each in found])


@router.post(
    "/notifications/{notice_id}/read", operation_id="read_notification", status_code=204, responses=described(404)
)
async def read(request: Request, caller: Person, notice_id: Annotated[int, Path(ge=1, le=MAX_ID)]) -> None:
    """Mark a notice as read."""
    if not await service_of(request).requests.read(caller.person.user_id, notice_id):
        raise ProblemError(404, "not_found", "No such notice", "There is no such notice of yours.")
