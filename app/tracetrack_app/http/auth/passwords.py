"""Passwords as argon2id hashes, made and checked off the event loop."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
# One thread: a burst of log-ins must not take the memory or the processor from the scans.
_THREAD = ThreadPoolExecutor(max_workers=1, thread_name_prefix="password")
_NOBODY = _HASHER.hash("no such user has this password")


async def hash_password(password: str) -> str:
    return await asyncio.get_running_loop().run_in_executor(_THREAD, _HASHER.hash, password)


async def verify_password(password_hash: str | None, password: str) -> tuple[bool, str | None]:
    """(whether it is the password, its hash made anew if the parameters have changed).

    None as the hash takes as long as a wrong password, and is one.
    """
    return await asyncio.get_running_loop().run_in_executor(_THREAD, _verify, password_hash, password)


def _verify(password_hash: str | None, password: str) -> tuple[bool, str | None]:
    try:
        _HASHER.verify(password_hash or _NOBODY, password)
    except (VerificationError, InvalidHashError):
        return False, None
    if password_hash is None:
        return False, None
    return True, _HASHER.hash(password) if _HASHER.check_needs_rehash(password_hash) else None
