"""Packing lists as people send them, and files that are no lists at all."""

from __future__ import annotations

import io
import time
import tracemalloc
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracetrack_app.ingest import sheetwriter, xlsx
from tracetrack_app.ingest.errorfile import ErrorFile
from tracetrack_app.ingest.sheets import Form, Line, UnrecognisedError, column_of, read
from tracetrack_app.ingest.sheetwriter import CsvWriter, XlsxWriter
from tracetrack_app.ingest.tables import TableError, open_tables

SHEET = "xl/worksheets/sheet1.xml"
NAMESPACE = b'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'


def workbook(**sheets: list[list[Any]]) -> bytes:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def lines(data: bytes, form: Form | None = None, name: str = "list.csv") -> list[Line]:
    """Every usable or refused row of every sheet."""
    tables = open_tables(name, io.BytesIO(data))
    return [line for table in tables for sheet in read(table, form) for line in sheet.lines()]


def pairs(data: bytes, form: Form = Form.CHILD_PARENT) -> list[tuple[str, str]]:
    return [(line.values["child"], line.values["parent"]) for line in lines(data, form)]


@pytest.mark.parametrize(
    ("cell", "column"),
    [
        *[(name, "parent") for name in ("Parent Bag", "Parent QR", "parent_qr_code", " PARENT ", "Parent Bag No.")],
        *[(name, "sb") for name in ("SB No", "sb no.", "SB", "SB Number", "SB\u00a0No", "S\u200bB No")],
        *[(name, "child") for name in ("Child", "CHILD BAG", "child_qr", "Child Bag QR Code")],
        *[(name, "label") for name in ("Label", "LABEL NO.", "Label Number")],
        *[(name, "code") for name in ("QR", "QR Code", "qr_id", "Bag", "Bag Code", "Code", "Barcode")],
        *[(name, "bill") for name in ("Bill", "Bill ID", "bill_id", "Bill No.", "Challan No", "Invoice Number")],
        *[(name, "vehicle") for name in ("Vehicle", "Vehicle No", "vehicle_number", "Truck Number", "Lorry No")],
        *[(name, "capacity") for name in ("Capacity", "Parent Bag Count", "No. of Bags")],
        *[(name, "") for name in ("S.No", "Sr No", "No.", "ID", "Weight", "Date", "", "SB00001", "LABEL NO.123456")],
        ("Bag Type", "type"), ("Bag Name", "name"), ("Dispatch Area", "area"), ("reason", "reason"),
    ],
)  # fmt: skip
def test_columns_are_known_by_their_usual_names(cell: str, column: str) -> None:
    assert column_of(cell) == column


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
def test_csv_in_every_encoding_and_delimiter(delimiter: str, encoding: str) -> None:
    rows = [["Sr", "Child", "Übergabe", "Parent Bag"], ["1", "C0001", "für", "SB00001"], ["2", "C0002", "", "sb00001"]]
    text = "\r\n".join(delimiter.join(row) for row in rows)
    assert pairs(text.encode(encoding)) == [("C0001", "SB00001"), ("C0002", "sb00001")]


def test_a_line_that_names_the_delimiter_and_quotation_marks_are_understood() -> None:
    data = b'sep=;\r\nParent;Child;Remark\r\nSB00001;"C0001";"a; b\r\nc"\r\n\r\n;;\r\nSB00001;C0002;\r\n'
    assert pairs(data) == [("C0001", "SB00001"), ("C0002", "SB00001")]
    assert [line.number for line in lines(data, Form.CHILD_PARENT)] == [3, 6]


def test_columns_in_any_order_below_a_title_and_with_a_repeated_header() -> None:
    data = workbook(
        List=[
            ["Packing list of 12 March"], [], [None, "LABEL NO.", "Weight", "SB No"],
            [None, "LABEL NO.123456", 1, "SB00001"], [None, "LABEL NO.", "Weight", "SB No"],
            [None, "LABEL NO.:123457", 1, 2],
        ]
    )  # fmt: skip
    found = lines(data, Form.CHILD_PARENT)
    assert [(line.number, line.values["child"], line.values["parent"]) for line in found] == [
        (4, "LABEL NO.123456", "SB00001"),
        (6, "LABEL NO.:123457", "SB00002"),
    ]


@pytest.mark.parametrize(
    ("cell", "code"),
    [
        (10000001, "10000001"),
        (10000001.0, "10000001"),
        ("1.0000001E+07", "10000001"),
        ("10000001.0", "10000001"),
        (" ab\u200b12\u00a0", "ab12"),
        ("\ufeffLABEL NO.:0012", "LABEL NO.:0012"),
        ("12E5", "12E5"),
        ("'=AB12", "=AB12"),
        (True, "TRUE"),
    ],
)
def test_cells_are_tidied(cell: Any, code: str) -> None:
    assert pairs(workbook(A=[["Child", "Parent"], [cell, "SB00001"]])) == [(code, "SB00001")]


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        (1.23456789012345e19, "15 digits"),
        ("1.2E+11", "shortened"),
        ("", "Child is empty"),
        ("  \u200b", "Child is empty"),
    ],
)
def test_a_cell_that_excel_has_spoilt_is_refused_with_the_remedy(cell: Any, words: str) -> None:
    [line] = lines(workbook(A=[["Child", "Parent", "x"], [cell, "SB00001", "y"]]), Form.CHILD_PARENT)
    assert words in line.problem


def test_a_formula_is_not_evaluated_and_its_kept_value_is_read() -> None:
    row = b'<row r="2"><c r="A2" t="str"><f>CONCAT("C","0001")</f><v>C0001</v></c><c r="B2"><f>1+1</f></c></row>'
    [line] = lines(_patched(row), Form.CHILD_PARENT)
    assert line.values["child"] == "C0001"
    assert line.problem == "Parent is empty."


def test_each_sheet_is_known_by_its_columns() -> None:
    data = workbook(
        Children=[["Parent", "Child"], ["SB00001", "C0001"]],
        Bills=[["Bill No", "Destination", "Vehicle"], ["B1", "Delhi", "RJ14"]],
        Loads=[["SB No", "Bill"], ["SB00001", "B1"]],
        Bags=[["QR", "Type"], ["SB00002", "parent"]],
        Empty=[],
        All=[["Bill", "Parent", "Child"], ["B1", "SB00001", "C0002"]],
    )
    found = {table.sheet: [sheet.form for sheet in read(table)] for table in open_tables("list.xlsx", io.BytesIO(data))}
    assert found == {
        "Children": [Form.CHILD_PARENT],
        "Bills": [Form.BILLS],
        "Loads": [Form.PARENT_BILL],
        "Bags": [Form.BAGS],
        "Empty": [],
        "All": [Form.CHILD_PARENT, Form.PARENT_BILL],
    }


def test_a_sheet_without_the_columns_is_named_with_what_it_has() -> None:
    data = workbook(Stock=[["Item", "Weight"], ["Wheat", 30]])
    [table] = open_tables("list.xlsx", io.BytesIO(data))
    with pytest.raises(UnrecognisedError) as caught:
        read(table, Form.CHILD_PARENT)
    message = str(caught.value)
    for words in ("list.xlsx, sheet Stock", "Parent (also: Parent Bag", "Child (also:", "row 1 has “Item”, “Weight”"):
        assert words in message


def test_hidden_sheets_are_left_out() -> None:
    book = openpyxl.Workbook()
    book.active.append(["Parent", "Child"])
    book.create_sheet("Old").sheet_state = "hidden"
    file = io.BytesIO()
    book.save(file)
    assert [table.sheet for table in open_tables("list.xlsx", file)] == ["Sheet"]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(100), "old Excel file"),
        (b"PK\x03\x04 and no more", "damaged"),
        (b"%PDF-1.7\x00\x00\x01", "neither CSV nor Excel"),
        (b'Parent,Child\r\n"SB00001' + b"x" * 200_000, "quotation mark"),
    ],
)
def test_what_is_no_list_is_refused_in_words(data: bytes, words: str) -> None:
    with pytest.raises(TableError, match=words):
        lines(data, Form.CHILD_PARENT)


def _patched(body: bytes, part: str = SHEET, *, whole: bool = False) -> bytes:
    """A workbook whose first sheet has the header Child, Parent and this XML after it."""
    good = workbook(A=[["Child", "Parent"]])
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(good)) as source, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            data = source.read(name)
            if name == part:
                data = body if whole else data.replace(b"</sheetData>", body + b"</sheetData>")
            target.writestr(name, data)
    return out.getvalue()


def test_a_bomb_does_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xlsx, "_MAX_SHEET", 5 << 18)
    far = b'<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'
    cells = b'<row r="2">' + b"<c/>" * 50_000 + b"</row>"
    tag = b'<row r="2" a="' + b"x" * (2 << 20) + b'"/>'
    text = b'<row r="2"><c t="str"><v>' + b"x" * (2 << 20) + b"</v></c></row>"
    many = b"<row/>" * (2 << 20 >> 2)
    entity = (
        b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]>'
        b"<worksheet " + NAMESPACE + b"><sheetData><row><c><v>&b;</v></c></row></sheetData></worksheet>"
    )
    bombs = [_patched(each) for each in (cells, tag, text, many)] + [_patched(entity, whole=True)]
    tracemalloc.start()
    try:
        assert lines(_patched(far), Form.CHILD_PARENT, "far.xlsx") == []
        for bomb in bombs:
            with pytest.raises(TableError, match=r"list\.xlsx"):
                lines(bomb, Form.CHILD_PARENT, "list.xlsx")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 12 << 20


@pytest.mark.parametrize(
    "body",
    [
        b'<row r="99999999999999999999"><c r="A1"><v>1</v></c></row>',
        b'<row r="5"/><row r="4"><c><v>1</v></c></row>',
        b'<row r="2"><c t="s"><v>4000</v></c></row>',
        b'<row r="2"><c t="s"><v>-1</v></c></row>',
        b'<row r="2"><c><v>1</v>',
    ],
)
def test_a_damaged_sheet_is_refused(body: bytes) -> None:
    with pytest.raises(TableError, match="damaged"):
        lines(_patched(body), Form.CHILD_PARENT, "list.xlsx")


@settings(max_examples=80, deadline=None)
@given(st.one_of(st.binary(max_size=400), st.text(max_size=300).map(lambda text: ("Parent,Child\n" + text).encode())))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        found = lines(data)
    except TableError:
        return
    assert all(
        line.problem or all(line.values[name] for name in ("code", "parent", "child", "bill") if name in line.values)
        for line in found
    )


_WORKBOOK = _patched(b'<row r="2"><c r="A2" t="inlineStr"><is><t>C0001</t></is></c><c r="B2"><v>1</v></c></row>')


@settings(max_examples=60, deadline=None)
@given(st.integers(0, len(_WORKBOOK) - 1), st.binary(min_size=1, max_size=40), st.booleans())
def test_a_workbook_with_wrong_bytes_is_read_or_refused(place: int, data: bytes, cut: bool) -> None:
    broken = _WORKBOOK[:place] + data + (b"" if cut else _WORKBOOK[place + len(data) :])
    with suppress(TableError):
        lines(broken, Form.CHILD_PARENT)


_CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\x00'"), max_size=12)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(_CELLS, _CELLS), min_size=1, max_size=8), st.booleans())
def test_what_is_written_can_be_read_again(rows: list[tuple[str, str]], excel: bool) -> None:
    writer = XlsxWriter() if excel else CsvWriter()
    writer.begin("Bags", ["Bill", "Destination"])
    writer.rows(rows)
    writer.end()
    found = [line.values for line in lines(writer.take(), Form.BILLS)]
    plain = [{"bill": _plain(bill), "destination": _plain(destination)} for bill, destination in rows]
    assert [each for each in found if any(each.values())] == [each for each in plain if any(each.values())]


def test_the_delimiter_is_what_most_rows_agree_on() -> None:
    found = lines(b"Bill,Destination\nB-1;2;3;4,Delhi\nB-2,Agra\n", Form.BILLS)
    assert [line.values for line in found] == [
        {"bill": "B-1;2;3;4", "destination": "Delhi"},
        {"bill": "B-2", "destination": "Agra"},
    ]


def _plain(text: str) -> str:
    from tracetrack_app.domain.codes import clean_text

    return clean_text(text, 500)


def test_no_text_becomes_a_formula() -> None:
    dangerous = ["=HYPERLINK(1)", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"]
    csv, excel = CsvWriter(), XlsxWriter()
    for writer in (csv, excel):
        writer.begin("List", ["a"])
        writer.rows([[each] for each in dangerous])
        writer.end()
    text = csv.take().decode("utf-8-sig")
    assert all(f"'{each}" in text for each in dangerous)
    book = openpyxl.load_workbook(io.BytesIO(excel.take()))
    assert {cell.data_type for row in book["List"].iter_rows() for cell in row} <= {"s", "inlineStr"}


def test_a_full_sheet_goes_on_in_another_and_bytes_leave_before_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheetwriter, "MAX_SHEET_ROWS", 1000)
    writer = XlsxWriter()
    writer.begin("Bags: [all]", ["qr_id", "child_count"])
    sent = b""
    for start in range(0, 2500, 500):
        writer.rows([[f"C{number:06d}", number] for number in range(start, start + 500)])
        sent += writer.take()
    assert len(sent) > 1000
    writer.end()
    book = openpyxl.load_workbook(io.BytesIO(sent + writer.take()))
    assert book.sheetnames == ["Bags   all", "Bags   all 2", "Bags   all 3"]
    values = [row for sheet in book for row in sheet.iter_rows(min_row=2, values_only=True)]
    assert values == [(f"C{number:06d}", number) for number in range(2500)]


def test_an_error_file_has_the_form_that_was_sent_and_one_column_of_reasons() -> None:
    file = ErrorFile(CsvWriter(), several_files=False)
    file.begin("list.csv", "", ["Parent", "Reason", "Child"])
    file.rows([(["SB00001", "an old reason", "=C0001"], "duplicate"), (["SB00001"], "empty")])
    text = file.writer.take().decode("utf-8-sig")
    assert text == "Parent,Child,reason\r\nSB00001,'=C0001,duplicate\r\nSB00001,,empty\r\n"


def test_twenty_thousand_rows_are_read_in_little_memory(tmp_path: Path) -> None:
    writer = XlsxWriter()
    writer.begin("Packing", ["Parent", "Child"])
    writer.rows([f"SB{number // 30:05d}", f"LABEL NO.{10_000_000 + number}"] for number in range(20_000))
    writer.end()
    path = tmp_path / "list.xlsx"
    path.write_bytes(writer.take())
    with path.open("rb") as file:
        began = time.process_time()
        [sheet] = read(open_tables("list.xlsx", file)[0])
        assert sum(1 for _ in sheet.lines()) == 20_000
        assert time.process_time() - began < 15
        tracemalloc.start()
        try:
            for number, _ in enumerate(sheet.lines()):
                if number == 5000:
                    break
            assert tracemalloc.get_traced_memory()[1] < 4 << 20
        finally:
            tracemalloc.stop()
