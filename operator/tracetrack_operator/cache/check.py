"""Can the cache be connected to with this binding?"""

import asyncio
import ssl
from collections.abc import Iterator
from typing import Any

from redis.asyncio import Redis, SSLConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from ..api.conditions import Reason
from ..dependencies.binding import Binding, CacheBinding, endpoint
from ..dependencies.checks import CheckResult
from ..dependencies.tls import trusting

SECONDS = 5.0


class _Connection(SSLConnection):
    """One that doesn't make a TLS context of its own."""

    def __init__(self, ssl_ca_data: str | None = None, **given: Any) -> None:
        super().__init__(ssl_ca_data=ssl_ca_data, **given)
        self.ssl_context.context = trusting(ssl_ca_data or "")


async def check_cache(binding: Binding) -> CheckResult:
    """Connect, PING, leave; at most `SECONDS` for each. The message never has the password in it."""
    if not isinstance(binding, CacheBinding):
        raise TypeError(f"a CacheBinding is wanted, not {type(binding).__name__}")
    where = endpoint(binding)
    # By hand first: a Redis without TLS answers a TLS greeting with silence, like a host that is out of reach.
    try:
        async with asyncio.timeout(SECONDS):
            _, writer = await asyncio.open_connection(binding.host, binding.port)
            writer.close()
    except TimeoutError:
        return _unreachable(where, f"no answer within {SECONDS:.0f} s")
    except OSError as error:
        return _unreachable(where, error.strerror or str(error))
    return await _spoken(binding, where)


async def _spoken(binding: CacheBinding, where: str) -> CheckResult:
    try:
        async with asyncio.timeout(SECONDS):
            return await _ping(binding)
    except (AuthenticationError, NoPermissionError) as error:
        return _refused(where, str(error))
    except (RedisTimeoutError, TimeoutError, RedisConnectionError, OSError) as error:
        tls = next((link for link in _chain(error) if isinstance(link, ssl.SSLError)), None)
        if tls is not None:
            return _tls(where, str(tls.reason or tls))
        if binding.tls:
            return _tls(where, "it accepts connections but doesn't speak TLS")
        return _unreachable(where, f"it accepts connections but doesn't speak Redis ({error}); it may want TLS")
    except RedisError as error:
        if isinstance(error, ResponseError) and str(error).startswith(("NOAUTH", "WRONGPASS", "ERR AUTH")):
            return _refused(where, str(error))
        return CheckResult(False, "CacheError", f"Redis at {where} answers: {error}. It is tried again.")


async def _ping(binding: CacheBinding) -> CheckResult:
    client = Redis(
        host=binding.host,
        port=binding.port,
        username=binding.username or None,
        password=binding.password or None,
        socket_connect_timeout=SECONDS,
        socket_timeout=SECONDS,
        retry=Retry(NoBackoff(), 0),
        single_connection_client=True,
        # Introducing itself takes two round trips, and a look at the installed packages.
        driver_info=None,
        ssl=binding.tls,
        ssl_ca_data=binding.ca_crt or None,
    )
    if binding.tls:
        client.connection_pool.connection_class = _Connection
    try:
        await client.ping()
    finally:
        await client.aclose()
    return CheckResult(True)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _tls(where: str, problem: str) -> CheckResult:
    return CheckResult(
        False, "TLSFailed", f"No TLS with Redis at {where}: {problem}. Check tls, ca.crt and the host name."
    )


def _refused(where: str, problem: str) -> CheckResult:
    return CheckResult(
        False,
        Reason.AUTHENTICATION_FAILED,
        f"Redis at {where} refuses the login: {problem}. Correct username and password.",
    )


def _unreachable(where: str, problem: str) -> CheckResult:
    return CheckResult(
        False,
        Reason.ENDPOINT_UNREACHABLE,
        f"Redis at {where} cannot be reached: {problem}. Check host, port and tls, and that the network lets the "
        "operator and the application through.",
    )
