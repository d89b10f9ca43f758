"""The file of the refused rows, in the form in which they were sent, with the reason in one more column."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tracetrack_app.ingest.sheets import column_of
from tracetrack_app.ingest.sheetwriter import TableWriter

REASON = "reason"


class ErrorFile:
    """Writes headers and rows with a TableWriter. A column of reasons from an earlier such file is dropped."""

    def __init__(self, writer: TableWriter, *, several_files: bool) -> None:
        self.writer = writer
        self._several = several_files
        self._kept: list[int] = []

    def begin(self, file: str, sheet: str, header: Sequence[str]) -> None:
        """What follows is of this sheet, whose header this is."""
        self._kept = [index for index, cell in enumerate(header) if column_of(cell) != REASON]
        stem = file.rpartition(".")[0] or file
        name = " ".join(part for part in (stem if self._several or not sheet else "", sheet) if part)
        self.writer.begin(name, [*(header[index] for index in self._kept), REASON])

    def rows(self, rows: Iterable[tuple[Sequence[str], str]]) -> None:
        """(cells, reason) of each."""
        self.writer.rows([*(cells[i] if i < len(cells) else "" for i in self._kept), reason] for cells, reason in rows)
