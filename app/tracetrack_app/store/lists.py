"""Bags in lists and searches. Every read takes the area that limits whoever asks; None is for those without a limit.

Lists, counts and searches may come from a standby (Ledger.report); one bag, which a change may depend on, does not.
Nor does a page that continues another: a standby is older than the primary, so rows between the two would be missing.
"""

# ruff: noqa: S608 - statements are put together from what is written here; every value is an argument.

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tracetrack_app.domain import codes
from tracetrack_app.domain.nearby import meant
from tracetrack_app.domain.rules import Rule, RuleError
from tracetrack_app.store.ledger import Ledger

_COLUMNS = (
    "b.id, b.code, b.kind, b.name, b.status, b.child_count, b.capacity, b.area, b.created_at, b.updated_at FROM bags b"
)
_SUGGESTIONS = 6


@dataclass(frozen=True, slots=True)
class BagLine:
    """A bag in a list."""

    id: int
    code: str
    kind: str
    name: str
    status: str
    child_count: int
    capacity: int
    area: str | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Child:
    """A child in a parent: since when, and by whom (a user's or a scanner's name)."""

    id: int
    code: str
    name: str
    linked_at: datetime | None
    linked_by: str | None


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Where a bag is: the parent that holds it, and the bill that it, or that parent, is on."""

    parent: str | None
    bill: str | None
    bill_id: int | None


@dataclass(frozen=True, slots=True)
class FoundBill:
    id: int
    code: str
    destination: str
    status: str
    bag_count: int
    capacity: int


@dataclass(frozen=True, slots=True)
class Found:
    """What a word found. `exact` is the code it is, if any; `near` are codes that may have been meant, if none is."""

    exact: str | None
    bags: list[BagLine]
    bills: list[FoundBill]
    near: list[str]


@dataclass(frozen=True, slots=True)
class BagFilter:
    """None, or "", asks for nothing. `search` is the beginning of the code; bare digits find parents by number too."""

    kind: str | None = None
    search: str = ""
    status: str | None = None


@dataclass(frozen=True, slots=True)
class BagPage:
    """`after` continues the list where this page ends; None when nothing follows."""

    bags: list[BagLine]
    after: str | None


class CursorError(ValueError):
    """The `after` of a page that never was."""


class Values:
    """The arguments of a statement, and the names they have in it."""

    def __init__(self, *values: Any) -> None:
        self.all = list(values)

    def __call__(self, value: Any) -> str:
        self.all.append(value)
        return f"${len(self.all)}"


def within(scope: str | None, column: str, values: Values) -> str:
    """The condition that the area sets, to be put behind another one; "" for those without a limit."""
    return "" if scope is None else f" AND {column} = {values(scope)}"


class Lists:
    """Lists are newest first, those of a search by code.

    A page by `after` costs the same anywhere. A page by offset skips over an index without touching the bags (a tenth
    of a second for the last of 1.8 million), then reads the bags of that page only.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def bags(
        self, scope: str | None, wanted: BagFilter, limit: int, *, offset: int = 0, after: str | None = None
    ) -> BagPage:
        """A page; `after` is a former page's. Raises CursorError for one that is none."""
        values = Values()
        ranges = _ranges(wanted.search)
        conditions = _conditions(scope, wanted, values)
        if ranges:
            columns, order = "b.id, b.code", "code"
            conditions += f" AND b.code > {values(_code(after))}" if after is not None else ""
            arms = [f"b.code >= {values(low)} AND b.code < {values(high)}" for low, high in ranges]
        else:
            columns, order = "b.id", "id DESC"
            conditions += f" AND b.id < {values(_number(after))}" if after is not None else ""
            # The index by area has the kind before the id: each kind comes in order, and the two are merged.
            both = scope is not None and wanted.kind is None
            arms = [f"b.kind = '{kind}'" for kind in codes.Kind] if both else ["true"]
        ids = " UNION ALL ".join(
            f"(SELECT {columns} FROM bags b WHERE {arm}{conditions} ORDER BY b.{order})" for arm in arms
        )
        page = f"SELECT id FROM ({ids}) r ORDER BY {order} OFFSET {values(offset)}::bigint"
        fetch = self._report if after is None else self._read
        rows = await fetch(
            f"SELECT {_COLUMNS} JOIN ({page} LIMIT {values(limit + 1)}::bigint) p ON p.id = b.id ORDER BY b.{order}",
            values,
        )
        bags = [BagLine(**dict(row)) for row in rows[:limit]]
        more = len(rows) > limit and bags
        return BagPage(bags, (bags[-1].code if ranges else str(bags[-1].id)) if more else None)

    async def count(self, scope: str | None, wanted: BagFilter) -> int:
        """How many bags the filter finds. Those of the whole house are summed from what each day brought."""
        if scope is None and not wanted.search and wanted.status is None:
            parts = {"parent": "parents_created - parents_deleted", "child": "children_created - children_deleted"}
            wanted_parts = [parts[wanted.kind]] if wanted.kind else list(parts.values())
            sums = f"SELECT coalesce(sum({' + '.join(wanted_parts)}), 0) FROM daily_counts"
            row = await self._report(sums, Values())
            return int(row[0][0])
        values = Values()
        conditions = _conditions(scope, wanted, values)
        ranges: list[tuple[str, str | None]] = [*_ranges(wanted.search)] or [("", None)]
        counts = " + ".join(
            "(SELECT count(*) FROM bags b WHERE true"
            + (f" AND b.code >= {values(low)} AND b.code < {values(high)}" if high is not None else "")
            + f"{conditions})"
            for low, high in ranges
        )
        return int((await self._report(f"SELECT {counts}", values))[0][0])

    async def bag(self, scope: str | None, name: int | str) -> BagLine:
        """The bag with this number in the database, or this code. Raises RuleError when there is none to be seen."""
        values = Values()
        where = f"b.id = {values(name)}" if isinstance(name, int) else f"b.code = {values(codes.clean(name))}"
        rows = await self._read(f"SELECT {_COLUMNS} WHERE {where}{within(scope, 'b.area', values)}", values)
        if not rows:
            raise RuleError(Rule.BAG_NOT_FOUND, f"Bag {name} does not exist.", code=str(name))
        return BagLine(**dict(rows[0]))

    async def children(self, scope: str | None, parent: int | str) -> tuple[BagLine, list[Child]]:
        """The parent and what is in it, in the order of scanning. Raises RuleError: not found, a child bag."""
        bag = await self.bag(scope, parent)
        if bag.kind != codes.Kind.PARENT:
            raise RuleError(Rule.WRONG_BAG_TYPE, f"{bag.code} is a child bag: only parents hold bags.", code=bag.code)
        rows = await self._read(
            "SELECT b.id, b.code, b.name, l.recorded_at AS linked_at, coalesce(u.username, l.scanner) AS linked_by"
            " FROM links k JOIN bags b ON b.id = k.child_id LEFT JOIN scan_ledger l ON l.id = k.entry_id"
            " LEFT JOIN users u ON u.id = l.user_id WHERE k.parent_id = $1 ORDER BY k.entry_id",
            Values(bag.id),
        )
        return bag, [Child(**dict(row)) for row in rows]

    async def whereabouts(self, bag: BagLine) -> Whereabouts:
        """Where a bag is that was read within somebody's limits."""
        rows = await self._report(
            "SELECT p.code AS parent, l.code AS bill, l.id AS bill_id FROM (SELECT $1::bigint AS id) b"
            " LEFT JOIN links k ON k.child_id = b.id LEFT JOIN bags p ON p.id = k.parent_id"
            " LEFT JOIN bill_bags o ON o.bag_id = coalesce(p.id, b.id) AND o.removed_at IS NULL"
            " LEFT JOIN bills l ON l.id = o.bill_id",
            Values(bag.id),
        )
        return Whereabouts(**dict(rows[0]))

    async def search(
        self, scope: str | None, text: str, limit: int, *, kind: str | None = None, bills: bool = False
    ) -> Found:
        """What a word in any case may name: bags by the beginning of their code, with `bills` those that contain it."""
        try:
            key = codes.parse(text).text
        except codes.MalformedCodeError as error:
            key = error.text
        if not key:
            return Found(None, [], [], [])
        page = await self.bags(scope, BagFilter(kind, key), limit)
        found = await self._bills(codes.clean_text(text, 50), limit) if bills else []
        exact = next((bag.code for bag in page.bags if bag.code == key), None)
        if exact is None:
            exact = next((bill.code for bill in found if bill.code.upper() == key), None)
        near = await self._near(scope, key, bills) if exact is None else []
        return Found(exact, page.bags, found, near)

    async def ticket(self, code: str) -> int:
        """The number of the return ticket with this code, in any case. Raises RuleError."""
        rows = await self._read("SELECT id FROM return_tickets WHERE upper(code) = upper($1)", Values(code))
        if not rows:
            raise RuleError(Rule.TICKET_NOT_FOUND, f"There is no return ticket {code}.", ticket=code)
        return int(rows[0][0])

    async def _bills(self, text: str, limit: int) -> list[FoundBill]:
        rows = await self._report(
            "SELECT id, code, destination, status, bag_count, capacity FROM bills"
            " WHERE deleted_at IS NULL AND position(upper($1) IN upper(code)) > 0"
            " ORDER BY upper(code) <> upper($1), id DESC LIMIT $2",
            Values(text, limit),
        )
        return [FoundBill(**dict(row)) for row in rows]

    async def _near(self, scope: str | None, key: str, bills: bool) -> list[str]:
        candidates = meant(key)
        values = Values(candidates)
        sql = f"SELECT b.code, b.code AS name FROM bags b WHERE b.code = ANY ($1){within(scope, 'b.area', values)}"
        if bills:
            sql += " UNION ALL SELECT upper(code), code FROM bills WHERE deleted_at IS NULL AND upper(code) = ANY ($1)"
        rank = {candidate: place for place, candidate in enumerate(candidates)}
        rows = sorted(await self._report(sql, values), key=lambda row: rank.get(row[0], len(rank)))
        return [row["name"] for row in rows[:_SUGGESTIONS]]

    async def _report(self, sql: str, values: Values) -> Sequence[Any]:
        return await self._ledger.report(_fetching(sql, values))

    async def _read(self, sql: str, values: Values) -> Sequence[Any]:
        return await self._ledger.read(_fetching(sql, values))


def _fetching(sql: str, values: Values) -> Callable[[Any], Awaitable[Sequence[Any]]]:
    async def work(connection: Any) -> Sequence[Any]:
        rows: Sequence[Any] = await connection.fetch(sql, *values.all)
        return rows

    return work


def _conditions(scope: str | None, wanted: BagFilter, values: Values) -> str:
    conditions = within(scope, "b.area", values)
    if wanted.kind is not None:
        conditions += f" AND b.kind = {values(wanted.kind)}"
    if wanted.status is not None:
        conditions += f" AND b.status = {values(wanted.status)} AND b.kind = 'parent'"
    return conditions


def _ranges(search: str) -> list[tuple[str, str]]:
    """The ranges of codes that begin with what is looked for: codes are compared byte by byte."""
    text = codes.clean(search)
    if not text:
        return []
    beginnings = [text, *(f"{prefix}{text}" for prefix in ("SB", "M444-") if text.isdigit() and len(text) <= 5)]
    return [(beginning, beginning[:-1] + _next(beginning[-1])) for beginning in beginnings]


def _next(char: str) -> str:
    number = ord(char) + 1
    return "\ue000" if 0xD800 <= number <= 0xDFFF else chr(number)


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise CursorError("after is not from a page before")
    return int(text)


def _code(text: str) -> str:
    if codes.clean(text) != text:
        raise CursorError("after is not from a page before")
    return text
