"""What came of the rows of a list."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import msgspec


class Fate(StrEnum):
    """What came of a row. REPEATED: this very row was imported before. UNCHANGED: what it asks for was so already."""

    IMPORTED = "imported"
    REPEATED = "repeated"
    UNCHANGED = "unchanged"
    REFUSED = "refused"


class RowResult(msgspec.Struct, frozen=True, gc=False):
    """A row by its number in the sheet; `holder` is the parent or the bill that has the bag already."""

    row: int
    fate: Fate
    reason: str = ""
    holder: str | None = None
    cells: Sequence[str] = ()


@dataclass(slots=True)
class Counts:
    """Rows. `skipped` are the sheets that were left out, and why."""

    total: int = 0
    done: int = 0
    imported: int = 0
    repeated: int = 0
    unchanged: int = 0
    refused: int = 0
    skipped: list[str] = field(default_factory=list)

    def add(self, results: Iterable[RowResult]) -> None:
        for each in results:
            self.done += 1
            setattr(self, each.fate, getattr(self, each.fate) + 1)
