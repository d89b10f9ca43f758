"""The session cookies of the existing system, read while people move over: Flask's, signed with its secret.

    {"user_id": 7, "login_time": 1767600000.0, "last_activity": 1767600300.0, "current_parent_qr": "SB00001"}

Times are Unix seconds, ISO 8601 or Flask's tagged dates. Where there is none, the time of the signature counts: Flask
signs anew whenever the session changes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from itsdangerous import BadSignature, URLSafeTimedSerializer

_SALT = "cookie-session"
_USER = ("user_id", "_user_id")
_BEGAN = ("login_time", "logged_in_at", "created_at", "session_start")
_SEEN = ("last_activity", "last_seen", "last_activity_time")
_PARENT = ("current_parent_qr", "current_parent", "parent_qr")
_LEEWAY = 60.0


@dataclass(frozen=True, slots=True)
class LegacySession:
    """Who was logged in there, since when and last seen (Unix seconds). The id stays the same from cookie to cookie."""

    id: str
    user_id: int
    began: float
    seen: float
    parent: str | None


class LegacyCookies:
    """Reads cookies that were signed with the existing system's secret."""

    def __init__(self, secret: bytes) -> None:
        self._serializer = URLSafeTimedSerializer(
            secret, salt=_SALT, signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha1}
        )

    def read(self, cookie: str) -> LegacySession | None:
        """None for a cookie that is forged or of nobody."""
        try:
            values, signed = self._serializer.loads(cookie, return_timestamp=True)
        except (BadSignature, ValueError):
            return None
        if not isinstance(values, dict):
            return None
        user_id = _whole(_first(values, _USER))
        if user_id is None:
            return None
        seen = _time(_first(values, _SEEN)) or signed.timestamp()
        began = min(_time(_first(values, _BEGAN)) or seen, seen)
        if seen > datetime.now(UTC).timestamp() + _LEEWAY:
            return None
        parent = _first(values, _PARENT)
        name = hashlib.sha256(f"legacy:{user_id}:{began}".encode()).hexdigest()[:24]
        return LegacySession(name, user_id, began, seen, parent if isinstance(parent, str) and parent else None)

    def parent(self, cookie: str) -> str | None:
        """The current parent in the cookie."""
        session = self.read(cookie)
        return session.parent if session is not None else None


def _first(values: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    return next((values[name] for name in names if values.get(name) not in (None, "")), None)


def _whole(value: Any) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value if value > 0 else None
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 19 else None


def _time(value: Any) -> float | None:
    """Naive times are UTC, as the existing system writes them."""
    if isinstance(value, dict):
        value = value.get(" d")
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, str):
        return None
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        try:
            found = parsedate_to_datetime(value)
        except (ValueError, TypeError):
            return None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
