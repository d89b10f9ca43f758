"""Numbered SQL files, run once each and in order, by whichever replica comes first.

A file runs in one transaction. One that begins with the line `-- no transaction` does not: it may hold only
statements that can be run again after an interruption, which is how an index is built while scans go on:

    CREATE [UNIQUE] INDEX CONCURRENTLY IF NOT EXISTS … ;
    DROP INDEX CONCURRENTLY IF EXISTS … ;
    ALTER TABLE … VALIDATE CONSTRAINT … ;
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

import asyncpg

from tracetrack_app.store.migrate_guard import LIMITS, Limits, large_tables, objections, rehearse, state

_log = logging.getLogger(__name__)
_LOCK = 0x7472_6163_6B
_LOCK_WAIT = 600.0
_NAME = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")
_NO_TRANSACTION = re.compile(r"\s*--\s*no transaction\s*$", re.MULTILINE)
_RESUMABLE = re.compile(
    r"CREATE\s+(?:UNIQUE\s+)?INDEX\s+CONCURRENTLY\s+IF\s+NOT\s+EXISTS\s+(?P<index>\w+)\s+ON\s"
    r"|DROP\s+INDEX\s+CONCURRENTLY\s+IF\s+EXISTS\s"
    r"|ALTER\s+TABLE\s+\w+\s+VALIDATE\s+CONSTRAINT\s",
    re.IGNORECASE,
)


class MigrationError(RuntimeError):
    """The schema cannot be brought to what this version needs; the message says which file and why."""


@dataclass(frozen=True, slots=True)
class Migration:
    version: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()

    @property
    def title(self) -> str:
        """NNNN_name, as the file is called."""
        return f"{self.version:04d}_{self.name}"

    @property
    def transactional(self) -> bool:
        return _NO_TRANSACTION.match(self.sql) is None

    def statements(self) -> list[tuple[str, str | None]]:
        """Those of a file without a transaction, each with the name of the index it creates. Raises MigrationError."""
        bare = re.sub(r"--.*$", "", self.sql, flags=re.MULTILINE)
        found = []
        for statement in filter(None, (part.strip() for part in bare.split(";"))):
            match = _RESUMABLE.match(statement)
            if match is None:
                raise MigrationError(
                    f"migration {self.title}.sql runs without a transaction and may not hold {statement[:60]!r}:"
                    " only CREATE INDEX CONCURRENTLY IF NOT EXISTS, DROP INDEX CONCURRENTLY IF EXISTS and ALTER TABLE"
                    " … VALIDATE CONSTRAINT can be run again after an interruption"
                )
            found.append((statement, match["index"]))
        return found


@dataclass(frozen=True, slots=True)
class Planned:
    """A migration that has not been run, and why it would be refused (empty: it would not)."""

    migration: Migration
    objections: tuple[str, ...]


def migrations(folder: Traversable | None = None) -> list[Migration]:
    """Those shipped with this version, by number. Raises MigrationError on a number used twice."""
    source = folder if folder is not None else files("tracetrack_app.store") / "migrations"
    found: dict[int, Migration] = {}
    for entry in source.iterdir():
        match = _NAME.fullmatch(entry.name)
        if match:
            version = int(match[1])
            if version in found:
                raise MigrationError(f"two migrations have the number {version:04d}")
            found[version] = Migration(version, match[2], entry.read_text(encoding="utf-8"))
    return [found[version] for version in sorted(found)]


async def plan(connection: Any, wanted: Sequence[Migration], limits: Limits = LIMITS) -> list[Planned]:
    """What `migrate` would run now, without running it. Raises MigrationError as that does."""
    applied, pending = await _sort(connection, wanted)
    refused = await _rehearse(connection, applied, pending, limits)
    return [Planned(migration, tuple(refused.get(migration.version, ()))) for migration in pending]


async def migrate(connection: Any, wanted: Sequence[Migration], limits: Limits = LIMITS) -> list[int]:
    """Run what has not been run; returns the numbers run now. Other replicas wait on an advisory lock meanwhile.

    A schema that has more than `wanted` is left as it is: a version rolled back must run on it. Raises MigrationError
    when a file that was run has changed since, and, before anything is run, when one would keep a large table from
    its users for long.
    """
    async with _locked(connection):
        # Not IF NOT EXISTS: that takes the right to create tables, also where there is nothing to run.
        if not await connection.fetchval("SELECT to_regclass('schema_migrations') IS NOT NULL"):
            await connection.execute(
                "CREATE TABLE schema_migrations (version integer PRIMARY KEY, name text NOT NULL,"
                " checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
            )
        applied, pending = await _sort(connection, wanted)
        refused = await _rehearse(connection, applied, pending, limits)
        for migration in pending:
            if found := refused.get(migration.version):
                raise _refusal(migration, found)
        for migration in pending:
            if migration.transactional:
                await _apply(connection, migration, limits)
            else:
                await _apply_resumably(connection, migration)
            _log.info("migration %s applied", migration.title)
        return [migration.version for migration in pending]


@asynccontextmanager
async def _locked(connection: Any) -> AsyncIterator[None]:
    """The lock of those who migrate. Asked for again and again: a statement that waits for it would hold a snapshot,
    for whose end CREATE INDEX CONCURRENTLY in the session that has the lock waits."""
    deadline = time.monotonic() + _LOCK_WAIT
    while not await connection.fetchval("SELECT pg_try_advisory_lock($1)", _LOCK):
        if time.monotonic() > deadline:
            raise MigrationError("another replica has been migrating the schema for ten minutes: see its log")
        await asyncio.sleep(0.2)
    try:
        yield
    finally:
        if not connection.is_closed():
            await connection.execute("SELECT pg_advisory_unlock($1)", _LOCK)


async def _sort(connection: Any, wanted: Sequence[Migration]) -> tuple[list[Migration], list[Migration]]:
    """(those that were run, those that were not)."""
    rows = []
    if await connection.fetchval("SELECT to_regclass('schema_migrations') IS NOT NULL"):
        rows = await connection.fetch("SELECT version, checksum FROM schema_migrations")
    known = {row["version"]: row["checksum"] for row in rows}
    newer = sorted(set(known) - {migration.version for migration in wanted})
    if newer:
        _log.warning("the schema is newer than this version of the app: it has migrations %s besides", newer)
    for migration in wanted:
        if known.get(migration.version, migration.checksum) != migration.checksum:
            raise MigrationError(
                f"migration {migration.title}.sql was changed after it had been run; put it back and add a new one"
            )
    applied = [migration for migration in wanted if migration.version in known]
    return applied, [migration for migration in wanted if migration.version not in known]


async def _rehearse(
    connection: Any, applied: list[Migration], pending: list[Migration], limits: Limits
) -> dict[int, list[str]]:
    for migration in pending:
        if not migration.transactional:
            migration.statements()
    if not pending or limits.allow_rewrite:
        return {}
    large = await large_tables(connection, limits)
    if not large:
        return {}
    return await rehearse(
        connection,
        large,
        [(migration.version, _plain(migration)) for migration in applied],
        [(migration.version, _plain(migration)) for migration in pending],
        unhurried={migration.version for migration in pending if not migration.transactional},
    )


def _plain(migration: Migration) -> str:
    return migration.sql if migration.transactional else re.sub(r"(?i)\bCONCURRENTLY\b", "", migration.sql)


def _refusal(migration: Migration, found: Sequence[str]) -> MigrationError:
    return MigrationError(
        f"migration {migration.title} was not run: {'; '.join(found)}. Stop the service and run"
        " `tracetrack migrate --allow-rewrite`, or take a version whose migration does without"
    )


async def _apply(connection: Any, migration: Migration, limits: Limits) -> None:
    for attempt in range(1, limits.lock_attempts + 1):
        try:
            async with connection.transaction():
                await connection.execute(f"SET LOCAL lock_timeout = '{round(limits.lock_timeout * 1000)}ms'")
                large = {} if limits.allow_rewrite else await large_tables(connection, limits)
                before = await state(connection)
                await connection.execute(migration.sql, timeout=3600)
                if found := objections(large, before, await state(connection), limits.rows):
                    raise _refusal(migration, found)
                await _enter(connection, migration)
            return
        except asyncpg.LockNotAvailableError:
            if attempt == limits.lock_attempts:
                raise MigrationError(
                    f"migration {migration.title} was not run: a table it changes was in use each of {attempt} times"
                    f" that it waited {limits.lock_timeout:g} s; look for a long transaction in pg_stat_activity"
                ) from None
            # What queued up behind the lock goes first.
            await asyncio.sleep(limits.lock_timeout)


async def _apply_resumably(connection: Any, migration: Migration) -> None:
    for statement, index in migration.statements():
        if index is not None and await connection.fetchval(
            "SELECT EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass($1) AND NOT indisvalid)", index
        ):
            _log.info("migration %s: index %s was left half built; building it again", migration.title, index)
            await connection.execute(f"DROP INDEX CONCURRENTLY {index}")
        await connection.execute(statement)
    await _enter(connection, migration)


async def _enter(connection: Any, migration: Migration) -> None:
    await connection.execute(
        "INSERT INTO schema_migrations (version, name, checksum) VALUES ($1, $2, $3)",
        migration.version,
        migration.name,
        migration.checksum,
    )
