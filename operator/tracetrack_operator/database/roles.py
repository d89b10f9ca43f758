"""Login roles of the application on a PostgreSQL: members of one owner, as which they act.

What they make belongs to the owner, so that it makes no difference which of them made it.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import secrets
from typing import Any

import asyncpg

from ..api.conditions import Reason
from ..dependencies.binding import DatabaseBinding
from ..dependencies.checks import CheckResult
from .check import ERRORS, connect, explain

OWNER = "tracetrack_owner"
SECONDS = 15.0
_ITERATIONS = 4096
# Below the second after which a server looks for deadlocks: whoever waits for us meanwhile is never chosen to give way.
_LOCK_MILLISECONDS = 800
_ATTEMPTS = 5
_RACES = (
    asyncpg.InternalServerError,
    asyncpg.DuplicateObjectError,
    asyncpg.UniqueViolationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.LockNotAvailableError,
)
"""Somebody else changes the same roles, or is at work in the tables."""


class RolesError(Exception):
    """What the server refused; `refused` when it was the master's login itself."""

    def __init__(self, message: str, refused: CheckResult | None = None) -> None:
        super().__init__(message)
        self.refused = refused


async def make_login(master: DatabaseBinding, user: str, password: str) -> None:
    """Have `user` log in with `password` and act as the owner of the database; again is as good as once.

    Raises RolesError.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            async with asyncio.timeout(SECONDS):
                await _make(master, user, password)
            return
        except _RACES as error:
            if attempt == _ATTEMPTS:
                raise RolesError(explain(master, error).message) from error
            await asyncio.sleep(0.1 * attempt)
        except asyncpg.InsufficientPrivilegeError as error:
            raise RolesError(
                f"User {master.username} may not do it: {error}. Grant it CREATEROLE, and membership with ADMIN OPTION "
                "in the roles that the message names."
            ) from error
        except ERRORS as error:
            found = explain(master, error)
            refused = found if found.reason == Reason.AUTHENTICATION_FAILED else None
            raise RolesError(found.message, refused) from error


async def _make(master: DatabaseBinding, user: str, password: str) -> None:
    connection = await connect(master)
    try:
        # The login comes last: once it works, all the rest is there.
        owner = await _owner(connection)
        if owner == OWNER:
            await _take_over(connection)
        async with connection.transaction():
            await _log_in(connection, user, password, owner)
    finally:
        connection.terminate()


async def _owner(connection: Any) -> str:
    """The role that the application's objects belong to: ours, unless the database belongs to somebody else."""
    database, master = await connection.fetchrow(
        "SELECT pg_get_userbyid(datdba)::text, current_user::text FROM pg_database WHERE datname = current_database()"
    )
    if database not in (master, OWNER):
        return str(database)
    if not await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", OWNER):
        await connection.execute(f"CREATE ROLE {OWNER} NOLOGIN")
    if not await connection.fetchval(f"SELECT pg_has_role(current_user, '{OWNER}', 'USAGE')"):
        await connection.execute(f"GRANT {OWNER} TO CURRENT_USER")
    return OWNER


async def _take_over(connection: Any) -> None:
    """What belongs to the master, from the time when the application logged in as it, belongs to the owner."""
    database, mine = await connection.fetchrow(
        "SELECT datname, datdba = (SELECT oid FROM pg_roles WHERE rolname = current_user) FROM pg_database"
        " WHERE datname = current_database()"
    )
    # First, since it goes with the right to make objects in the schema public.
    if mine:
        await connection.execute(f"ALTER DATABASE {_name(database)} OWNER TO {OWNER}")
    something = await connection.fetchval(
        "SELECT EXISTS (SELECT FROM pg_shdepend s JOIN pg_roles r ON r.oid = s.refobjid JOIN pg_database d"
        " ON d.oid = s.dbid WHERE s.deptype = 'o' AND r.rolname = current_user AND d.datname = current_database())"
    )
    if not something:
        return
    # Sequences go with their tables.
    relations = await connection.fetch(
        "SELECT n.nspname, c.relname FROM pg_class c"
        " JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_roles r ON r.oid = c.relowner"
        " WHERE r.rolname = current_user AND c.relkind IN ('r', 'p', 'v', 'm', 'f')"
        " AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' ORDER BY c.oid"
    )
    await connection.execute(f"SET lock_timeout = {_LOCK_MILLISECONDS}")
    # One at a time: who works with them in another order is never locked out for good.
    for schema, name in relations:
        await connection.execute(f"ALTER TABLE {_name(schema)}.{_name(name)} OWNER TO {OWNER}")
    await connection.execute(f"REASSIGN OWNED BY CURRENT_USER TO {OWNER}")


async def _log_in(connection: Any, user: str, password: str, owner: str) -> None:
    exists = await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", user)
    # As a verifier: statements may be logged, and the server never needs the password itself.
    verb, verifier = "ALTER" if exists else "CREATE", scram_verifier(password)
    await connection.execute(f"{verb} ROLE {_name(user)} LOGIN PASSWORD '{verifier}'")
    if not await connection.fetchval("SELECT pg_has_role($1::name, $2::name, 'MEMBER')", user, owner):
        await connection.execute(f"GRANT {_name(owner)} TO {_name(user)}")
    await connection.execute(f"ALTER ROLE {_name(user)} SET role = {_name(owner)}")


def scram_verifier(password: str, salt: bytes | None = None) -> str:
    """What PostgreSQL keeps of an ASCII password under SCRAM-SHA-256 (RFC 5803)."""
    salt = salt or secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, _ITERATIONS)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    return "SCRAM-SHA-256${}:{}${}:{}".format(
        _ITERATIONS, *(base64.b64encode(each).decode() for each in (salt, stored, server))
    )


def _name(text: str) -> str:
    """An SQL identifier."""
    return '"' + text.replace('"', '""') + '"'
