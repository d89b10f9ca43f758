"""Can the database be connected to with this binding?"""

import asyncio
import ssl
import struct
from dataclasses import replace
from typing import Any

import asyncpg

from ..api.conditions import Reason
from ..dependencies.binding import Binding, DatabaseBinding, endpoint
from ..dependencies.checks import CheckResult
from ..dependencies.tls import trusting, unverified

SECONDS = 5.0
PLAIN_SECONDS = 2.0
OLDEST_VERSION = 14
_PROTOCOL = 3 << 16
_AUTHENTICATION = b"R"
ERRORS = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)


async def check_database(binding: Binding) -> CheckResult:
    """Connect, ask for the version, leave; at most `SECONDS`. The message never has the password in it."""
    if not isinstance(binding, DatabaseBinding):
        raise TypeError(f"a DatabaseBinding is wanted, not {type(binding).__name__}")
    try:
        async with asyncio.timeout(SECONDS):
            found = await _ask(binding)
    except ERRORS as error:
        return explain(binding, error)
    # RDS has a parameter for it. Who brings a server decides on that alone.
    asked = found.ok and binding.provider == "rds" and binding.sslmode != "disable"
    return replace(found, plain=await lets_in_plain(binding)) if asked else found


async def lets_in_plain(binding: DatabaseBinding) -> bool:
    """Whether the server would take a login without TLS. It gets to hear the user's name, and no password."""
    named = b"".join(part.encode() + b"\0" for part in ("user", binding.username, "database", binding.database))
    message = struct.pack("!i", _PROTOCOL) + named + b"\0"
    try:
        async with asyncio.timeout(PLAIN_SECONDS):
            reader, writer = await asyncio.open_connection(binding.host, binding.port)
            try:
                writer.write(struct.pack("!i", len(message) + 4) + message)
                return await reader.read(1) == _AUTHENTICATION
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False


def explain(binding: DatabaseBinding, error: BaseException) -> CheckResult:
    """What one of `ERRORS` means, and what to do about it."""
    where = endpoint(binding)
    match error:
        case ssl.SSLError():
            return _tls(where, str(error.reason or error))
        case asyncpg.InvalidAuthorizationSpecificationError():
            return CheckResult(
                False,
                Reason.AUTHENTICATION_FAILED,
                f"PostgreSQL at {where} refuses user {binding.username}: {error}. Correct username and password.",
            )
        case asyncpg.InvalidCatalogNameError():
            return CheckResult(
                False,
                "DatabaseNotFound",
                f"PostgreSQL at {where} has no database {binding.database}. Create it, or name another one.",
            )
        case ConnectionError() if "SSL" in str(error):
            return _tls(where, str(error))
        case TimeoutError():
            return _unreachable(where, f"no answer within {SECONDS:.0f} s")
        case OSError():
            return _unreachable(where, error.strerror or str(error))
    return CheckResult(False, "DatabaseError", f"PostgreSQL at {where} answers: {error}. It is tried again.")


async def connect(binding: DatabaseBinding) -> Any:
    """A connection, to be closed. Raises `ERRORS`."""
    return await asyncpg.connect(
        host=binding.host,
        port=binding.port,
        user=binding.username,
        password=binding.password,
        database=binding.database,
        ssl=_context(binding),
        timeout=SECONDS,
        statement_cache_size=0,
        server_settings={"application_name": "tracetrack-operator"},
    )


async def _ask(binding: DatabaseBinding) -> CheckResult:
    connection = await connect(binding)
    try:
        major = connection.get_server_version().major
    finally:
        connection.terminate()
    if major < OLDEST_VERSION:
        return CheckResult(
            False,
            "VersionTooOld",
            f"PostgreSQL at {endpoint(binding)} is version {major}; {OLDEST_VERSION} or later is needed. Upgrade it.",
        )
    return CheckResult(True)


def _context(binding: DatabaseBinding) -> ssl.SSLContext | bool:
    if binding.sslmode == "disable":
        return False
    return trusting(binding.ca_crt) if binding.sslmode == "verify-full" else unverified()


def _tls(where: str, problem: str) -> CheckResult:
    return CheckResult(
        False, "TLSFailed", f"No TLS with PostgreSQL at {where}: {problem}. Check sslmode, ca.crt and the host name."
    )


def _unreachable(where: str, problem: str) -> CheckResult:
    return CheckResult(
        False,
        Reason.ENDPOINT_UNREACHABLE,
        f"PostgreSQL at {where} cannot be reached: {problem}. Check host and port, and that the network lets the "
        "operator and the application through.",
    )
