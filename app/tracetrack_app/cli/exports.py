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
from tracetrack_app.store.database import Connector
from tracetrack_app.store.exports import Export, Range, Reader
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
    out = writer("excel" if excel else "csv")

    async def work(_: Any, source: Connector) -> int:
        try:
            reader = await Reader.open(source, what, settings.timezone, Range(arguments.first, arguments.last))
        except UnavailableError as error:
            raise CommandError(str(error)) from None
        pool = await source.pool(1)
        try:
            details = {"table": what.value, "format": out.suffix}
            await Audit(pool, settings.secrets).record("export", _WHO, "export", what.value, details=details)
            rows = 0
            out.begin(what.value.replace("-", " ").capitalize(), reader.header)
            async for batch in reader.batches():
                out.rows(batch)
                file.write(out.take())
                rows += len(batch)
                progress.advance(len(batch))
            out.end()
            file.write(out.take())
            return rows
        finally:
            reader.close()
            pool.terminate()

    with ExitStack() as stack:
        # What is not whole does not get the name.
        partial = path.with_name(f".{path.name}.part") if path is not None else None
        try:
            file: BinaryIO = stack.enter_context(partial.open("wb")) if partial is not None else sys.stdout.buffer
        except OSError as error:
            raise CommandError(f"{path}: {error.strerror}") from None
        progress = stack.enter_context(Progress("export", None))
        try:
            rows = database.run(work)
        except BaseException:
            if partial is not None:
                partial.unlink(missing_ok=True)
            raise
        file.flush()
    if path is not None and partial is not None:
        partial.replace(path)
        print(f"{rows:,} rows in {path}")
    return FINE


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no date: give one as 2026-01-31") from None
