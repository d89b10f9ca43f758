"""What is scanned: stations side by side, each filling one parent after another."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

CHILDREN = 30
CYCLE = CHILDREN + 1
PARENT_CODES = 200_000


def parent_code(index: int) -> str:
    """The code of parent `index`; there are PARENT_CODES of them."""
    if not 0 <= index < PARENT_CODES:
        raise ValueError(f"there is no parent {index}: codes end at {PARENT_CODES - 1}")
    return f"SB{index:05d}" if index < 100_000 else f"M444-{index - 100_000:05d}"


@dataclass(frozen=True, slots=True)
class Work:
    """The scans of one round. Scan `number` is the station's `number % stations`: its parent, then 30 children.

    The same order is made in scan.lua. `tag` begins the codes of children and is one round's own.
    """

    tag: str
    stations: int
    first_parent: int

    def scan(self, number: int) -> tuple[str, str | None]:
        """(code, parent); parent is None for the scan that opens one."""
        turn, station = divmod(number, self.stations)
        cycle, place = divmod(turn, CYCLE)
        parent = parent_code(self.first_parent + station + self.stations * cycle)
        if place == 0:
            return parent, None
        return f"{self.tag}{station:03d}{turn:06d}", parent


def parents_needed(stations: int, scans: int) -> int:
    """How many parents `scans` scans touch, rounded up to whole cycles of all stations."""
    return stations * math.ceil(max(scans, 1) / (stations * CYCLE))


class Parents:
    """Hands out parents that nothing was put into yet, in ranges that do not overlap."""

    def __init__(self, first: int, end: int = PARENT_CODES) -> None:
        self._next, self._end = first, end
        self._tags = _tags()

    def take(self, stations: int, scans: int) -> Work:
        """Work for at most `scans` scans. ValueError when the parents are used up."""
        first = self._next
        self._next += parents_needed(stations, scans)
        if self._next > self._end:
            raise ValueError("the empty parents are used up: run fewer or shorter rounds")
        return Work(next(self._tags), stations, first)


def _tags() -> Iterator[str]:
    number = 0
    while True:
        yield f"W{number:03d}"
        number += 1
