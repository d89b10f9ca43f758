"""Connections to PostgreSQL, and what is wrong in words when there is none."""

from __future__ import annotations

import asyncio
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
    asyncpg.TooManyConnectionsError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InvalidCachedStatementError,
    asyncpg.ReadOnlySQLTransactionError,
    OSError,
    asyncio.TimeoutError,
    SettingsError,
)


def connection_lost(error: BaseException) -> bool:
    """Whether a statement failed for want of a connection: it may have been committed or not, and a new one may do."""
    # asyncpg tells an argument it cannot encode by an error that is both its InterfaceError and a ValueError.
    unusable = isinstance(error, ValueError) and not isinstance(error, OSError | SettingsError)
    return isinstance(error, LOST) and not unusable


_POOL_OPTIONS = ("loop", "connection_class", "record_class", "command_timeout")


class Connector:
    """Opens connections with the settings as they are at that moment."""

    def __init__(self, settings: Callable[[], DatabaseSettings], application_name: str = "tracetrack-app") -> None:
        self._settings = settings
        self._application_name = application_name

    @property
    def where(self) -> str:
        """host:port/database, without credentials."""
        try:
            return self._settings().where
        except SettingsError as error:
            return f"({error})"

    async def connect(self, **options: Any) -> Any:
        """A new connection. `options` are asyncpg's (the pool passes its own)."""
        settings = self._settings()
        return await asyncpg.connect(
            host=settings.host,
            port=settings.port,
            database=settings.database,
            user=settings.username,
            password=settings.password,
            ssl=settings.tls(),
            timeout=5,
            server_settings={"application_name": self._application_name},
            **{name: options[name] for name in _POOL_OPTIONS if name in options},
        )

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
            return f"PostgreSQL at {where} refused the user name or the password: check the database binding's Secret"
        if isinstance(error, asyncpg.InvalidCatalogNameError):
            return f"PostgreSQL has no such database: {where}; create it or mend the binding's database"
        if isinstance(error, asyncpg.CannotConnectNowError):
            return f"PostgreSQL at {where} is starting up or shutting down"
        if isinstance(error, asyncpg.TooManyConnectionsError):
            return f"PostgreSQL at {where} has no connection to spare: raise max_connections or run fewer replicas"
        if isinstance(error, ssl.SSLError):
            return f"TLS to PostgreSQL at {where} failed ({error.reason}): check sslmode and ca.crt of the binding"
        if isinstance(error, asyncio.TimeoutError):
            return f"PostgreSQL at {where} does not answer"
        if isinstance(error, OSError):
            return f"PostgreSQL at {where} cannot be reached ({error.strerror or type(error).__name__})"
        return f"PostgreSQL at {where}: {type(error).__name__}"
