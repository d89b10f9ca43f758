"""Log-in: rate limit, lock-out, password."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from enum import StrEnum

from redis.exceptions import RedisError

from tracetrack_app import metrics
from tracetrack_app.http.auth.passwords import verify_password
from tracetrack_app.store.reads import LOCK_MINUTES, Reads, User
from tracetrack_app.store.shared import Shared

_log = logging.getLogger(__name__)
_WINDOW = 60


class LoginResult(StrEnum):
    OK = "ok"
    REFUSED = "refused"
    LOCKED = "locked"
    LIMITED = "limited"
    UNAVAILABLE = "unavailable"


MESSAGES = {
    LoginResult.REFUSED: "Wrong username or password.",
    LoginResult.LOCKED: f"Too many failed attempts: the account is locked for {LOCK_MINUTES} minutes.",
    LoginResult.LIMITED: "Too many attempts. Wait a minute and try again.",
    LoginResult.UNAVAILABLE: "Log-in is not possible at the moment. Try again in a minute.",
}


@dataclass(frozen=True, slots=True)
class Attempt:
    result: LoginResult
    user: User | None = None


async def log_in(
    reads: Reads, shared: Shared, username: str, password: str, address: str, limits: tuple[int, int]
) -> Attempt:
    """One attempt. `limits` are attempts a minute for a user name from one address, and from one address at all."""
    attempt = await _attempt(reads, shared, username, password, address, limits)
    metrics.LOGINS.labels(attempt.result).inc()
    return attempt


async def _attempt(
    reads: Reads, shared: Shared, username: str, password: str, address: str, limits: tuple[int, int]
) -> Attempt:
    try:
        for name, limit in ((f"login:{address}:{username.lower()}", limits[0]), (f"login:{address}", limits[1])):
            if await shared.hits(name, _WINDOW) > limit:
                return Attempt(LoginResult.LIMITED)
    except RedisError as error:
        _log.warning("log-in is closed while Redis is away: %s", type(error).__name__)
        return Attempt(LoginResult.UNAVAILABLE)
    user, locked_until = await reads.begin_login(username)
    if locked_until is not None:
        return Attempt(LoginResult.LOCKED)
    right, new_hash = await verify_password(user.password_hash if user else None, password)
    if user is None or not right:
        return Attempt(LoginResult.REFUSED)
    await reads.login_succeeded(user.id, new_hash)
    return Attempt(LoginResult.OK, user)
