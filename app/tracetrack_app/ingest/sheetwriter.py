"""Writes tables as CSV or Excel piece by piece, so that the first rows leave before the last ones are read.

An .xlsx is written here because the libraries keep all of it, or write it to a file, before the first byte can go out.
Texts are never formulas: in Excel they are stored as texts; in CSV what would be taken for one gets an apostrophe.
"""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import IO, Any, Protocol, cast
from xml.sax.saxutils import escape, quoteattr

MAX_SHEET_ROWS = 1_000_000
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
# What XML has no way to write.
_UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_NOT_IN_A_NAME = re.compile(r"[\[\]:*?/\\\x00-\x1f]")
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'

Cell = str | int | float | Decimal | date | datetime | None


class TableWriter(Protocol):
    """Takes rows and gives bytes. `suffix` is that of a file's name."""

    media_type: str
    suffix: str

    def begin(self, name: str, header: Sequence[str]) -> None:
        """A new sheet; in CSV, which has none, another header."""

    def rows(self, rows: Iterable[Sequence[Cell]]) -> None:
        """More rows of the sheet."""

    def end(self) -> None:
        """No more comes."""

    def take(self) -> bytes:
        """What is ready to be sent."""


class CsvWriter:
    """UTF-8 with a byte order mark, by which Excel knows it."""

    media_type = "text/csv; charset=utf-8"
    suffix = "csv"

    def __init__(self) -> None:
        self._text = io.StringIO(newline="")
        self._text.write("\ufeff")
        self._csv = csv.writer(self._text, lineterminator="\r\n")

    def begin(self, name: str, header: Sequence[str]) -> None:
        self.rows([header])

    def rows(self, rows: Iterable[Sequence[Cell]]) -> None:
        self._csv.writerows([_guarded(cell) for cell in row] for row in rows)

    def end(self) -> None:
        pass

    def take(self) -> bytes:
        data = self._text.getvalue().encode("utf-8", "replace")
        self._text.seek(0)
        self._text.truncate()
        return data


def _guarded(cell: Cell) -> Any:
    if isinstance(cell, str):
        return f"'{cell}" if cell.startswith(_FORMULA) else cell
    return cell.isoformat() if isinstance(cell, date | datetime) else cell


class _Pipe:
    """A file that can only be written to, for zipfile, and be emptied."""

    def __init__(self) -> None:
        self.data = bytearray()

    def write(self, data: Any) -> int:
        self.data += data
        return len(data)

    def flush(self) -> None:
        pass


class XlsxWriter:
    """A workbook; a sheet that is full goes on in another one of the same header."""

    media_type = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    suffix = "xlsx"

    def __init__(self) -> None:
        self._pipe = _Pipe()
        self._zip = zipfile.ZipFile(cast(IO[bytes], self._pipe), "w", zipfile.ZIP_DEFLATED, compresslevel=4)
        self._names: list[str] = []
        self._part: Any = None
        self._name, self._header, self._row = "", [""], 0

    def begin(self, name: str, header: Sequence[str]) -> None:
        self._end_sheet()
        self._name, self._header, self._row = name, list(header), 0
        self._names.append(self._unused(name))
        self._part = self._zip.open(f"xl/worksheets/sheet{len(self._names)}.xml", "w")
        self._part.write(f'{_XML}<worksheet xmlns="{_MAIN}"><sheetData>'.encode())
        self._write([header])

    def rows(self, rows: Iterable[Sequence[Cell]]) -> None:
        waiting = list(rows)
        while waiting:
            room = MAX_SHEET_ROWS - self._row
            if room <= 0:
                self.begin(self._name, self._header)
                continue
            self._write(waiting[:room])
            waiting = waiting[room:]

    def _write(self, rows: Sequence[Sequence[Cell]]) -> None:
        pieces = []
        for row in rows:
            self._row += 1
            pieces.append(f'<row r="{self._row}">')
            pieces += [_cell(value) for value in row]
            pieces.append("</row>")
        self._part.write("".join(pieces).encode("utf-8"))

    def _unused(self, name: str) -> str:
        base = _NOT_IN_A_NAME.sub(" ", name).strip("' ")[:31] or "Sheet"
        known = {each.lower() for each in self._names}
        found, number = base, 1
        while found.lower() in known:
            number += 1
            tail = f" {number}"
            found = base[: 31 - len(tail)] + tail
        return found

    def _end_sheet(self) -> None:
        if self._part is not None:
            self._part.write(b"</sheetData></worksheet>")
            self._part.close()
            self._part = None

    def end(self) -> None:
        self._end_sheet()
        numbers = range(1, len(self._names) + 1)
        sheets = "".join(
            f'<sheet name={quoteattr(name)} sheetId="{number}" r:id="rId{number}"/>'
            for number, name in zip(numbers, self._names, strict=True)
        )
        parts = "".join(
            f'<Override PartName="/xl/worksheets/sheet{number}.xml" ContentType='
            '"application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/>'
            for number in numbers
        )
        targets = "".join(
            f'<Relationship Id="rId{number}" Type="{_RELATIONS}/worksheet" Target="worksheets/sheet{number}.xml"/>'
            for number in numbers
        )
        for path, content in (
            (
                "xl/workbook.xml",
                f'<workbook xmlns="{_MAIN}" xmlns:r="{_RELATIONS}"><sheets>{sheets}</sheets></workbook>',
            ),
            (
                "xl/_rels/workbook.xml.rels",
                f'<Relationships xmlns="{_PACKAGE}/relationships">{targets}</Relationships>',
            ),
            (
                "_rels/.rels",
                f'<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="rId1"'
                f' Type="{_RELATIONS}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
            ),
            (
                "[Content_Types].xml",
                f'<Types xmlns="{_PACKAGE}/content-types"><Default Extension="rels" ContentType='
                '"application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType='
                '"application/xml"/><Override PartName="/xl/workbook.xml" ContentType='
                f'"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/>{parts}</Types>',
            ),
        ):
            self._zip.writestr(path, _XML + content)
        self._zip.close()

    def __del__(self) -> None:
        # One that was given up half-way is not to be finished by zipfile, which would complain.
        self._zip.fp = None

    def take(self) -> bytes:
        data = bytes(self._pipe.data)
        self._pipe.data.clear()
        return data


def _cell(value: Cell) -> str:
    if value is None or value == "":
        return "<c/>"
    if isinstance(value, bool):
        return f'<c t="b"><v>{int(value)}</v></c>'
    if isinstance(value, int | float | Decimal):
        return f"<c><v>{value}</v></c>"
    text = value.isoformat() if isinstance(value, date | datetime) else _UNWRITABLE.sub("", value[:32_767])
    return f'<c t="inlineStr"><is><t xml:space="preserve">{escape(text)}</t></is></c>'


def writer(form: str) -> TableWriter:
    """`csv`, or `excel`."""
    return CsvWriter() if form == "csv" else XlsxWriter()
