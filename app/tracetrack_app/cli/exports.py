"""`tracetrack export`."""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from typing import Any, BinaryIO

from tracetrack_app.cli import database
from tracetrack_app.cli.output import FINE, CommandError, Progress
from tracetrack_app.ingest.sheetwriter import writer
from tracetrack_app.settings import Settings, SettingsError
from tracetrack_app.store.audit import Audit, Who
from tracetrack_app.store.database import FAILED, Connector
from tracetrack_app.store.exports import Export, Range, Reader
from tracetrack_app.store.standby import AuditedStandby, connector_of
from tracetrack_app.store.writer import UnavailableError

_WHO = Who(username="tracetrack export")


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Write a whole table as CSV or Excel, as it is at one moment.\n\n"
        "Bags, bills, child-parent and parent-bill can be imported again."
    )
    parser.add_argument("kind", choices=[each.value for each in Export], metavar="KIND",
                        help=", ".join(Export))  # fmt: skip
    parser.add_argument(
        "file", nargs="?", type=Path, metavar="FILE", help="a .csv or .xlsx file (default: CSV to stdout)"
    )
    parser.add_argument("--format", choices=("csv", "excel"), help="where the name of the file does not say")
    parser.add_argument("--from", dest="first", type=_day, metavar="DATE", help="of the activity: the first day")
    parser.add_argument("--to", dest="last", type=_day, metavar="DATE", help="of the activity: the last day")


def run(arguments: argparse.Namespace) -> int:
    path: Path | None = arguments.file
    try:
        settings = Settings.load(os.environ)
    except SettingsError as error:
        raise CommandError(f"{error}; an export needs the settings of the app") from None
    if path is None and sys.stdout.isatty() and arguments.format == "excel":
        raise CommandError("name a file: an Excel file is not for a terminal")
    excel = arguments.format == "excel" or (arguments.format is None and path is not None and path.suffix == ".xlsx")
    what = Export(arguments.kind)

    with ExitStack() as stack:
        # What is not whole does not get the name.
        partial = path.with_name(f".{path.name}.part") if path is not None else None
        try:
            file: BinaryIO = stack.enter_context(partial.open("wb")) if partial is not None else sys.stdout.buffer
        except OSError as error:
            raise CommandError(f"{path}: {error.strerror}") from None
        progress = stack.enter_context(Progress("export", None))
        try:
            export = _Export(settings, what, Range(arguments.first, arguments.last), excel, file, progress)
            rows = database.run(export.run if path is not None else export.run_once)
        except BaseException:
            if partial is not None:
                partial.unlink(missing_ok=True)
            raise
        file.flush()
    if path is not None and partial is not None:
        partial.replace(path)
        print(f"{rows:,} rows in {path}")
    return FINE


class _Export:
    """One export into `file`."""

    def __init__(
        self, settings: Settings, what: Export, within: Range, excel: bool, file: BinaryIO, progress: Progress
    ) -> None:
        self._settings = settings
        self._what = what
        self._within = within
        self._form = "excel" if excel else "csv"
        self._file = file
        self._progress = progress

    async def run(self, _: Any, source: Connector) -> int:
        """The number of rows. What the read replica breaks off is begun anew on the primary."""
        standby = await self._audited(source)
        try:
            return await self._write(source, standby)
        except FAILED:
            if standby is None or standby.problem is None:
                raise
            self._file.seek(0)
            self._file.truncate()
            return await self._write(source, None)
        finally:
            self._tell(standby)

    async def run_once(self, _: Any, source: Connector) -> int:
        """As `run`, where what was written cannot be taken back. Raises CommandError when it breaks off."""
        standby = await self._audited(source)
        try:
            rows = await self._write(source, standby)
        except FAILED:
            if standby is None or standby.problem is None:
                raise
            words = f"{standby.problem}; what was written is not whole: run it again, with a file's name"
            raise CommandError(f"read from the read replica, {words}") from None
        self._tell(standby)
        return rows

    def _tell(self, standby: AuditedStandby | None) -> None:
        if standby is not None and standby.problem is not None:
            self._progress.say(f"tracetrack export: not from the read replica: {standby.problem}")

    async def _audited(self, source: Connector) -> AuditedStandby | None:
        """Enters the export in the audit log. The read replica, if one is set: good once it shows that row."""
        settings, details = self._settings, {"table": self._what.value, "format": writer(self._form).suffix}
        pool = await source.pool(1)
        try:
            audit = Audit(pool, settings.secrets)
            seq = await audit.record("export", _WHO, "export", self._what.value, details=details)
            if settings.bindings.database_replica() is None:
                return None
            found = await pool.fetchval("SELECT hash FROM audit_log WHERE seq = $1", seq)
        finally:
            pool.terminate()
        replica = connector_of(settings.bindings.database_replica, "tracetrack")
        return AuditedStandby(replica, seq, found, settings.replica_max_lag)

    async def _write(self, source: Connector, standby: AuditedStandby | None) -> int:
        try:
            reader = await Reader.open(source, self._what, self._settings.timezone, self._within, standby)
        except UnavailableError as error:
            raise CommandError(str(error)) from None
        rows, out = 0, writer(self._form)
        try:
            out.begin(self._what.value.replace("-", " ").capitalize(), reader.header)
            async for batch in reader.batches():
                out.rows(batch)
                self._file.write(out.take())
                rows += len(batch)
                self._progress.advance(len(batch))
            out.end()
            self._file.write(out.take())
            return rows
        finally:
            reader.close()


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no date: give one as 2026-01-31") from None
