"""Opens a file of rows, CSV or Excel, whichever it is, and gives its tables (the sheets of a workbook)."""

from __future__ import annotations

import codecs
import csv
import io
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import IO

from tracetrack_app.ingest.xlsx import MAX_COLUMNS, MAX_ROWS, Row, Workbook, WorkbookError

_DELIMITERS = ",;\t"
_PIECE = 256 << 10
_OLD_OFFICE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


class TableError(ValueError):
    """A file or a sheet cannot be read; the message names it, what is wrong and what to do."""


@dataclass(frozen=True, slots=True)
class Table:
    """One sheet, or a whole CSV file (then `sheet` is ""). `rows` may be called again."""

    file: str
    sheet: str
    rows: Callable[[], Iterator[Row]]

    @property
    def where(self) -> str:
        """The file and the sheet, in words."""
        return f"{self.file}, sheet {self.sheet}" if self.sheet else self.file


def open_tables(name: str, file: IO[bytes]) -> list[Table]:
    """The tables of a file named `name`. It must stay open while they are read. Raises TableError."""
    file.seek(0)
    head = file.read(8)
    if not head:
        raise TableError(f"{name} is empty.")
    if head == _OLD_OFFICE:
        raise TableError(f"{name} is an old Excel file (.xls) or is protected by a password: save it as .xlsx or CSV.")
    if head.startswith(b"PK"):
        return _workbook(name, file)
    if b"\0" in head + file.read(4096) and not head.startswith(tuple(bom for bom, _ in _BOMS[1:])):
        raise TableError(f"{name} is neither CSV nor Excel: save it as .xlsx or CSV.")
    encoding = _encoding(file)
    return [Table(name, "", lambda: _csv(name, file, encoding))]


def _workbook(name: str, file: IO[bytes]) -> list[Table]:
    try:
        book = Workbook(file)
    except WorkbookError as error:
        raise TableError(f"{name}: {error}") from None

    def reader(sheet: str) -> Callable[[], Iterator[Row]]:
        def rows() -> Iterator[Row]:
            try:
                yield from book.rows(sheet)
            except WorkbookError as error:
                raise TableError(f"{name}, sheet {sheet}: {error}") from None

        return rows

    if not book.sheets:
        raise TableError(f"{name} has no visible sheet.")
    return [Table(name, sheet, reader(sheet)) for sheet in book.sheets]


def _encoding(file: IO[bytes]) -> str:
    """By the byte order mark; UTF-8 where all of the file is that; else what Windows writes."""
    file.seek(0)
    head = file.read(4)
    for bom, name in _BOMS:
        if head.startswith(bom):
            return name
    file.seek(0)
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        while piece := file.read(_PIECE):
            decoder.decode(piece)
        decoder.decode(b"", True)
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


def _csv(name: str, file: IO[bytes], encoding: str) -> Iterator[Row]:
    file.seek(0)
    text = io.TextIOWrapper(file, encoding, errors="replace", newline="")
    number = 0
    try:
        head = "".join(islice(_lines(text), 20))
        delimiter, hint = _delimiter(head)
        file.seek(0)
        text.seek(0)
        for number, cells in enumerate(csv.reader(_lines(text), delimiter=delimiter), 1):
            if number > MAX_ROWS:
                raise TableError(f"{name} has more than {MAX_ROWS:,} rows: split the list.")
            if any(cells) and not (hint and number == 1):
                yield number, cells[:MAX_COLUMNS]
    except csv.Error as error:
        raise TableError(f"{name}, row {number + 1}: {error}; is a quotation mark missing?") from None
    finally:
        # The file belongs to the caller: closing the wrapper would close it.
        with suppress(ValueError):
            text.detach()


def _lines(text: io.TextIOWrapper) -> Iterator[str]:
    """Lines, a very long one in pieces, so that none fills the memory."""
    while line := text.readline(1 << 20):
        yield line


def _delimiter(head: str) -> tuple[str, bool]:
    """What separates the cells, and whether the first line only says so (`sep=;`, as Excel writes it)."""
    first = head.split("\n", 1)[0].strip().lower()
    if first.startswith("sep=") and len(first) <= 5:
        return (first[4:] if first[4:] in _DELIMITERS and first[4:] else "\t" if "\t" in head else ","), True
    best = max(_DELIMITERS, key=lambda each: _evenness(head, each))
    return best, False


def _evenness(head: str, delimiter: str) -> tuple[int, int]:
    """How many rows have as many cells as most have that have several, and how many that is."""
    widths: Counter[int] = Counter()
    with suppress(csv.Error):
        widths.update(len(cells) for cells in csv.reader(head.splitlines(keepends=True), delimiter=delimiter))
    return max(((rows, width) for width, rows in widths.items() if width > 1), default=(0, 0))
