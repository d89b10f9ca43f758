"""Can the database be connected to with this binding?"""

import asyncio
import ssl

import asyncpg

from ..api.conditions import Reason
from ..dependencies.binding import Binding, DatabaseBinding, endpoint
from ..dependencies.checks import CheckResult

SECONDS = 5.0
OLDEST_VERSION = 14


async def check_database(binding: Binding) -> CheckResult:
    """Connect, ask for the version, leave; at most `SECONDS`. The message never has the password in it."""
    if not isinstance(binding, DatabaseBinding):
        raise TypeError(f"a DatabaseBinding is wanted, not {type(binding).__name__}")
    where = endpoint(binding)
    try:
        async with asyncio.timeout(SECONDS):
            return await _connect(binding)
    except ssl.SSLError as error:
        return _tls(where, str(error.reason or error))
    except (asyncpg.InvalidPasswordError, asyncpg.InvalidAuthorizationSpecificationError) as error:
        return CheckResult(
            False,
            Reason.AUTHENTICATION_FAILED,
            f"PostgreSQL at {where} refuses user {binding.username}: {error}. Correct username and password.",
        )
    except asyncpg.InvalidCatalogNameError:
        return CheckResult(
            False,
            "DatabaseNotFound",
            f"PostgreSQL at {where} has no database {binding.database}. Create it, or name another one.",
        )
    except ConnectionError as error:
        if "SSL" in str(error):
            return _tls(where, str(error))
        return _unreachable(where, str(error))
    except TimeoutError:
        return _unreachable(where, f"no answer within {SECONDS:.0f} s")
    except OSError as error:
        return _unreachable(where, error.strerror or str(error))
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        return CheckResult(False, "DatabaseError", f"PostgreSQL at {where} answers: {error}. It is tried again.")


async def _connect(binding: DatabaseBinding) -> CheckResult:
    connection = await asyncpg.connect(
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
    if binding.sslmode == "verify-full":
        return ssl.create_default_context(cadata=binding.ca_crt or None)
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


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
