"""Reads the cells of an Excel workbook (.xlsx) row by row, whatever its size, and survives hostile ones.

The libraries did not do for files that strangers send: python-calamine (0.9) allocates the whole rectangle of a sheet,
so that two cells far apart end the process; openpyxl (3.1) keeps a row's elements until its end, however long the row
is. This keeps one row at a time and the shared strings, each within a limit; a DTD is refused, formulas are not
evaluated (the value that Excel kept is read), links and macros are not looked at.
"""

from __future__ import annotations

import posixpath
import re
import zipfile
import zlib
from collections.abc import Iterator
from typing import IO, Any
from xml.parsers import expat

MAX_COLUMNS = 64
"""Cells further to the right are not read."""
MAX_CELL = 32_767
MAX_ROWS = 1_048_576
_MAX_CELLS_OF_ROW = 16_384
_MAX_STRINGS = 4_000_000
_MAX_SHARED = 96 << 20
_MAX_SHEET = 1 << 30
_MAX_PART = 1 << 20
_MAX_TAG = 1 << 20
_MAX_SHEETS = 200
_CHUNK = 64 << 10
_REFERENCE = re.compile(r"([A-Z]{1,3})[0-9]{1,7}")
_EXACT = 10**15

Row = tuple[int, list[str]]
"""The number of a row, from 1, and its cells as text; "" where there is none."""


class WorkbookError(ValueError):
    """The file is no workbook that can be read; the message says what to do."""


class InexactNumber(str):
    """A number with more digits than Excel keeps: the last ones are lost."""

    __slots__ = ()


class Workbook:
    """An open .xlsx file. `sheets` are the names of the visible ones, in order. Raises WorkbookError throughout."""

    def __init__(self, file: IO[bytes]) -> None:
        try:
            self._zip = zipfile.ZipFile(file)
        except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError):
            raise WorkbookError("The file is damaged: save it again as .xlsx or CSV.") from None
        self._names = set(self._zip.namelist())
        main = self._target("", "/officeDocument") or "xl/workbook.xml"
        if main not in self._names:
            raise WorkbookError("This is no Excel workbook (.xlsx): save it as .xlsx or CSV.")
        self._main = main
        self._paths = self._find_sheets()
        self._shared: list[str] | None = None

    @property
    def sheets(self) -> list[str]:
        return list(self._paths)

    def rows(self, sheet: str) -> Iterator[Row]:
        """The rows that are there, in order; an empty row may be left out."""
        if self._shared is None:
            path = self._target(self._main, "/sharedStrings")
            self._shared = self._strings(path) if path in self._names else []
        reader = _SheetReader(self._shared)
        for _ in self._parse(self._paths[sheet], reader, _MAX_SHEET):
            yield from reader.take()

    def _find_sheets(self) -> dict[str, str]:
        found: dict[str, str] = {}
        listing = _Elements("sheet")
        self._whole(self._main, listing)
        relations = self._relations(self._main)
        for attributes in listing.found[:_MAX_SHEETS]:
            name = attributes.get("name", "")
            number = next((value for key, value in attributes.items() if key.endswith(":id")), "")
            path = relations.get(number, ("", ""))[1]
            if attributes.get("state", "visible") == "visible" and path in self._names and "worksheet" in path.lower():
                found[name] = path
        return found

    def _relations(self, part: str) -> dict[str, tuple[str, str]]:
        """By id: what the related part is, and its path."""
        folder, name = posixpath.split(part)
        path = posixpath.join(folder, "_rels", f"{name}.rels")
        if path not in self._names:
            return {}
        listing = _Elements("Relationship")
        self._whole(path, listing)
        return {
            each.get("Id", ""): (
                each.get("Type", ""),
                posixpath.normpath(posixpath.join("/", folder, each.get("Target", ""))).lstrip("/"),
            )
            for each in listing.found
            if each.get("TargetMode") != "External"
        }

    def _target(self, part: str, kind: str) -> str:
        return next((path for type_, path in self._relations(part).values() if type_.endswith(kind)), "")

    def _strings(self, path: str) -> list[str]:
        reader = _StringReader()
        self._whole(path, reader, _MAX_SHARED)
        return reader.strings

    def _whole(self, path: str, reader: _Reader, limit: int = _MAX_PART) -> None:
        for _ in self._parse(path, reader, limit):
            pass

    def _parse(self, path: str, reader: _Reader, limit: int) -> Iterator[None]:
        """Feeds the part to the reader piece by piece."""
        parser = reader.parser()
        fed = 0
        try:
            with self._zip.open(path) as part:
                while piece := part.read(_CHUNK):
                    fed += len(piece)
                    if fed > limit:
                        raise WorkbookError(f"{path} is larger than {limit >> 20} MiB: split the list.")
                    parser.Parse(piece, False)
                    # What expat has not understood yet it keeps: a tag without an end would fill the memory.
                    if fed - max(parser.CurrentByteIndex, 0) > _MAX_TAG:
                        raise WorkbookError(f"{path} is damaged: save the file again as .xlsx or CSV.")
                    yield
            parser.Parse(b"", True)
            yield
        except expat.ExpatError as error:
            raise WorkbookError(f"{path} is damaged ({error}): save the file again as .xlsx or CSV.") from None
        except (
            zipfile.BadZipFile,
            zlib.error,
            EOFError,
            OSError,
            NotImplementedError,
            ValueError,
            RuntimeError,
        ) as error:
            if isinstance(error, WorkbookError):
                raise
            words = "is protected by a password" if isinstance(error, RuntimeError) else "is damaged"
            raise WorkbookError(f"The file {words}: save it again as .xlsx or CSV.") from None


def _local(name: str) -> str:
    return name.rpartition(":")[2]


def _no_dtd(*_: Any) -> None:
    raise WorkbookError("The file has a DTD, which no workbook has: save it again as .xlsx or CSV.")


class _Reader:
    """What a part is read with."""

    def parser(self) -> Any:
        parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartDoctypeDeclHandler = _no_dtd
        parser.StartElementHandler = self.start
        parser.EndElementHandler = self.end
        parser.CharacterDataHandler = self.text
        return parser

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """An element begins."""

    def end(self, name: str) -> None:
        """An element ends."""

    def text(self, data: str) -> None:
        """Text, a piece at a time."""


class _Elements(_Reader):
    """The attributes of the elements of one name."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.found: list[dict[str, str]] = []

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if _local(name) == self._name:
            self.found.append(attributes)


class _Text(_Reader):
    """Gathers the text of one string, which may be in several runs; leaves out how it is pronounced."""

    def __init__(self) -> None:
        self._gather = False
        self._pronounced = 0
        self._pieces: list[str] = []
        self._length = 0

    def _begin(self) -> None:
        self._pieces, self._length = [], 0

    def _string(self) -> str:
        return "".join(self._pieces)

    def text(self, data: str) -> None:
        if self._gather and not self._pronounced:
            self._length += len(data)
            if self._length > MAX_CELL:
                raise WorkbookError(f"A cell holds more than {MAX_CELL} characters: Excel itself allows no more.")
            self._pieces.append(data)


class _StringReader(_Text):
    def __init__(self) -> None:
        super().__init__()
        self.strings: list[str] = []

    def start(self, name: str, attributes: dict[str, str]) -> None:
        name = _local(name)
        if name == "si":
            self._begin()
        elif name == "rPh":
            self._pronounced += 1
        elif name == "t":
            self._gather = True

    def end(self, name: str) -> None:
        name = _local(name)
        if name == "t":
            self._gather = False
        elif name == "rPh":
            self._pronounced -= 1
        elif name == "si":
            if len(self.strings) >= _MAX_STRINGS:
                raise WorkbookError(f"The file has more than {_MAX_STRINGS:,} different texts: split the list.")
            self.strings.append(self._string())


class _SheetReader(_Text):
    def __init__(self, shared: list[str]) -> None:
        super().__init__()
        self._shared = shared
        self._rows: list[Row] = []
        self._number = 0
        self._cells: list[str] = []
        self._seen = 0
        self._column = -1
        self._type = ""

    def take(self) -> list[Row]:
        rows, self._rows = self._rows, []
        return rows

    def start(self, name: str, attributes: dict[str, str]) -> None:
        name = _local(name)
        if name == "c":
            self._begin()
            self._seen += 1
            if self._seen > _MAX_CELLS_OF_ROW:
                raise WorkbookError(
                    f"Row {self._number} has more than {_MAX_CELLS_OF_ROW:,} cells: Excel allows no more."
                )
            self._column = _column(attributes.get("r", ""), self._column + 1)
            self._type = attributes.get("t", "n")
        elif name in ("v", "t"):
            self._gather = True
        elif name == "row":
            self._number = _row_number(attributes.get("r"), self._number)
            self._cells, self._column, self._seen = [], -1, 0
        elif name == "rPh":
            self._pronounced += 1

    def end(self, name: str) -> None:
        name = _local(name)
        if name in ("v", "t"):
            self._gather = False
        elif name == "c":
            if self._column < MAX_COLUMNS and (value := self._value()):
                cells = self._cells
                if self._column >= len(cells):
                    cells.extend([""] * (self._column + 1 - len(cells)))
                cells[self._column] = value
        elif name == "row":
            if self._cells:
                self._rows.append((self._number, self._cells))
        elif name == "rPh":
            self._pronounced -= 1

    def _value(self) -> str:
        text = self._string()
        if self._type == "n":
            return number_text(text)
        if self._type == "s":
            index = int(text) if text.isdecimal() and len(text) < 10 else -1
            if not 0 <= index < len(self._shared):
                raise WorkbookError(f"Row {self._number} names a text that is not there: the file is damaged.")
            return self._shared[index]
        if self._type == "b":
            return "TRUE" if text == "1" else "FALSE"
        return text


def number_text(text: str) -> str:
    """A number cell as a person would read it: `10000001`, not `1.0000001E7` or `10000001.0`."""
    if text.isdecimal():
        return InexactNumber(text) if len(text) > 15 else text
    try:
        number = float(text)
    except ValueError:
        return text
    if number.is_integer() and abs(number) < 1e21:
        whole = str(int(number))
        return InexactNumber(whole) if abs(number) >= _EXACT else whole
    return repr(number)


def _column(reference: str, default: int) -> int:
    """0 for A; `default` for a cell that does not say."""
    found = _REFERENCE.fullmatch(reference)
    if found is None:
        return default
    column = 0
    for letter in found[1]:
        column = column * 26 + ord(letter) - 64
    return column - 1


def _row_number(reference: str | None, last: int) -> int:
    usable = reference is None or (reference.isdecimal() and len(reference) < 9)
    number = int(reference) if reference is not None and usable else last + 1
    if not usable or not last < number <= MAX_ROWS:
        raise WorkbookError(f"Row {(reference or str(number))[:20]} is out of its place: the file is damaged.")
    return number
