"""Accounts, as admins manage them."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, Field, StrictBool

from tracetrack_app.domain.passwords import MAX_LENGTH, RULE
from tracetrack_app.domain.people import Permission, Role
from tracetrack_app.http.auth import members
from tracetrack_app.http.auth.caller import Caller, needs
from tracetrack_app.http.auth.trail import who
from tracetrack_app.http.replies import service_of
from tracetrack_app.http.v1.problems import described
from tracetrack_app.http.v1.shapes import MAX_ID, After, Limit, Page, Shape, cut, number, page
from tracetrack_app.store.accounts import Account

router = APIRouter(prefix="/api/v1", tags=["users"])
Admin = Annotated[Caller, needs(Permission.USERS)]
UserId = Annotated[int, Path(ge=1, le=MAX_ID, description="The account's number.")]
Username = Annotated[str, Field(min_length=2, max_length=64, examples=["ravi"])]
Email = Annotated[str, Field(max_length=120, examples=["ravi@example.com"])]
Area = Annotated[str, Field(max_length=64, examples=["lucknow"], description="Of a dispatcher; he sees no other.")]
Password = Annotated[str, Field(max_length=MAX_LENGTH, description=RULE, json_schema_extra={"writeOnly": True})]


class UserOut(BaseModel):
    """An account."""

    id: int
    username: str
    email: str | None
    role: Role
    area: str | None
    active: bool
    approved: bool = Field(description="False while he waits for an admin's approval.")
    created_at: datetime
    last_login_at: datetime | None
    locked_until: datetime | None = Field(description="Too many wrong passwords; in the future while it lasts.")
    must_change_password: bool
    totp_enabled: bool

    @classmethod
    def of(cls, account: Account) -> UserOut:
        values = asdict(account)
        # What keeps an inactive account from an older version of the app is no lock-out.
        if not (account.active and account.approved):
            values["locked_until"] = None
        return cls(**values)


class UserIn(Shape):
    """A new account, approved at once."""

    username: Username
    password: Password
    role: Role
    area: Area | None = None
    email: Email | None = None
    must_change_password: StrictBool = False


class UserChange(Shape):
    """What is to change; what is left out stays."""

    username: Username | None = None
    email: Email | None = None
    role: Role | None = None
    area: Area | None = None
    active: StrictBool | None = None
    approved: StrictBool | None = None
    must_change_password: StrictBool | None = None


class PasswordIn(Shape):
    """A password that an admin gives him."""

    password: Password
    must_change_password: StrictBool = True


class DeletedUser(BaseModel):
    """What stays of his work."""

    username: str
    preserved_scans: int
    preserved_bills: int


@router.get("/users", operation_id="list_users", responses=described())
async def index(
    request: Request,
    response: Response,
    caller: Admin,
    after: After = None,
    limit: Limit = 100,
    search: Annotated[str, Query(max_length=64, description="A part of the user name.")] = "",
    role: Role | None = None,
) -> Page[UserOut]:
    """Accounts that are not deleted."""
    accounts = service_of(request).accounts
    found = await accounts.list(before=number(after), limit=limit + 1, search=search, role=role)
    rows, following = cut(found, limit)
    return page(request, response, [UserOut.of(each) for each in rows], following)


@router.post("/users", operation_id="create_user", status_code=201, responses=described(409))
async def create(request: Request, response: Response, caller: Admin, body: UserIn) -> UserOut:
    """An account, approved at once."""
    made = await members.create(service_of(request), who(request, caller.person), **body.model_dump())
    response.headers["Location"] = f"/api/v1/users/{made.id}"
    return UserOut.of(made)


@router.get("/users/{user_id}", operation_id="get_user", responses=described(404))
async def show(request: Request, caller: Admin, user_id: UserId) -> UserOut:
    """One account."""
    return UserOut.of(await service_of(request).accounts.get(user_id))


@router.patch("/users/{user_id}", operation_id="change_user", responses=described(404, 409))
async def change(request: Request, caller: Admin, user_id: UserId, body: UserChange) -> UserOut:
    """Change what is given. A step down in role and deactivation end his sessions."""
    given = body.model_dump(exclude_unset=True)
    changes = {name: value for name, value in given.items() if value is not None or name in ("email", "area")}
    return UserOut.of(await members.change(service_of(request), who(request, caller.person), user_id, changes))


@router.put(
    "/users/{user_id}/password", operation_id="set_user_password", status_code=204, responses=described(404, 409)
)
async def set_password(request: Request, caller: Admin, user_id: UserId, body: PasswordIn) -> None:
    """Give him a password; ends all his sessions."""
    service = service_of(request)
    account = await service.accounts.get(user_id)
    actor, must = who(request, caller.person), body.must_change_password
    await members.set_password(service, actor, user_id, account.username, body.password, must_change=must)


@router.delete("/users/{user_id}/sessions", operation_id="end_user_sessions", status_code=204, responses=described(404))
async def end_sessions(request: Request, caller: Admin, user_id: UserId) -> None:
    """Log him out everywhere."""
    await service_of(request).accounts.end_sessions(who(request, caller.person), user_id)


@router.delete("/users/{user_id}/lock", operation_id="unlock_user", status_code=204, responses=described(404))
async def unlock(request: Request, caller: Admin, user_id: UserId) -> None:
    """Let him try to log in again at once."""
    await service_of(request).accounts.unlock(who(request, caller.person), user_id)


@router.delete("/users/{user_id}/totp", operation_id="reset_user_totp", status_code=204, responses=described(404))
async def reset_totp(request: Request, caller: Admin, user_id: UserId) -> None:
    """Turn his two-factor log-in off, for one who lost app and recovery codes; ends all his sessions."""
    service, actor = service_of(request), who(request, caller.person)
    await service.accounts.get(user_id)
    await service.credentials.disable_totp(actor, user_id)
    await service.accounts.end_sessions(actor, user_id)


@router.delete("/users/{user_id}", operation_id="delete_user", responses=described(404, 409))
async def delete(request: Request, caller: Admin, user_id: UserId) -> DeletedUser:
    """End the account; his name is free again, what he scanned and billed stays his."""
    gone = await members.delete(service_of(request), who(request, caller.person), user_id)
    return DeletedUser(username=gone.username, preserved_scans=gone.scans, preserved_bills=gone.bills)
