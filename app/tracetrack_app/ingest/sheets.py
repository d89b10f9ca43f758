"""Packing lists in the forms that people keep them in: which columns a sheet has, and what its rows say.

Columns come in any order, under any of their usual names, below any title; their cells as Excel leaves them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import islice

from tracetrack_app.domain.codes import clean_text
from tracetrack_app.ingest.tables import Table, TableError
from tracetrack_app.ingest.xlsx import InexactNumber, Row

HEADER_WITHIN = 25
MAX_TEXT = 500
_CODES = ("parent", "child", "code")


class UnrecognisedError(TableError):
    """No row of the sheet names the columns that are needed."""


class Form(StrEnum):
    """What a list is of."""

    BAGS = "bags"
    BILLS = "bills"
    CHILD_PARENT = "child-parent"
    PARENT_BILL = "parent-bill"


_REQUIRED = {
    Form.BAGS: ("code",),
    Form.BILLS: ("bill",),
    Form.CHILD_PARENT: ("parent", "child"),
    Form.PARENT_BILL: ("parent", "bill"),
}
_OPTIONAL = {
    Form.BAGS: ("type", "name", "area"),
    Form.BILLS: ("destination", "vehicle", "capacity", "description"),
    Form.CHILD_PARENT: (),
    Form.PARENT_BILL: ("destination", "vehicle", "capacity", "description"),
}
# The names of a column, the surest first: a sheet may have a "QR" beside its "Child".
_NAMES = {
    (Form.BAGS, "code"): ("code", "label", "child", "sb", "parent"),
    (Form.CHILD_PARENT, "child"): ("child", "label", "code"),
    (Form.CHILD_PARENT, "parent"): ("parent", "sb"),
    (Form.PARENT_BILL, "parent"): ("parent", "sb", "code"),
}
_SAYS = {
    "code": "Bag (also: QR, QR Code, Label, Code)",
    "parent": "Parent (also: Parent Bag, Parent QR, SB No)",
    "child": "Child (also: Child Bag, Label, QR)",
    "bill": "Bill (also: Bill ID, Bill No, Challan, Invoice)",
}
_WHOLE = {
    "capacity": ("capacity", "bags", "maxbags", "totalbags", "noofbags", "bagcount", "parentbags", "parentbagcount"),
    "destination": ("destination", "dest", "to", "city", "place", "deliverto", "shipto", "consignee"),
    "vehicle": ("vehicle", "truck", "lorry"),
    "description": ("description", "remarks", "remark", "notes", "note"),
    "bill": ("bill", "challan", "invoice"),
    "parent": ("parent", "master", "parentsb", "sbparent", "parentlabel"),
    "sb": ("sb", "m444", "sbm444"),
    "child": ("child", "children", "childlabel"),
    "label": ("label",),
    "type": ("type", "kind"),
    "name": ("name",),
    "area": ("area", "dispatcharea"),
    "reason": ("reason",),
}
_COLUMN_OF = {name: column for column, names in _WHOLE.items() for name in names}
_CODE = re.compile(r"(?:bag|bags)?(?:qr|bar)?(?:code|id|no|number|text)?")
_NOISE = re.compile(r"(?:(?:bags?|qr|code|barcode|id|no|number|num|nos)*)$")
_FLOAT = re.compile(r"([0-9]+)\.0+")
_SCIENTIFIC = re.compile(r"([0-9])(?:[.,]([0-9]+))?[Ee]\+0*([0-9]{1,2})")


@dataclass(frozen=True, slots=True)
class Line:
    """One row. `values` are its cells by column, tidied; `problem` says why it cannot be used, if so."""

    number: int
    cells: Sequence[str]
    values: dict[str, str]
    problem: str = ""


@dataclass(slots=True)
class Sheet:
    """A table read as a list of one form. `rows` and `by_bill` (parents of each bill) are known after `count`."""

    table: Table
    form: Form
    header_row: int
    header: list[str]
    columns: dict[str, int]
    numbers_are_sb: bool = False
    rows: int = 0
    by_bill: Counter[str] = field(default_factory=Counter)

    def lines(self) -> Iterator[Line]:
        """Its rows below the header, but for a repeated header. Raises TableError."""
        for number, cells in self.table.rows():
            if number > self.header_row and cells != self.header:
                yield self._line(number, cells)

    def count(self) -> None:
        """Read it once through: what is damaged is found before anything is recorded. Raises TableError."""
        self.rows = 0
        for line in self.lines():
            self.rows += 1
            if self.form is Form.PARENT_BILL:
                self.by_bill[line.values["bill"].upper()] += 1

    def _line(self, number: int, cells: list[str]) -> Line:
        values, problem = {}, ""
        for column, index in self.columns.items():
            raw = cells[index] if index < len(cells) else ""
            try:
                values[column] = _code(raw) if column in _CODES else _text(raw)
            except ValueError as error:
                values[column] = _text(raw)
                problem = problem or f"{self.title(column)}: {error}"
        if self.numbers_are_sb and (digits := values["parent"]).isdecimal() and len(digits) <= 5:
            values["parent"] = f"SB{digits:0>5}"
        for column in _REQUIRED[self.form]:
            if not values[column] and not problem:
                problem = f"{self.title(column)} is empty."
        return Line(number, cells, values, problem)

    def title(self, column: str) -> str:
        """The column as the sheet names it."""
        return _text(self.header[self.columns[column]])


def read(table: Table, form: Form | None = None) -> list[Sheet]:
    """The table as lists of the form, or, without one, of those that its columns allow; empty for an empty table.

    A list that names a parent, its child and its bill in each row is two. Raises TableError, and
    UnrecognisedError when no row is a header.
    """
    first: Row | None = None
    for number, cells in islice(table.rows(), HEADER_WITHIN):
        first = first or (number, cells)
        if sheets := _recognise(table, number, cells, form):
            return sheets
    if first is None:
        return []
    raise UnrecognisedError(_unrecognised(table, first, form))


def _unrecognised(table: Table, first: Row, form: Form | None) -> str:
    if form is None:
        expected = "the columns of a list of bags, of bills, of children and parents, or of parents and bills"
    else:
        expected = " and ".join(_SAYS[column] for column in _REQUIRED[form])
    found = ", ".join(f"“{_text(cell)[:40]}”" for cell in first[1][:8] if cell.strip()) or "nothing"
    return (
        f"{table.where}: none of its first {HEADER_WITHIN} rows names the columns: expected {expected}; "
        f"row {first[0]} has {found}."
    )


def _recognise(table: Table, number: int, cells: list[str], form: Form | None) -> list[Sheet]:
    found: dict[str, int] = {}
    for index, cell in enumerate(cells):
        found.setdefault(column_of(cell), index)
    found.pop("", None)
    forms = [form] if form is not None else _forms(found)
    sheets = []
    for each in forms:
        columns: dict[str, int] = {}
        for column in (*_REQUIRED[each], *_OPTIONAL[each]):
            name = next((name for name in _NAMES.get((each, column), (column,)) if name in found), None)
            if name is not None and found[name] not in columns.values():
                columns[column] = found[name]
        if all(column in columns for column in _REQUIRED[each]):
            sb = columns.get("parent") == found.get("sb", -1)
            sheets.append(Sheet(table, each, number, cells, columns, sb))
    return sheets


def _forms(found: dict[str, int]) -> list[Form]:
    if "type" in found:
        return [Form.BAGS]
    parent, bill = bool(found.keys() & {"parent", "sb"}), "bill" in found
    child = bool(found.keys() & {"child", "label"})
    if parent and (child or "code" in found):
        return [Form.CHILD_PARENT, Form.PARENT_BILL] if bill else [Form.CHILD_PARENT]
    if bill:
        return [Form.PARENT_BILL] if parent or "code" in found else [Form.BILLS]
    return [Form.BAGS]


def column_of(cell: str) -> str:
    """Which column a header cell names: `parent` for “Parent Bag QR”; "" for none that is known."""
    words = re.sub(r"[^a-z0-9]", "", clean_text(cell, 100).lower())
    if words in _COLUMN_OF:
        return _COLUMN_OF[words]
    if words and words not in ("id", "no", "number", "text") and _CODE.fullmatch(words):
        return "code"
    bare = _NOISE.sub("", words)
    return _COLUMN_OF.get(bare) or _COLUMN_OF.get(bare.removeprefix("bag").removeprefix("qr"), "")


def _text(raw: str) -> str:
    # An apostrophe before what a spreadsheet would take for a formula: our own exports put it there.
    marked = raw[:1] == "'" and raw[1:2] in ("=", "+", "-", "@", "\t", "\r")
    return clean_text(raw[1:] if marked else raw, MAX_TEXT)


def _code(raw: str) -> str:
    """Raises ValueError when Excel has lost digits of it."""
    text = _text(raw)
    if isinstance(raw, InexactNumber):
        raise ValueError(
            f"Excel keeps 15 digits of a number, {text} has lost some: make the column Text, enter it anew."
        )
    if found := _FLOAT.fullmatch(text):
        return found[1]
    if found := _SCIENTIFIC.fullmatch(text):
        whole, fraction, exponent = found[1], found[2] or "", int(found[3])
        if len(fraction) < exponent:
            raise ValueError(f"Excel has shortened the number to {text}: make the column Text and enter it anew.")
        return whole + fraction if len(fraction) == exponent else text
    return text
