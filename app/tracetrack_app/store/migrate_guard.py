"""What keeps a migration from locking a large table for as long as it takes to write it anew."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg

_log = logging.getLogger(__name__)
_SCRATCH = "tracetrack_rehearsal"


@dataclass(frozen=True, slots=True)
class Limits:
    """What a migration may do. A table of more than `rows` rows or `megabytes` is large.

    `lock_timeout` (seconds) bounds how long others queue behind a migration that waits for a table, each of
    `lock_attempts` times.
    """

    rows: int = 200_000
    megabytes: int = 64
    lock_timeout: float = 4.0
    lock_attempts: int = 8
    allow_rewrite: bool = False


LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Table:
    """A large table as the statistics have it."""

    name: str
    rows: int
    megabytes: int

    def __str__(self) -> str:
        return f"{self.name} ({self.rows:,} rows, {self.megabytes:,} MB)"


@dataclass(frozen=True, slots=True)
class Relation:
    """A table, or an index of `table`: the file it is stored in, and how many rows this transaction changed in it."""

    file: int
    table: str | None
    changed: int


async def large_tables(connection: Any, limits: Limits) -> dict[str, Table]:
    """By name."""
    rows = await connection.fetch(
        "SELECT relname, greatest(reltuples, 0)::bigint AS n, pg_table_size(oid) / 1048576 AS mb FROM pg_class"
        " WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace"
        " AND (reltuples > $1 OR pg_table_size(oid) > $2::bigint * 1048576)",
        limits.rows,
        limits.megabytes,
    )
    return {row["relname"]: Table(row["relname"], row["n"], row["mb"]) for row in rows}


async def state(connection: Any) -> dict[str, Relation]:
    """The tables and indexes of the current schema, by name."""
    rows = await connection.fetch(
        "SELECT c.relname, c.relfilenode::bigint AS file, t.relname AS of_table,"
        " coalesce(pg_stat_get_xact_tuples_updated(c.oid), 0) + coalesce(pg_stat_get_xact_tuples_deleted(c.oid), 0)"
        " AS changed FROM pg_class c LEFT JOIN pg_index i ON i.indexrelid = c.oid"
        " LEFT JOIN pg_class t ON t.oid = i.indrelid"
        " WHERE c.relkind IN ('r', 'i') AND c.relnamespace = current_schema()::regnamespace"
    )
    return {row["relname"]: Relation(row["file"], row["of_table"], row["changed"]) for row in rows}


def objections(
    large: Mapping[str, Table],
    before: Mapping[str, Relation],
    after: Mapping[str, Relation],
    rows: int,
    *,
    indexes: bool = True,
) -> list[str]:
    """What happened to large tables between the two states that must not, in words."""
    found = []
    for name, table in large.items():
        old, new = before.get(name), after.get(name)
        if old is None or new is None:
            continue
        if new.file != old.file:
            found.append(
                f"it writes the table {table} anew, which nobody can use meanwhile; add a column and fill it in small"
                " steps instead"
            )
        elif new.changed - old.changed > rows:
            found.append(
                f"it changes {new.changed - old.changed:,} rows of the table {table} in one transaction; change them"
                " in small steps instead"
            )
        elif indexes:
            found += [
                f"it builds the index {index} of the table {table} while nobody can write to it; build it by CREATE"
                " INDEX CONCURRENTLY in a migration that begins with `-- no transaction`"
                for index, now in after.items()
                if now.table == name and (index not in before or before[index].file != now.file)
            ]
    return found


async def rehearse(
    connection: Any,
    large: Mapping[str, Table],
    applied: Sequence[tuple[int, str]],
    pending: Sequence[tuple[int, str]],
    *,
    unhurried: set[int],
) -> dict[int, list[str]]:
    """Run all (version, SQL) on an empty copy of the schema and undo it: the objections by version.

    Empty tables show what is written anew as full ones do, at no cost. Those in `unhurried` build their indexes
    without a lock. Where a copy cannot be made, nothing is found and each migration is judged as it runs.
    """
    found: dict[int, list[str]] = {}
    rehearsal = connection.transaction()
    await rehearsal.start()
    try:
        path = await connection.fetchval("SELECT current_setting('search_path')")
        await connection.execute(f"CREATE SCHEMA {_SCRATCH}; SET LOCAL search_path = {_SCRATCH}, {path}")
        for _, sql in applied:
            await connection.execute(sql)
        for version, sql in pending:
            before = await state(connection)
            async with connection.transaction():
                await connection.execute(sql)
            problems = objections(large, before, await state(connection), 0, indexes=version not in unhurried)
            if problems:
                found[version] = problems
    except asyncpg.PostgresError as error:
        if isinstance(error, asyncpg.PostgresConnectionError):
            raise
        _log.warning("migrations could not be rehearsed on an empty copy of the schema: %s", error)
    finally:
        if not connection.is_closed():
            await rehearsal.rollback()
    return found
