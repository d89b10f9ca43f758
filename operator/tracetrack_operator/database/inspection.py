"""What a PostgreSQL tells of itself that decides whether another can follow it by logical replication."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from ..dependencies.binding import DatabaseBinding
from .check import ERRORS, connect, explain

SECONDS = 15.0
MOST_TABLES = 10
_WITHOUT_IDENTITY = (
    "SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE c.relkind IN ('r', 'p') AND c.relpersistence = 'p' AND n.nspname !~ '^pg_'"
    " AND n.nspname <> 'information_schema' AND (c.relreplident = 'n' OR c.relreplident = 'd' AND NOT EXISTS"
    " (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary)) ORDER BY 1 LIMIT $1"
)
_FACTS = (
    "SELECT current_setting('wal_level') AS wal_level,"
    " (SELECT count(*) FROM pg_database WHERE datallowconn AND NOT datistemplate) AS databases,"
    " current_setting('max_replication_slots')::int AS slots,"
    " current_setting('max_logical_replication_workers')::int AS workers,"
    " EXISTS (SELECT FROM pg_largeobject_metadata) AS large_objects,"
    " (SELECT max(pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn))::bigint FROM pg_stat_replication) AS lag"
)


@dataclass(frozen=True)
class Inspection:
    """Of the server, and of one of its databases.

    `unidentified` are tables (at most `MOST_TABLES`) with neither a primary key nor another replica identity. `lag` in
    bytes is that of whoever is farthest behind, None when nobody follows. `problem` says why nothing was found out.
    """

    wal_level: str = ""
    databases: int = 0
    slots: int = 0
    workers: int = 0
    large_objects: bool = False
    unidentified: tuple[str, ...] = ()
    lag: int | None = None
    problem: str = ""


Inspect = Callable[[DatabaseBinding], Awaitable[Inspection | None]]
"""None where nobody is to be asked."""


async def inspect_database(binding: DatabaseBinding) -> Inspection:
    """Looks, and changes nothing; at most `SECONDS`. Never raises for what the server does."""
    try:
        async with asyncio.timeout(SECONDS):
            connection = await connect(binding)
            try:
                facts = await connection.fetchrow(_FACTS)
                tables = await connection.fetch(_WITHOUT_IDENTITY, MOST_TABLES)
            finally:
                connection.terminate()
    except ERRORS as error:
        return Inspection(problem=explain(binding, error).message)
    return Inspection(**dict(facts), unidentified=tuple(table[0] for table in tables))
