"""Imports that go on in the background, where every replica sees them: how far they are, and what was refused.

A job belongs to one runner at a time, which says that it lives (`seen_at`). The files stay with the job until it is
done, so that any replica can go on with one whose runner is gone.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import msgspec

from tracetrack_app.domain.imports import Counts
from tracetrack_app.store.database import Connector
from tracetrack_app.store.guarded import guarded

ABANDONED_AFTER = 30
KEPT_DAYS = 7
_BATCH = 500
_COUNTS = ("rows_total", "rows_done", "imported", "repeated", "unchanged", "refused")
_COLUMNS = (
    "id, kind, user_id, dry_run, state, message, created_at, started_at, finished_at, now() AS read_at,"
    f" state IN ('waiting', 'running') AND coalesce(seen_at, created_at) < now() - interval '{ABANDONED_AFTER} seconds'"
    f" AS abandoned, {', '.join(_COUNTS)}"
)


class Job(msgspec.Struct, frozen=True):
    """An import as it was at `read_at`. `abandoned` tells that nobody has worked on it for a while."""

    id: UUID
    kind: str
    user_id: int
    dry_run: bool
    state: str
    message: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    read_at: datetime
    abandoned: bool
    rows_total: int
    rows_done: int
    imported: int
    repeated: int
    unchanged: int
    refused: int

    @property
    def rate(self) -> float:
        """Rows a second since it was started."""
        if self.started_at is None:
            return 0.0
        seconds = ((self.finished_at or self.read_at) - self.started_at).total_seconds()
        return self.rows_done / seconds if seconds > 0 else 0.0


class Problem(msgspec.Struct, frozen=True):
    """A refused row; without a reason it is the header above those that follow."""

    file: str
    sheet: str
    row: int
    reason: str | None
    holder: str | None
    cells: Sequence[str]


class ImportJobs:
    """The jobs, over a pool of connections. Everything raises UnavailableError."""

    def __init__(self, connector: Connector, pool: Any) -> None:
        self._connector = connector
        self._pool = pool

    async def create(self, user_id: int, kind: str, files: Sequence[tuple[str, bytes]], *, dry_run: bool) -> Job:
        """A new job with its files (name, content). Forgets jobs of last week."""
        number = uuid4()
        async with guarded(self._connector), self._pool.acquire() as connection, connection.transaction():
            await connection.execute(
                "DELETE FROM import_jobs WHERE created_at < now() - make_interval(days => $1)", KEPT_DAYS
            )
            await connection.execute(
                "INSERT INTO import_jobs (id, kind, user_id, dry_run) VALUES ($1, $2, $3, $4)",
                number,
                kind,
                user_id,
                dry_run,
            )
            for index, (name, content) in enumerate(files):
                await connection.execute(
                    "INSERT INTO import_files (job_id, number, name, content) VALUES ($1, $2, $3, $4)",
                    number,
                    index,
                    name,
                    content,
                )
            row = await connection.fetchrow(f"SELECT {_COLUMNS} FROM import_jobs WHERE id = $1", number)  # noqa: S608
        return _job(row)

    async def get(self, number: UUID, user_id: int) -> Job | None:
        """The job, if it is this user's."""
        async with guarded(self._connector):
            row = await self._pool.fetchrow(
                f"SELECT {_COLUMNS} FROM import_jobs WHERE id = $1 AND user_id = $2",  # noqa: S608
                number,
                user_id,
            )
        return _job(row) if row is not None else None

    async def newest(self, user_id: int, limit: int = 10) -> list[Job]:
        async with guarded(self._connector):
            rows = await self._pool.fetch(
                f"SELECT {_COLUMNS} FROM import_jobs WHERE user_id = $1 ORDER BY created_at DESC LIMIT $2",  # noqa: S608
                user_id,
                limit,
            )
        return [_job(row) for row in rows]

    async def claim(self, number: UUID, runner: UUID) -> bool:
        """Become the job's runner, if nobody works on it; what an earlier one wrote of problems is dropped."""
        async with guarded(self._connector), self._pool.acquire() as connection, connection.transaction():
            claimed = await connection.fetchval(
                "UPDATE import_jobs SET runner = $2, state = 'running', seen_at = now(), started_at = now()"
                " WHERE id = $1 AND (state = 'waiting' OR state = 'running'"
                " AND seen_at < now() - make_interval(secs => $3)) RETURNING true",
                number,
                runner,
                ABANDONED_AFTER,
            )
            if claimed:
                await connection.execute("DELETE FROM import_problems WHERE job_id = $1", number)
        return bool(claimed)

    async def release(self, number: UUID, runner: UUID) -> None:
        """Let another replica go on with it."""
        async with guarded(self._connector):
            await self._pool.execute(
                "UPDATE import_jobs SET state = 'waiting', runner = NULL, seen_at = NULL WHERE id = $1 AND runner = $2"
                " AND state = 'running'",
                number,
                runner,
            )

    async def files(self, number: UUID) -> list[tuple[str, bytes]]:
        async with guarded(self._connector):
            rows = await self._pool.fetch(
                "SELECT name, content FROM import_files WHERE job_id = $1 AND content IS NOT NULL ORDER BY number",
                number,
            )
        return [(row["name"], row["content"]) for row in rows]

    async def names(self, number: UUID) -> list[str]:
        """The names of its files."""
        async with guarded(self._connector):
            rows = await self._pool.fetch("SELECT name FROM import_files WHERE job_id = $1 ORDER BY number", number)
        return [row["name"] for row in rows]

    async def progress(self, number: UUID, runner: UUID, counts: Counts) -> bool:
        """Say how far it is; False when another runner has it now."""
        return await self._set(number, runner, counts, "seen_at = now()")

    async def finish(self, number: UUID, runner: UUID, counts: Counts, message: str, *, failed: bool = False) -> bool:
        """It is over; the files' contents are dropped."""
        state = "failed" if failed else "done"
        kept = await self._set(
            number, runner, counts, "finished_at = now(), seen_at = now(), state = $9, message = $10", state, message
        )
        if kept:
            async with guarded(self._connector):
                await self._pool.execute("UPDATE import_files SET content = NULL WHERE job_id = $1", number)
        return kept

    async def _set(self, number: UUID, runner: UUID, counts: Counts, more: str, *values: str) -> bool:
        async with guarded(self._connector):
            kept = await self._pool.fetchval(
                "UPDATE import_jobs SET rows_total = $3, rows_done = $4, imported = $5, repeated = $6, unchanged = $7,"  # noqa: S608
                f" refused = $8, {more} WHERE id = $1 AND runner = $2 AND state = 'running' RETURNING true",
                number,
                runner,
                counts.total,
                counts.done,
                counts.imported,
                counts.repeated,
                counts.unchanged,
                counts.refused,
                *values,
            )
        return bool(kept)

    async def add_problems(self, number: UUID, first: int, problems: Sequence[Problem]) -> None:
        """Numbered from `first` on; a number that is there stays as it is."""
        async with guarded(self._connector), self._pool.acquire() as connection:
            await connection.executemany(
                "INSERT INTO import_problems (job_id, number, file, sheet, row, reason, holder, cells)"
                " VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING",
                [
                    (number, index, each.file, each.sheet, each.row, each.reason, each.holder, list(each.cells))
                    for index, each in enumerate(problems, first)
                ],
            )

    async def problems(self, number: UUID, limit: int) -> list[Problem]:
        """The first refused rows."""
        async with guarded(self._connector):
            rows = await self._pool.fetch(
                "SELECT file, sheet, row, reason, holder, cells FROM import_problems"
                " WHERE job_id = $1 AND reason IS NOT NULL ORDER BY number LIMIT $2",
                number,
                limit,
            )
        return [Problem(**dict(row)) for row in rows]

    async def all_problems(self, number: UUID) -> AsyncIterator[list[Problem]]:
        """Headers and refused rows, as they came, a batch at a time."""
        last = -1
        while True:
            async with guarded(self._connector):
                rows = await self._pool.fetch(
                    "SELECT number, file, sheet, row, reason, holder, cells FROM import_problems"
                    " WHERE job_id = $1 AND number > $2 ORDER BY number LIMIT $3",
                    number,
                    last,
                    _BATCH,
                )
            if not rows:
                return
            last = rows[-1]["number"]
            yield [
                Problem(row["file"], row["sheet"], row["row"], row["reason"], row["holder"], row["cells"])
                for row in rows
            ]
            await asyncio.sleep(0)

    async def areas(self) -> frozenset[str]:
        """The areas that a bag may be of."""
        async with guarded(self._connector):
            return frozenset(row["name"] for row in await self._pool.fetch("SELECT name FROM areas"))


def _job(row: Any) -> Job:
    return Job(**dict(row))
