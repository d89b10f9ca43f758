"""Passwords as argon2id hashes, made and checked off the event loop; the existing system's hashes are checked too."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
# One thread: a burst of log-ins must not take the memory or the processor from the scans.
_THREAD = ThreadPoolExecutor(max_workers=1, thread_name_prefix="password")
_NOBODY = _HASHER.hash("no such user has this password")
# What a hash of the existing system may ask for; more than its newest version does by default.
_MAX_SCRYPT_MEMORY = 128 * 1024 * 1024
_MAX_ITERATIONS = 2_000_000
_DIGESTS = ("sha1", "sha256", "sha512")


async def hash_password(password: str) -> str:
    return await asyncio.get_running_loop().run_in_executor(_THREAD, _HASHER.hash, password)


async def verify_password(password_hash: str | None, password: str) -> tuple[bool, str | None]:
    """(whether it is the password, its hash made anew if it was not made as hashes are made now).

    None as the hash takes as long as a wrong password, and is one.
    """
    return await asyncio.get_running_loop().run_in_executor(_THREAD, _verify, password_hash, password)


def _verify(password_hash: str | None, password: str) -> tuple[bool, str | None]:
    if password_hash is not None and password_hash.startswith(("scrypt:", "pbkdf2:")):
        right = _verify_werkzeug(password_hash, password)
        return right, _HASHER.hash(password) if right else None
    try:
        _HASHER.verify(password_hash or _NOBODY, password)
    except (VerificationError, InvalidHashError):
        return False, None
    if password_hash is None:
        return False, None
    return True, _HASHER.hash(password) if _HASHER.check_needs_rehash(password_hash) else None


def _verify_werkzeug(password_hash: str, password: str) -> bool:
    """`scrypt:N:r:p$salt$hex` and `pbkdf2:digest:iterations$salt$hex`; the salt is text."""
    method, _, rest = password_hash.partition("$")
    salt, _, expected = rest.partition("$")
    name, *parameters = method.split(":")
    if not salt or not expected:
        return False
    try:
        if name == "scrypt":
            n, r, p = (int(each) for each in parameters) if parameters else (2**15, 8, 1)
            memory = 132 * n * r * p
            if not 0 < memory <= _MAX_SCRYPT_MEMORY:
                return False
            found = hashlib.scrypt(password.encode(), salt=salt.encode(), n=n, r=r, p=p, maxmem=memory)
        else:
            digest, iterations = parameters[0], int(parameters[1])
            if digest not in _DIGESTS or not 0 < iterations <= _MAX_ITERATIONS:
                return False
            found = hashlib.pbkdf2_hmac(digest, password.encode(), salt.encode(), iterations)
    except (ValueError, IndexError, OverflowError):
        return False
    return hmac.compare_digest(found.hex(), expected)
