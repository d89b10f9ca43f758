"""Lists as files, and what is common to the tests of importing and exporting them."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from typing import Any
from unittest import mock

import httpx
import openpyxl

from tracetrack_app.cli import main
from tracetrack_app.store.check import check

CHILD_PARENT = ["Sr", "Parent Bag", "Child"]


def as_csv(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> bytes:
    file = io.StringIO(newline="")
    csv.writer(file).writerows([header, *rows])
    return file.getvalue().encode()


def as_xlsx(**sheets: Sequence[Sequence[Any]]) -> bytes:
    book = openpyxl.Workbook(write_only=True)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(list(row))
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def packed(count: int, start: int = 0) -> list[list[Any]]:
    """Rows of CHILD_PARENT: `count` children, thirty in a parent."""
    return [
        [number + 1, f"SB{(start + number) // 30:05d}", f"LABEL NO.{10_000_000 + start + number}"]
        for number in range(count)
    ]


def read_csv(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"))))


def read_xlsx(data: bytes) -> dict[str, list[tuple[Any, ...]]]:
    book = openpyxl.load_workbook(io.BytesIO(data), read_only=True)
    return {sheet.title: list(sheet.iter_rows(values_only=True)) for sheet in book}


async def send(client: httpx.AsyncClient, path: str, *files: tuple[str, bytes], **fields: str) -> dict[str, Any]:
    """What came of an import; waits for one that takes longer than the first answer."""
    answer = await client.post(path, files=[("file", file) for file in files], data=fields)
    assert answer.status_code in (200, 202), answer.text
    body: dict[str, Any] = answer.json()
    while not body["complete"]:
        again = await client.get(body["status_url"])
        assert again.status_code == 200, again.text
        body = again.json()
    return body


def counts(body: dict[str, Any]) -> tuple[int, int, int, int]:
    """(imported, repeated, unchanged, refused)"""
    return body["imported"], body["repeated"], body["unchanged"], body["refused"]


async def agrees(sql: Any) -> None:
    """Ledger, counters and bags agree to the row."""
    report = await check(sql)
    assert not report.faults, report.broken


def cli(environment: dict[str, str], *words: str) -> tuple[int, str, str]:
    """The status, standard output and error of a command run in this process: call it in a thread of its own."""
    out, err = io.StringIO(), io.StringIO()
    with mock.patch.dict(os.environ, environment), redirect_stdout(out), redirect_stderr(err):
        try:
            status = main(words)
        except SystemExit as stop:
            status = int(stop.code or 0)
    return status, out.getvalue(), err.getvalue()
