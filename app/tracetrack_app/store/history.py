"""The ledger as people read it, and the work that it counts. Reads take the area that limits whoever asks.

All of it may come from a standby (Ledger.report), but for a page that continues another.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from tracetrack_app.store.ledger import Ledger
from tracetrack_app.store.lists import Values, within

_ENTRY = (
    "SELECT l.id, l.scan_id, l.outcome, l.refusal, l.code, l.kind, l.parent, l.bill, l.holder, l.child_count,"
    " l.capacity AS expected_count, l.bill_count, l.bill_capacity, l.reverses, u.username AS user, l.fleet, l.scanner,"
    " l.source, l.station, l.captured_at, l.recorded_at"
    " FROM scan_ledger l LEFT JOIN users u ON u.id = l.user_id"
)

# By the links that there are, the removals of those that were, and its own entries: each has its index.
_OF_PARENT = (
    "SELECT k.entry_id FROM bags b JOIN links k ON k.parent_id = b.id WHERE b.code = {parent}"
    " UNION SELECT unnest(ARRAY[r.id, r.reverses]) FROM scan_ledger r WHERE r.parent = {parent}"
    " AND r.outcome = 'unlinked' UNION SELECT s.id FROM scan_ledger s WHERE s.code = {parent}"
)
_USER = "SELECT id FROM users WHERE lower(username) = lower({user})"


@dataclass(frozen=True, slots=True)
class EntryRow:
    """A ledger entry. `user` is the account's name now; the counts are those after it."""

    id: int
    scan_id: UUID
    outcome: str
    refusal: str | None
    code: str
    kind: str | None
    parent: str | None
    bill: str | None
    holder: str | None
    child_count: int | None
    expected_count: int | None
    bill_count: int | None
    bill_capacity: int | None
    reverses: int | None
    user: str | None
    fleet: str | None
    scanner: str | None
    source: str
    station: str
    captured_at: datetime
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class EntryFilter:
    """None asks for nothing. `parent`: what put children into it or took them out, and what was done to itself."""

    code: str | None = None
    parent: str | None = None
    user: str | None = None
    user_id: int | None = None
    outcome: str | None = None


@dataclass(frozen=True, slots=True)
class DayRow:
    """What one actor did on one day. `user` or `fleet` and `scanner`."""

    day: date
    user: str | None
    fleet: str | None
    scanner: str | None
    accepted: int
    refused: int
    parents_created: int
    children_created: int


class History:
    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def entries(self, scope: str | None, wanted: EntryFilter, limit: int, before: int | None) -> list[EntryRow]:
        """The newest first, those before the entry with the id `before`."""
        values = Values()
        conditions = within(scope, "l.area", values)
        if before is not None:
            conditions += f" AND l.id < {values(before)}"
        if wanted.code is not None:
            conditions += f" AND l.code = {values(wanted.code)}"
        if wanted.parent is not None:
            conditions += f" AND l.id IN ({_OF_PARENT.format(parent=values(wanted.parent))})"
        if wanted.user is not None:
            conditions += f" AND l.user_id IN ({_USER.format(user=values(wanted.user))})"
        if wanted.user_id is not None:
            conditions += f" AND l.user_id = {values(wanted.user_id)}"
        if wanted.outcome is not None:
            conditions += f" AND l.outcome = {values(wanted.outcome)}"
        sql = f"{_ENTRY} WHERE true{conditions} ORDER BY l.id DESC LIMIT {values(limit)}::bigint"

        async def work(connection: Any) -> list[EntryRow]:
            return [EntryRow(**dict(row)) for row in await connection.fetch(sql, *values.all)]

        return await (self._ledger.report if before is None else self._ledger.read)(work)

    async def days(self, first: date, last: date, user_id: int | None) -> list[DayRow]:
        """Work by day and actor, both days included, the newest day first; of one user where one is named."""

        async def work(connection: Any) -> list[DayRow]:
            rows = await connection.fetch(
                "SELECT d.day, u.username AS user, d.actor, d.accepted, d.refused, d.parents_created,"
                " d.children_created FROM daily_counts d"
                " LEFT JOIN users u ON d.actor = 'user:' || u.id"
                " WHERE d.day BETWEEN $1 AND $2 AND ($3::text IS NULL OR d.actor = $3)"
                " ORDER BY d.day DESC, d.accepted DESC, d.actor",
                first,
                last,
                None if user_id is None else f"user:{user_id}",
            )
            return [_day(row) for row in rows]

        return await self._ledger.report(work)


def _day(row: Any) -> DayRow:
    values = dict(row)
    kind, _, name = values.pop("actor").partition(":")
    fleet, _, scanner = name.partition("/") if kind == "scanner" else (None, None, None)
    return DayRow(fleet=fleet, scanner=scanner, **values)
