"""Runs imports in the background of a replica, and goes on with those that another one left."""

from __future__ import annotations

import asyncio
import io
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from uuid import UUID, uuid4

from tracetrack_app.domain.imports import Counts, Fate, RowResult
from tracetrack_app.domain.outcomes import Change
from tracetrack_app.domain.scans import Actor
from tracetrack_app.ingest.imports import Importer, Upload
from tracetrack_app.ingest.sheets import Form, Sheet
from tracetrack_app.ingest.tables import TableError
from tracetrack_app.store.import_jobs import ImportJobs, Job, Problem
from tracetrack_app.store.recorder import Recording
from tracetrack_app.store.writer import UnavailableError

_log = logging.getLogger(__name__)
_AT_ONCE = 2
_TELL_EVERY = 0.5
ANY = "any"

Begin = Callable[[bool], Awaitable[Recording]]
"""Gives what records, or, for True, what only tells what would come of it."""
Ended = Callable[[Job, Counts, str], Awaitable[None]]
Tell = Callable[[UUID, Change, Counts], Awaitable[None]]
"""Has whoever watches told how far a job is; not of one that records nothing."""


class _LetGoError(Exception):
    """The job is another runner's now, or this replica is stopping."""


def summary(counts: Counts, *, dry_run: bool) -> str:
    """The outcome in a sentence."""
    rows = "row" if counts.imported == 1 else "rows"
    parts = [f"{counts.imported:,} {rows} {'would be imported' if dry_run else 'imported'}"]
    if counts.repeated:
        parts.append(f"{counts.repeated:,} had been imported before")
    if counts.unchanged:
        parts.append(f"{counts.unchanged:,} were so already")
    if counts.refused:
        parts.append(f"{counts.refused:,} refused")
    return " ".join([f"{', '.join(parts)}.", *counts.skipped])


class ImportRunner:
    """One replica's imports. `stopping` tells that it is about to end."""

    def __init__(self, jobs: ImportJobs, begin: Begin, stopping: Callable[[], bool], ended: Ended, tell: Tell) -> None:
        self._jobs = jobs
        self._tell = tell
        self._begin = begin
        self._stopping = stopping
        self._ended = ended
        self._room = asyncio.Semaphore(_AT_ONCE)
        self._tasks: dict[UUID, asyncio.Task[None]] = {}

    def start(self, job: Job) -> asyncio.Task[None]:
        """Run it, if it isn't run already; the task ends with it and never fails."""
        task = self._tasks.get(job.id)
        if task is None:
            task = self._tasks[job.id] = asyncio.create_task(self._run(job))
            task.add_done_callback(lambda _: self._tasks.pop(job.id, None))
        return task

    async def _run(self, job: Job) -> None:
        runner = uuid4()
        try:
            async with self._room:
                if await self._jobs.claim(job.id, runner):
                    await _Run(self._jobs, job, runner, self._stopping, self._tell).go(self._begin, self._ended)
        except _LetGoError:
            _log.info("import %s is left to another replica", job.id)
        except UnavailableError as error:
            _log.warning("import %s is interrupted: %s", job.id, error)
        except Exception:
            _log.exception("import %s failed", job.id)


class _Run:
    def __init__(self, jobs: ImportJobs, job: Job, runner: UUID, stopping: Callable[[], bool], tell: Tell) -> None:
        self._jobs, self._job, self._runner, self._stopping, self._tell = jobs, job, runner, stopping, tell
        self._written = 0
        self._headed: set[tuple[str, str, Form]] = set()
        self._told_at = 0.0

    async def go(self, begin: Begin, ended: Ended) -> None:
        job = self._job
        files = await self._jobs.files(job.id)
        uploads = [Upload(name, partial(io.BytesIO, content)) for name, content in files]
        del files
        recording = await begin(job.dry_run)
        importer = Importer(recording, Actor(job.user_id), job.created_at, await self._jobs.areas(), self._told)
        failed = True
        try:
            counts = await importer.run(uploads, None if job.kind == ANY else Form(job.kind))
            message, failed = summary(counts, dry_run=job.dry_run), False
        except TableError as error:
            message = str(error)
        except (UnavailableError, _LetGoError):
            raise
        except Exception:
            _log.exception("import %s failed", job.id)
            message = "Something went wrong here; send the same file again: no row counts twice."
        finally:
            await recording.close()
        if await self._jobs.finish(job.id, self._runner, importer.counts, message, failed=failed):
            await self._announce(Change.IMPORT_FAILED if failed else Change.IMPORT_FINISHED, importer.counts)
            await ended(job, importer.counts, message)

    async def _announce(self, what: Change, counts: Counts) -> None:
        if not self._job.dry_run:
            await self._tell(self._job.id, what, counts)

    async def _told(self, sheet: Sheet, results: Sequence[RowResult], counts: Counts) -> None:
        problems = [each for each in results if each.fate is Fate.REFUSED]
        if problems:
            await self._write(sheet, problems)
        if self._stopping():
            await self._jobs.release(self._job.id, self._runner)
            raise _LetGoError
        now = time.monotonic()
        if now - self._told_at > _TELL_EVERY:
            self._told_at = now
            if not await self._jobs.progress(self._job.id, self._runner, counts):
                raise _LetGoError
        await self._announce(Change.IMPORT_PROGRESS, counts)

    async def _write(self, sheet: Sheet, refused: Sequence[RowResult]) -> None:
        file, name = sheet.table.file, sheet.table.sheet
        lines = []
        if (file, name, sheet.form) not in self._headed:
            self._headed.add((file, name, sheet.form))
            lines.append(Problem(file, name, sheet.header_row, None, None, _storable(sheet.header)))
        lines += [Problem(file, name, each.row, each.reason, each.holder, _storable(each.cells)) for each in refused]
        await self._jobs.add_problems(self._job.id, self._written, lines)
        self._written += len(lines)


def _storable(cells: Sequence[str]) -> list[str]:
    return [cell.replace("\0", "") for cell in cells]
