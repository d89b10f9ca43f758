"""Log-in: rate limit, lock-out, password, second factor."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from redis.exceptions import RedisError

from tracetrack_app import metrics
from tracetrack_app.http.auth.passwords import verify_password
from tracetrack_app.store.accounts import LOCK_MINUTES, User
from tracetrack_app.store.audit import Who

if TYPE_CHECKING:
    from tracetrack_app.service import Service

_log = logging.getLogger(__name__)
_WINDOW = 60


class LoginResult(StrEnum):
    OK = "ok"
    TOTP = "totp"
    REFUSED = "refused"
    LOCKED = "locked"
    LIMITED = "limited"
    UNAPPROVED = "unapproved"
    INACTIVE = "inactive"
    UNAVAILABLE = "unavailable"


MESSAGES = {
    LoginResult.TOTP: "Enter the code of your authenticator app.",
    LoginResult.REFUSED: "Wrong username or password.",
    LoginResult.LOCKED: f"Too many failed attempts: the account is locked for {LOCK_MINUTES} minutes.",
    LoginResult.LIMITED: "Too many attempts. Wait a minute and try again.",
    LoginResult.UNAPPROVED: "An admin has not approved this account yet.",
    LoginResult.INACTIVE: "This account was deactivated: ask an admin.",
    LoginResult.UNAVAILABLE: "Log-in is not possible at the moment. Try again in a minute.",
}


@dataclass(frozen=True, slots=True)
class Attempt:
    """OK: he is in. TOTP: his password is right, his one-time code is still to come. Else `user` is whom he meant."""

    result: LoginResult
    user: User | None = None


async def log_in(service: Service, who: Who, username: str, password: str, address: str) -> Attempt:
    """One attempt; it is counted and in the audit log. Raises what a lost database raises."""
    attempt = await _attempt(service, username, password, address)
    metrics.LOGINS.labels(attempt.result).inc()
    user_id = attempt.user.id if attempt.user else None
    if attempt.result is LoginResult.OK:
        await service.audit.record("login", who, "user", user_id)
    elif attempt.result not in (LoginResult.TOTP, LoginResult.LIMITED, LoginResult.UNAVAILABLE):
        if attempt.result is LoginResult.REFUSED and attempt.user is None:
            # What is typed here may be a password.
            who = replace(who, username=None)
        await service.audit.record("login.failed", who, "user", user_id, details={"reason": attempt.result.value})
    return attempt


async def _attempt(service: Service, username: str, password: str, address: str) -> Attempt:
    settings = service.settings
    limits = (
        (f"login:{address}:{username.lower()}", settings.login_limit),
        (f"login:{address}", settings.address_login_limit),
    )
    try:
        for name, limit in limits:
            if await service.shared.hits(name, _WINDOW) > limit:
                return Attempt(LoginResult.LIMITED)
    except RedisError as error:
        _log.warning("log-in is closed while Redis is away: %s", type(error).__name__)
        return Attempt(LoginResult.UNAVAILABLE)
    user, locked_until = await service.accounts.begin_login(username)
    if locked_until is not None:
        return Attempt(LoginResult.LOCKED)
    right, new_hash = await verify_password(user.password_hash if user else None, password)
    if user is None or not right:
        return Attempt(LoginResult.REFUSED, user)
    await service.accounts.login_succeeded(user.id, new_hash)
    if not user.approved:
        return Attempt(LoginResult.UNAPPROVED, user)
    if not user.active:
        return Attempt(LoginResult.INACTIVE, user)
    return Attempt(LoginResult.TOTP if user.totp else LoginResult.OK, user)
