"""Making and changing accounts, for the old calls and API v1 alike: what may be said, then the store."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from tracetrack_app.domain import passwords
from tracetrack_app.domain.accounts import AccountError, clean_area, clean_email, clean_role, clean_username
from tracetrack_app.domain.people import PERMISSIONS, Permission, Principal
from tracetrack_app.http.auth.limits import limit
from tracetrack_app.http.auth.passwords import hash_password, verify_password
from tracetrack_app.store.accounts import Account, Removed
from tracetrack_app.store.audit import Who
from tracetrack_app.store.credentials import PersonalToken

if TYPE_CHECKING:
    from tracetrack_app.service import Service

_CHECKS, _CHECK_WINDOW = 10, 900


def check_password(password: str, username: str) -> None:
    """Raises AccountError that names what is missing."""
    problem = passwords.problem(password, username)
    if problem is not None:
        raise AccountError("weak_password", problem, "password")


async def create(
    service: Service,
    who: Who,
    *,
    username: str,
    password: str,
    role: str,
    area: str | None = None,
    email: str | None = None,
    approved: bool = True,
    must_change_password: bool = False,
) -> Account:
    """Raises AccountError."""
    name, wanted = clean_username(username), clean_role(role)
    check_password(password, name)
    return await service.accounts.create(
        who,
        username=name,
        password_hash=await hash_password(password),
        role=wanted,
        area=clean_area(area, wanted),
        email=clean_email(email),
        approved=approved,
        must_change_password=must_change_password,
    )


async def change(
    service: Service, who: Who, user_id: int, fields: dict[str, Any], action: str = "user.update"
) -> Account:
    """Change username, email, role, area, active, approved, must_change_password: those given. Raises AccountError."""
    before = await service.accounts.get(user_id)
    changes = dict(fields)
    if "username" in changes:
        changes["username"] = clean_username(changes["username"])
    if "email" in changes:
        changes["email"] = clean_email(changes["email"])
    role = clean_role(changes.get("role", before.role))
    if "role" in changes or "area" in changes:
        changes |= {"role": role, "area": clean_area(changes.get("area", before.area), role)}
    return await service.accounts.update(who, user_id, changes, action)


async def set_password(
    service: Service, who: Who, user_id: int, username: str, password: str, *, must_change: bool = False
) -> int:
    """Returns the account's new epoch. Raises AccountError."""
    check_password(password, username)
    hashed = await hash_password(password)
    return await service.accounts.set_password(who, user_id, hashed, must_change=must_change)


async def confirm(service: Service, person: Principal, password: str) -> None:
    """That it is he, by his password. Raises AccountError, LimitedError past ten attempts in a quarter of an hour."""
    await limit(service.shared, f"password:{person.user_id}", _CHECKS, _CHECK_WINDOW)
    right, _ = await verify_password(await service.accounts.password_hash(person.user_id), password)
    if not right:
        raise AccountError("wrong_password", "This is not your current password.", "current_password")


async def delete(service: Service, who: Who, user_id: int) -> Removed:
    """Raises AccountError."""
    if who.user_id == user_id:
        raise AccountError("own_account", "You cannot delete your own account: another admin must.")
    return await service.accounts.delete(who, user_id)


async def create_token(
    service: Service, who: Who, person: Principal, name: str, scopes: list[str], expires_at: datetime | None
) -> tuple[PersonalToken, str]:
    """(the token, its text). Raises AccountError."""
    found = []
    for scope in scopes:
        try:
            found.append(Permission(scope))
        except ValueError:
            words = f"There is no scope {scope[:50]!r}: choose of {', '.join(sorted(PERMISSIONS[person.role]))}."
            raise AccountError("unknown_scope", words, "scopes") from None
    beyond = sorted(set(found) - PERMISSIONS[person.role])
    if beyond:
        raise AccountError("scope_beyond_role", f"Your role does not give {', '.join(beyond)}.", "scopes")
    clean = " ".join(name.split())
    if not clean or len(clean) > 100 or not clean.isprintable():
        raise AccountError("bad_name", "A token needs a name of 1 to 100 characters.", "name")
    return await service.credentials.create_token(who, person.user_id, clean, sorted(set(found)), expires_at)
