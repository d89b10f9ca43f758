"""Bills in lists and reports. A day is a day in the service's time zone.

Lists may come from a standby (Ledger.report), but for what continues another and what is sent by mail.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from tracetrack_app.store.ledger import Ledger


@dataclass(frozen=True, slots=True)
class BillFilter:
    """None, or "", asks for nothing. `search` is the beginning of the bill's id; both days belong to the range."""

    search: str = ""
    status: str | None = None
    date_from: date | None = None
    date_to: date | None = None
    created_by: int | None = None


@dataclass(frozen=True, slots=True)
class BillLine:
    """A bill in a list, with the weights of what is on it in kilograms."""

    id: int
    code: str
    destination: str
    vehicle_number: str
    status: str
    capacity: int
    bag_count: int
    children: int
    actual_kg: Decimal
    expected_kg: Decimal
    created_by: int | None
    creator: str | None
    created_at: datetime
    completed_at: datetime | None


def day_bounds(day: date, timezone: str) -> tuple[datetime, datetime]:
    """When the day begins and when the next one does."""
    zone = ZoneInfo(timezone)
    return datetime.combine(day, time(), zone), datetime.combine(day + timedelta(days=1), time(), zone)


_WHERE = (
    " b.deleted_at IS NULL"
    " AND ($1::text IS NULL OR starts_with(upper(b.code), upper($1)))"
    " AND ($2::text IS NULL OR b.status = $2)"
    " AND ($3::timestamptz IS NULL OR b.created_at >= $3)"
    " AND ($4::timestamptz IS NULL OR b.created_at < $4)"
    " AND ($5::bigint IS NULL OR b.created_by = $5)"
)
# The page first, then the weights of its bills only.
_LINES = f"""
WITH page AS (
    SELECT b.* FROM bills b WHERE {_WHERE} AND ($6::bigint IS NULL OR b.id < $6)
    ORDER BY b.id DESC LIMIT $7 OFFSET $8
)
SELECT b.id, b.code, b.destination, b.vehicle_number, b.status, b.capacity, b.bag_count,
       w.children, w.actual AS actual_kg, w.expected AS expected_kg,
       b.created_by, u.username AS creator, b.created_at, b.completed_at
FROM page b
LEFT JOIN users u ON u.id = b.created_by
CROSS JOIN (SELECT * FROM products WHERE is_default) d
CROSS JOIN LATERAL (
    SELECT coalesce(sum(p.child_count), 0)::bigint AS children,
           coalesce(sum(p.child_count * coalesce(r.child_weight_kg, d.child_weight_kg)), 0) AS actual,
           coalesce(sum(coalesce(r.parent_weight_kg, d.parent_weight_kg)), 0) AS expected
    FROM bill_bags k JOIN bags p ON p.id = k.bag_id LEFT JOIN products r ON r.id = p.product_id
    WHERE k.bill_id = b.id AND k.removed_at IS NULL
) w
ORDER BY b.id DESC
"""  # noqa: S608


class BillReports:
    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def _arguments(self, wanted: BillFilter) -> tuple[Any, ...]:
        zone = self._ledger.timezone
        return (
            wanted.search or None,
            wanted.status or None,
            day_bounds(wanted.date_from, zone)[0] if wanted.date_from else None,
            day_bounds(wanted.date_to, zone)[1] if wanted.date_to else None,
            wanted.created_by,
        )

    async def page(
        self, wanted: BillFilter, limit: int, *, before: int | None = None, offset: int = 0, complete: bool = False
    ) -> list[BillLine]:
        """The newest first, those older than the bill with the id `before`; `complete`: from the primary."""

        async def work(connection: Any) -> list[BillLine]:
            rows = await connection.fetch(_LINES, *self._arguments(wanted), before, limit, offset)
            return [BillLine(**dict(row)) for row in rows]

        anywhere = before is None and not complete
        return await (self._ledger.report if anywhere else self._ledger.read)(work)

    async def count(self, wanted: BillFilter) -> int:
        async def work(connection: Any) -> int:
            sql = f"SELECT count(*) FROM bills b WHERE {_WHERE}"  # noqa: S608
            return int(await connection.fetchval(sql, *self._arguments(wanted)))

        return await self._ledger.report(work)

    def today(self) -> date:
        return datetime.now(ZoneInfo(self._ledger.timezone)).date()

    async def day(self, day: date, *, complete: bool = False) -> list[BillLine]:
        """Every bill made on that day, the newest first; `complete` as of a page."""
        return await self.page(BillFilter(date_from=day, date_to=day), 100_000, complete=complete)

    async def recipients(self) -> list[tuple[str, str]]:
        """(user name, address) of those who bill and have an address."""

        async def work(connection: Any) -> list[tuple[str, str]]:
            rows = await connection.fetch(
                "SELECT username, email FROM users WHERE role IN ('admin', 'biller') AND email <> ''"
                " AND active AND approved AND deleted_at IS NULL ORDER BY lower(username)"
            )
            return [(row["username"], row["email"]) for row in rows]

        return await self._ledger.read(work)


def totals(lines: list[BillLine]) -> dict[str, Any]:
    """Sums over the bills; weights in kilograms."""
    return {
        "total_bills": len(lines),
        "completed_bills": sum(line.status == "completed" for line in lines),
        "total_parent_bags": sum(line.bag_count for line in lines),
        "total_child_bags": sum(line.children for line in lines),
        "total_weight_kg": float(sum(line.actual_kg for line in lines)),
        "expected_weight_kg": float(sum(line.expected_kg for line in lines)),
    }
