"""How things are written for people."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

WIDTH = 120


def age(since: str | None, now: datetime) -> str:
    """Time since an API timestamp, as kubectl writes it; "" for none."""
    if not since:
        return ""
    return span((now - datetime.fromisoformat(since.replace("Z", "+00:00"))).total_seconds())


def span(seconds: float) -> str:
    whole = max(0, round(seconds))
    if whole < 120:
        return f"{whole}s"
    minutes, hours, days = whole // 60, whole // 3600, whole // 86400
    if minutes < 10:
        return f"{minutes}m{whole % 60}s" if whole % 60 else f"{minutes}m"
    if hours < 3:
        return f"{minutes}m"
    if hours < 48:
        return f"{hours}h"
    return f"{days}d"


def moment(value: datetime) -> str:
    return f"{value.astimezone(UTC):%Y-%m-%dT%H:%MZ}"


def money(value: Decimal) -> str:
    return f"${value:,.2f}"


def change(value: Decimal) -> str:
    """A difference in money, with its sign."""
    return f"{'-' if value < 0 else '+'}{money(abs(value))}"


def table(rows: Iterable[Sequence[str]], indent: str = "") -> list[str]:
    """Columns as wide as their longest cell; the last one is left as it is."""
    given = [list(row) for row in rows]
    if not given:
        return []
    widths = [max(len(row[column]) for row in given) for column in range(len(given[0]) - 1)]
    return [
        (
            indent + "  ".join([*(cell.ljust(width) for cell, width in zip(row[:-1], widths, strict=True)), row[-1]])
        ).rstrip()
        for row in given
    ]


def paragraph(text: str, indent: str = "") -> list[str]:
    # Commands are to be copied: no break inside a word or at a hyphen.
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


@dataclass(frozen=True)
class Node:
    """One line of a tree, and what is below it; `cells` stand in columns."""

    cells: tuple[str, ...]
    children: tuple[Node, ...] = ()


def tree(root: Node) -> list[str]:
    rows: list[tuple[str, ...]] = []
    _grow(root, "", "", rows)
    return table(rows)


def _grow(node: Node, head: str, below: str, rows: list[tuple[str, ...]]) -> None:
    rows.append((head + node.cells[0], *node.cells[1:]))
    for number, child in enumerate(node.children):
        last = number == len(node.children) - 1
        _grow(child, below + ("└─ " if last else "├─ "), below + ("   " if last else "│  "), rows)
