"""Connections to PostgreSQL, and what is wrong in words when there is none."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import Callable
from typing import Any

import asyncpg

from tracetrack_app.settings import DatabaseSettings, SettingsError

LOST = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    # Disk, memory or connections have run out there, or its disk fails: that passes, a scan that is sent again is kept.
    asyncpg.InsufficientResourcesError,
    asyncpg.PostgresSystemError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InvalidCachedStatementError,
    asyncpg.ReadOnlySQLTransactionError,
    OSError,
    asyncio.TimeoutError,
    SettingsError,
)
FAILED = (asyncpg.PostgresError, *LOST)
"""Whatever may go wrong on a standby and not on the primary."""


def connection_lost(error: BaseException) -> bool:
    """Whether a statement failed for want of a connection: it may have been committed or not, and a new one may do."""
    # asyncpg tells an argument it cannot encode by an error that is both its InterfaceError and a ValueError.
    unusable = isinstance(error, ValueError) and not isinstance(error, OSError | SettingsError)
    return isinstance(error, LOST) and not unusable


# How soon a server that has gone without a word is noticed: idle connections by keepalives (5 s, then 3 of them 2 s
# apart), those that wait for an answer by what they sent not being acknowledged. Elsewhere the statements' own time
# limits have to do.
_PROBES = (
    (socket.SOL_SOCKET, "SO_KEEPALIVE", 1),
    (socket.IPPROTO_TCP, "TCP_KEEPIDLE", 5),
    (socket.IPPROTO_TCP, "TCP_KEEPINTVL", 2),
    (socket.IPPROTO_TCP, "TCP_KEEPCNT", 3),
    (socket.IPPROTO_TCP, "TCP_USER_TIMEOUT", 8000),
)
_POOL_OPTIONS = ("loop", "connection_class", "record_class", "command_timeout")


class Connector:
    """Opens connections with the settings as they are at that moment."""

    def __init__(
        self,
        settings: Callable[[], DatabaseSettings],
        application_name: str = "tracetrack-app",
        binding: str = "database",
    ) -> None:
        self._settings = settings
        self._application_name = application_name
        self._binding = binding
        self._worked: DatabaseSettings | None = None

    @property
    def where(self) -> str:
        """host:port/database, without credentials."""
        try:
            return self._settings().where
        except SettingsError as error:
            return f"({error})"

    async def connect(self, *, writable: bool = False, **options: Any) -> Any:
        """A new connection. `options` are asyncpg's (the pool passes its own).

        `writable` refuses a server that takes no writes: after a fail-over the name may still lead to the old one.
        The name is looked up each time, so that the new one is met.
        A login that is refused gives way to the one that was taken last, as long as the server takes that.
        """
        settings = self._settings()
        try:
            connection = await self._open(settings, writable=writable, **options)
        except asyncpg.InvalidAuthorizationSpecificationError:
            worked = self._worked
            if worked is None or worked == settings or worked.where != settings.where:
                raise
            return await self._open(worked, writable=writable, **options)
        self._worked = settings
        return connection

    async def probe(self) -> None:
        """Raises what is wrong with the settings as they are now, whatever worked before."""
        connection = await self._open(self._settings())
        connection.terminate()

    async def _open(self, settings: DatabaseSettings, *, writable: bool = False, **options: Any) -> Any:
        connection = await asyncpg.connect(
            host=settings.host,
            port=settings.port,
            database=settings.database,
            user=settings.username,
            password=settings.password,
            ssl=settings.tls(),
            timeout=5,
            server_settings={"application_name": self._application_name},
            target_session_attrs="read-write" if writable else "any",
            **{name: options[name] for name in _POOL_OPTIONS if name in options},
        )
        _probe(connection)
        return connection

    async def pool(self, size: int = 8) -> Any:
        """A pool of up to `size` connections, opened when needed."""
        return await asyncpg.create_pool(
            min_size=0,
            max_size=size,
            connect=self._pool_connect,
            command_timeout=15,
            max_inactive_connection_lifetime=60,
        )

    async def _pool_connect(self, *_: Any, **options: Any) -> Any:
        return await self.connect(**options)

    def explain(self, error: BaseException) -> str:
        """The error in words that name the server and the remedy, without a secret."""
        where = self.where
        if isinstance(error, SettingsError):
            return str(error)
        if isinstance(error, asyncpg.InvalidPasswordError | asyncpg.InvalidAuthorizationSpecificationError):
            secret = f"the {self._binding} binding's Secret"
            return f"PostgreSQL at {where} refused the user name or the password: check {secret}"
        if isinstance(error, asyncpg.InvalidCatalogNameError):
            return f"PostgreSQL has no such database: {where}; create it or mend the binding's database"
        if isinstance(error, asyncpg.CannotConnectNowError):
            return f"PostgreSQL at {where} is starting up or shutting down"
        if isinstance(error, asyncpg.ReadOnlySQLTransactionError | asyncpg.TargetServerAttributeNotMatched):
            return f"PostgreSQL at {where} takes no writes: it is a standby, or was made read-only"
        if isinstance(error, asyncpg.DiskFullError):
            return f"PostgreSQL at {where} has no disk space left: enlarge its storage"
        if isinstance(error, asyncpg.TooManyConnectionsError):
            return f"PostgreSQL at {where} has no connection to spare: raise max_connections or run fewer replicas"
        if isinstance(error, ssl.SSLError):
            return f"TLS to PostgreSQL at {where} failed ({error.reason}): check sslmode and ca.crt of the binding"
        if isinstance(error, asyncio.TimeoutError):
            return f"PostgreSQL at {where} does not answer"
        if isinstance(error, OSError):
            return f"PostgreSQL at {where} cannot be reached ({error.strerror or type(error).__name__})"
        return f"PostgreSQL at {where}: {type(error).__name__}"


async def renew(pool: Any) -> None:
    """Have every connection of the pool be a new one: those at rest now, those in use once they come back."""
    await pool.expire_connections()
    held = []
    try:
        # The pool lends those first that came back last, so these are the open ones; each is opened anew as it is lent.
        for _ in range(pool.get_idle_size()):
            held.append(await pool.acquire(timeout=5))
    finally:
        for connection in held:
            await pool.release(connection)


def _probe(connection: Any) -> None:
    transport = getattr(connection, "_transport", None)
    known = transport.get_extra_info("socket") if transport is not None else None
    if known is None or known.family == getattr(socket, "AF_UNIX", None):
        return
    # A copy of the descriptor: what an event loop gives out need not take options, and must not be closed.
    with socket.socket(fileno=os.dup(known.fileno())) as copy:
        for level, name, value in _PROBES:
            if hasattr(socket, name):
                copy.setsockopt(level, getattr(socket, name), value)
