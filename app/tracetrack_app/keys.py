"""Keys for one purpose each, made from the session secret, and what is encrypted or sealed with them.

The first secret is the one in use; those after it were in use before and still open what they closed.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets as _secrets
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE = 12


def derive(secret: bytes, purpose: str) -> bytes:
    """32 bytes that say nothing of the secret or of the key for another purpose."""
    return hmac.new(secret, b"tracetrack." + purpose.encode(), hashlib.sha256).digest()


class Cipher:
    """AES-256-GCM under a key for one purpose; `bound_to` must be the same when opened as it was when closed."""

    def __init__(self, secrets: Sequence[bytes], purpose: str) -> None:
        self._ciphers = [AESGCM(derive(secret, purpose)) for secret in secrets]

    def close(self, plain: bytes, bound_to: str) -> bytes:
        nonce = _secrets.token_bytes(_NONCE)
        return nonce + self._ciphers[0].encrypt(nonce, plain, bound_to.encode())

    def open(self, closed: bytes, bound_to: str) -> bytes | None:
        """None when no secret known now opens it."""
        for cipher in self._ciphers:
            try:
                return cipher.decrypt(closed[:_NONCE], closed[_NONCE:], bound_to.encode())
            except InvalidTag:
                continue
        return None


def fingerprint(token: str) -> bytes:
    """What is stored of a token of at least 128 random bits, which needs no slow hash."""
    return hashlib.sha256(token.encode()).digest()
