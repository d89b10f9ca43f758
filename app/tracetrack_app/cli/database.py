"""The database of a command: the app's own, from the environment or the bindings."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import asyncpg

from tracetrack_app.cli.output import CommandError
from tracetrack_app.settings import Bindings, SettingsError
from tracetrack_app.store.database import Connector, connection_lost
from tracetrack_app.store.migrate import migrations

T = TypeVar("T")


def connector() -> Connector:
    """Raises CommandError when no database is set."""
    bindings = Bindings(os.environ)
    try:
        bindings.database()
    except SettingsError as error:
        raise CommandError(str(error)) from None
    return Connector(bindings.database, "tracetrack")


def run(work: Callable[[Any, Connector], Awaitable[T]], *, needs_schema: bool = True) -> T:
    """Run `work` with a connection, and the connector it came from. Raises CommandError in words for a person.

    `needs_schema` refuses a database that lacks migrations of this version.
    """
    return asyncio.run(_run(work, needs_schema))


async def _run(work: Callable[[Any, Connector], Awaitable[T]], needs_schema: bool) -> T:
    source = connector()
    try:
        connection = await source.connect()
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError, SettingsError) as error:
        raise CommandError(source.explain(error)) from None
    try:
        if needs_schema:
            await _require_schema(connection, source.where)
        return await work(connection, source)
    except asyncpg.InsufficientPrivilegeError as error:
        raise CommandError(f"PostgreSQL at {source.where} refused it: {error}; connect as the app's own role") from None
    except Exception as error:
        if connection_lost(error):
            raise CommandError(source.explain(error)) from None
        raise
    finally:
        connection.terminate()


async def _require_schema(connection: Any, where: str) -> None:
    known = await connection.fetchval("SELECT to_regclass('schema_migrations') IS NOT NULL")
    applied = {row[0] for row in await connection.fetch("SELECT version FROM schema_migrations")} if known else set()
    missing = [migration for migration in migrations() if migration.version not in applied]
    if missing:
        first = f"{missing[0].version:04d}_{missing[0].name}"
        raise CommandError(
            f"{where} lacks {len(missing)} migrations of this version, from {first} on: run `tracetrack migrate` first"
        )
