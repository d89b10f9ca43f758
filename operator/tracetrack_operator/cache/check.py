"""Can the cache be connected to with this binding?"""

import asyncio
import ssl
from collections.abc import Iterator

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from ..api.conditions import Reason
from ..bindings import Binding, CacheBinding, endpoint
from ..checks import CheckResult

SECONDS = 5.0


async def check_cache(binding: Binding) -> CheckResult:
    """Connect, PING, leave; at most `SECONDS`. The message never has the password in it."""
    if not isinstance(binding, CacheBinding):
        raise TypeError(f"a CacheBinding is wanted, not {type(binding).__name__}")
    where = endpoint(binding)
    try:
        async with asyncio.timeout(SECONDS):
            return await _ping(binding)
    except (AuthenticationError, NoPermissionError) as error:
        return _refused(where, str(error))
    except (RedisTimeoutError, TimeoutError):
        return _unreachable(where, f"no answer within {SECONDS:.0f} s")
    except (RedisConnectionError, OSError) as error:
        tls = next((link for link in _chain(error) if isinstance(link, ssl.SSLError)), None)
        if tls is not None:
            return CheckResult(
                False,
                "TLSFailed",
                f"No TLS with Redis at {where}: {tls.reason or tls}. Check tls, ca.crt and the host name.",
            )
        return _unreachable(where, str(error))
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
        ssl=binding.tls,
        ssl_ca_data=binding.ca_crt or None,
    )
    try:
        await client.ping()
    finally:
        await client.aclose()
    return CheckResult(True)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


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
