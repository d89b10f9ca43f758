"""`tracetrack import`."""

from __future__ import annotations

import argparse
import csv
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Self
from uuid import uuid4

from tracetrack_app.cli import database
from tracetrack_app.cli.output import FAULTS, FINE, CommandError, Progress, add_output, duration, print_json
from tracetrack_app.domain.imports import Counts, Fate, RowResult
from tracetrack_app.domain.outcomes import Change
from tracetrack_app.domain.people import Role
from tracetrack_app.domain.scans import Actor
from tracetrack_app.ingest.errorfile import ErrorFile
from tracetrack_app.ingest.import_runner import ANY, summary
from tracetrack_app.ingest.imports import Importer, Upload
from tracetrack_app.ingest.rehearsal import Rehearsal
from tracetrack_app.ingest.sheets import Form, Sheet
from tracetrack_app.ingest.sheetwriter import writer
from tracetrack_app.ingest.tables import TableError
from tracetrack_app.settings import Settings, SettingsError
from tracetrack_app.store.audit import Audit, Who, acting
from tracetrack_app.store.coherence import Coherence
from tracetrack_app.store.database import Connector
from tracetrack_app.store.feed import Feed
from tracetrack_app.store.ledger import Ledger
from tracetrack_app.store.recorder import Recorder, Recording
from tracetrack_app.store.writer import UnavailableError

SHOWN, SHOWN_JSON = 20, 100


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Import lists, CSV or Excel (.xlsx), row by row by the rules of scans.\n\n"
        "Columns may be in any order and have any of their usual names. Parents and bills that a list names are made\n"
        "when they are new. The same file again counts nothing twice, so an interrupted import is simply run again."
    )
    parser.epilog = (
        "kinds:\n"
        "  bags          a bag (QR, Label), its type, name, area\n"
        "  bills         a bill, its destination, vehicle, capacity, description\n"
        "  child-parent  a child and its parent (Parent Bag, SB No)\n"
        "  parent-bill   a parent and its bill\n"
        "  any           each sheet by its columns"
    )
    parser.add_argument("kind", choices=[*(form.value for form in Form), ANY], metavar="KIND")
    parser.add_argument("file", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--user", metavar="NAME", help="the admin who imports (default: the first admin)")
    parser.add_argument("--errors", type=Path, metavar="FILE", help="write the refused rows to this .csv or .xlsx file")
    parser.add_argument("--results", type=Path, metavar="FILE", help="write what came of every row to this .csv file")
    parser.add_argument("--dry-run", action="store_true", help="tell what would come of it; record nothing")
    add_output(parser)


def run(arguments: argparse.Namespace) -> int:
    try:
        settings = Settings.load(os.environ)
    except SettingsError as error:
        raise CommandError(f"{error}; an import needs the settings of the app") from None
    for path in arguments.file:
        if not path.is_file():
            raise CommandError(f"{path}: there is no such file")
    if len({path.name for path in arguments.file}) < len(arguments.file):
        raise CommandError("two files have the same name: the errors could not be told apart")
    began = time.monotonic()
    with _Report(arguments.errors, arguments.results, arguments.file) as report:
        try:
            counts, username = database.run(_work(arguments, settings, report))
        except TableError as error:
            raise CommandError(f"{error} Nothing was imported.", FAULTS) from None
        except UnavailableError as error:
            raise CommandError(str(error)) from None
    seconds = time.monotonic() - began
    if arguments.output == "json":
        print_json(_document(counts, report, username, seconds, dry_run=arguments.dry_run))
    else:
        _print(arguments, counts, report, username, seconds)
    return FAULTS if counts.refused or counts.skipped else FINE


def _print(arguments: argparse.Namespace, counts: Counts, report: _Report, username: str, seconds: float) -> None:
    for line in report.first[:SHOWN]:
        print(f"{line['where']}, row {line['row']}: {line['reason']}")
    if counts.refused > SHOWN:
        more = f": see {arguments.errors}" if arguments.errors else "; --errors FILE writes them all to a file"
        print(f"… and {counts.refused - SHOWN:,} more{more}")
    print(summary(counts, dry_run=arguments.dry_run))
    rate = f"{counts.done / seconds:,.0f}/s" if seconds else ""
    print(f"{counts.done:,} rows in {duration(seconds)} ({rate}), as {username}")


def _work(
    arguments: argparse.Namespace, settings: Settings, report: _Report
) -> Callable[[Any, Connector], Awaitable[tuple[Counts, str]]]:
    form = None if arguments.kind == ANY else Form(arguments.kind)

    async def work(connection: Any, source: Connector) -> tuple[Counts, str]:
        user_id, username = await _admin(connection, arguments.user)
        pool = await source.pool(4)
        audit = Audit(pool, settings.secrets)
        acting.set(lambda: Who(user_id, username))
        coherence = Coherence(source, settings.bindings.cache)
        coherence.start()
        recording: Recording
        if arguments.dry_run:
            recording = Rehearsal(await source.connect(), settings.parent_capacity)
        else:
            ledger = Ledger(source, pool, settings.timezone, coherence.changed, audit)
            recording = Recorder(source, ledger, capacity=settings.parent_capacity, changed=coherence.changed)
        areas = frozenset(row["name"] for row in await connection.fetch("SELECT name FROM areas"))
        start = await connection.fetchval("SELECT now()")
        feed, number = Feed(coherence), uuid4()

        async def announce(what: Change, counts: Counts) -> None:
            if not arguments.dry_run:
                await feed.imported(number, what, counts)

        async def told(sheet: Sheet, results: Sequence[RowResult], counts: Counts) -> None:
            await report.told(sheet, results, counts)
            await announce(Change.IMPORT_PROGRESS, counts)

        importer = Importer(recording, Actor(user_id), start, areas, told)
        uploads = [Upload(path.name, partial(path.open, "rb")) for path in arguments.file]
        try:
            counts = await importer.run(uploads, form)
            await announce(Change.IMPORT_FINISHED, counts)
        except BaseException:
            if importer.counts.done:
                await announce(Change.IMPORT_FAILED, importer.counts)
            raise
        finally:
            if importer.counts.done and not arguments.dry_run:
                details = {"kind": arguments.kind, "result": summary(importer.counts, dry_run=False)}
                await audit.record("import", Who(user_id, username), "import", details=details)
            await recording.close()
            await coherence.stop()
            pool.terminate()
        return counts, username

    return work


def _document(counts: Counts, report: _Report, username: str, seconds: float, *, dry_run: bool) -> dict[str, Any]:
    return {
        "dry_run": dry_run,
        "user": username,
        "seconds": round(seconds, 3),
        "total": counts.total,
        "imported": counts.imported,
        "repeated": counts.repeated,
        "unchanged": counts.unchanged,
        "refused": counts.refused,
        "skipped": counts.skipped,
        "rows": report.first,
    }


async def _admin(connection: Any, name: str | None) -> tuple[int, str]:
    row = await connection.fetchrow(
        "SELECT id, username FROM users WHERE role = $1 AND ($2::text IS NULL OR lower(username) = lower($2))"
        " ORDER BY id LIMIT 1",
        Role.ADMIN.value,
        name,
    )
    if row is None:
        who = f"--user {name}: there is no such admin" if name else "there is no admin"
        raise CommandError(f"{who}; `tracetrack create-admin` makes one")
    return row["id"], row["username"]


class _Report:
    """What is told of the rows: progress, the first refused ones, files of errors and of results."""

    def __init__(self, errors: Path | None, results: Path | None, files: Sequence[Path]) -> None:
        excel = any(path.suffix.lower() in (".xlsx", ".xlsm") for path in files)
        if errors is not None and errors.suffix.lower() not in (".csv", ".xlsx"):
            raise CommandError(f"--errors {errors}: name a .csv or an .xlsx file")
        if errors is not None and errors.suffix.lower() == ".csv" and (excel or len(files) > 1):
            raise CommandError(f"--errors {errors}: name an .xlsx file, there may be several sheets")
        self._errors_path, self._results_path = errors, results
        self._several = len(files) > 1
        self._stack = ExitStack()
        self._progress: Progress | None = None
        self._headed: set[tuple[str, str, Form]] = set()
        self._errors: ErrorFile | None = None
        self._errors_file: BinaryIO | None = None
        self._results: Any = None
        self.first: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        if self._results_path is not None:
            try:
                file = self._stack.enter_context(self._results_path.open("w", encoding="utf-8-sig", newline=""))
            except OSError as error:
                raise CommandError(f"--results {self._results_path}: {error.strerror}") from None
            self._results = csv.writer(file)
            self._results.writerow(["file", "sheet", "row", "outcome", "reason", "holder"])
        return self

    def __exit__(self, *error: object) -> None:
        if self._errors is not None and self._errors_file is not None:
            self._errors.writer.end()
            self._errors_file.write(self._errors.writer.take())
        self._stack.close()

    async def told(self, sheet: Sheet, results: Sequence[RowResult], counts: Counts) -> None:
        if self._progress is None:
            self._progress = self._stack.enter_context(Progress("import", counts.total))
        self._progress.advance(len(results), f"{counts.refused:,} refused" if counts.refused else None)
        table = sheet.table
        if self._results is not None:
            self._results.writerows(
                [table.file, table.sheet, each.row, each.fate.value, each.reason, each.holder or ""] for each in results
            )
        refused = [each for each in results if each.fate is Fate.REFUSED]
        for each in refused[: SHOWN_JSON - len(self.first)]:
            self.first.append(
                {
                    "where": table.where,
                    "file": table.file,
                    "sheet": table.sheet,
                    "row": each.row,
                    "reason": each.reason,
                    "holder": each.holder,
                }
            )
        if refused and self._errors_path is not None:
            self._write(sheet, refused)

    def _write(self, sheet: Sheet, refused: Sequence[RowResult]) -> None:
        if self._errors is None or self._errors_file is None:
            path = self._errors_path
            assert path is not None  # noqa: S101
            self._errors_file = self._stack.enter_context(path.open("wb"))
            form = "csv" if path.suffix.lower() == ".csv" else "excel"
            self._errors = ErrorFile(writer(form), several_files=self._several)
        key = (sheet.table.file, sheet.table.sheet, sheet.form)
        if key not in self._headed:
            self._headed.add(key)
            self._errors.begin(sheet.table.file, sheet.table.sheet, sheet.header)
        self._errors.rows((each.cells, each.reason) for each in refused)
        self._errors_file.write(self._errors.writer.take())
