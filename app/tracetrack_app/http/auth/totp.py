"""Second factors: codes of an authenticator app (RFC 6238), and recovery codes for the day it is lost."""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Sequence

import pyotp
import segno
from redis.exceptions import RedisError

from tracetrack_app.keys import Cipher, fingerprint
from tracetrack_app.store.credentials import Credentials
from tracetrack_app.store.shared import Shared

ISSUER = "TraceTrack"
RECOVERY_CODES = 10
_STEP = 30
_WINDOW = 900
# Base 32 without what is easily misread.
_ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"


class Totp:
    """Makes and checks second factors. Secrets are encrypted, each bound to its user."""

    def __init__(self, session_secrets: Sequence[bytes], shared: Shared, limit: int) -> None:
        """`limit` is how many attempts a user has in a quarter of an hour."""
        self._cipher = Cipher(session_secrets, "totp")
        self._shared = shared
        self._limit = limit

    async def begin(self, credentials: Credentials, user_id: int) -> str:
        """The base 32 secret to set up; the same until it is turned on. Raises AccountError when it is on."""
        fresh = pyotp.random_base32()
        kept = await credentials.begin_totp(user_id, self._cipher.close(fresh.encode(), str(user_id)))
        opened = self._cipher.open(kept, str(user_id))
        if opened is None:
            # Closed with a secret that is gone, and never turned on.
            await credentials.drop_totp(user_id)
            return await self.begin(credentials, user_id)
        return opened.decode()

    async def allowed(self, user_id: int) -> bool:
        """Whether he may try (again), counting this attempt; never while Redis is away."""
        try:
            return await self._shared.hits(f"totp:{user_id}", _WINDOW) <= self._limit
        except RedisError:
            return False

    async def succeeded(self, user_id: int) -> None:
        """Only wrong codes count: begin anew."""
        with contextlib.suppress(RedisError):
            await self._shared.forget_hits(f"totp:{user_id}")

    async def step_of(self, credentials: Credentials, user_id: int, code: str) -> int | None:
        """The time step that a code is right for, one step early or late allowed; None when it is wrong."""
        factor = await credentials.factor(user_id)
        secret = self._cipher.open(factor.sealed, str(user_id)) if factor.sealed else None
        digits = "".join(code.split())
        if secret is None or not (digits.isascii() and digits.isdigit() and len(digits) == 6):
            return None
        totp, now = pyotp.TOTP(secret.decode()), int(time.time()) // _STEP
        for step in (now, now - 1, now + 1):
            if pyotp.utils.strings_equal(totp.at(step * _STEP), digits):
                return step
        return None

    async def check(self, credentials: Credentials, user_id: int, code: str) -> str | None:
        """Use a code up: `totp` or `recovery` as what it was right, None when it was wrong or used before."""
        step = await self.step_of(credentials, user_id, code)
        if step is not None:
            return "totp" if await credentials.use_step(user_id, step) else None
        return "recovery" if await credentials.use_recovery(user_id, recovery_hash(user_id, code)) is not None else None


def recovery_codes() -> list[str]:
    """XXXXX-XXXXX, 50 random bits each."""
    return ["-".join("".join(secrets.choice(_ALPHABET) for _ in range(5)) for _ in "ab") for _ in range(RECOVERY_CODES)]


def recovery_hash(user_id: int, code: str) -> bytes:
    return fingerprint(f"{user_id}:{''.join(each for each in code.upper() if each.isalnum())}")


def uri(secret: str, username: str) -> str:
    """otpauth:// as authenticator apps read it."""
    return pyotp.TOTP(secret).provisioning_uri(name=username, issuer_name=ISSUER)


def qr_code(text: str) -> str:
    """An SVG picture as a data: URI."""
    return segno.make(text, error="m").svg_data_uri(scale=5, border=2)
