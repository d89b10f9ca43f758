"""Numbered SQL files, run once each and in order, by whichever replica comes first."""

from __future__ import annotations

import hashlib
import logging
import re
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

_log = logging.getLogger(__name__)
_LOCK = 0x7472_6163_6B
_NAME = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")


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


async def migrate(connection: Any, wanted: list[Migration]) -> list[int]:
    """Run what has not been run; returns the numbers run now. Other replicas wait on an advisory lock meanwhile.

    A schema that has more than `wanted` is left as it is: a version rolled back must run on it.
    Raises MigrationError when a file that was run has changed since.
    """
    await connection.execute("SELECT pg_advisory_lock($1)", _LOCK, timeout=600)
    try:
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS schema_migrations (version integer PRIMARY KEY, name text NOT NULL,"
            " checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
        )
        rows = await connection.fetch("SELECT version, name, checksum FROM schema_migrations")
        applied = {row["version"]: row for row in rows}
        newer = sorted(set(applied) - {migration.version for migration in wanted})
        if newer:
            _log.warning("the schema is newer than this version of the app: it has migrations %s besides", newer)
        ran = []
        for migration in wanted:
            known = applied.get(migration.version)
            if known is None:
                await _apply(connection, migration)
                ran.append(migration.version)
            elif known["checksum"] != migration.checksum:
                raise MigrationError(
                    f"migration {migration.version:04d}_{migration.name}.sql was changed after it had been run;"
                    " put it back and add a new one"
                )
        return ran
    finally:
        if not connection.is_closed():
            await connection.execute("SELECT pg_advisory_unlock($1)", _LOCK)


async def _apply(connection: Any, migration: Migration) -> None:
    async with connection.transaction():
        await connection.execute(migration.sql, timeout=3600)
        await connection.execute(
            "INSERT INTO schema_migrations (version, name, checksum) VALUES ($1, $2, $3)",
            migration.version,
            migration.name,
            migration.checksum,
        )
    _log.info("migration %04d_%s applied", migration.version, migration.name)
