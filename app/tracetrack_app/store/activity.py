"""Scans counted and listed. A day is a day in the service's time zone; the area limits as in store/lists.py.

All of it is looked at only and may come from a standby (Ledger.report), but for what continues a list.
"""

# ruff: noqa: S608 - statements are put together from what is written here; every value is an argument.

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from tracetrack_app.store.fresh import Fresh
from tracetrack_app.store.ledger import Ledger
from tracetrack_app.store.lists import Values, within
from tracetrack_app.store.standby import Work, begin_reading, note

MAX_RECENT = 1000


@dataclass(frozen=True, slots=True)
class Totals:
    """All counts are of things, not of scans, but for `scans`: accepted scans and undos, ever."""

    parents: int
    children: int
    scans: int
    bills: int
    users: int
    dispatchers: int
    parents_by_status: dict[str, int]
    at: datetime


@dataclass(frozen=True, slots=True)
class RecentScan:
    """`outcome` is what was done (see domain/outcomes.py); `username` a user's or a scanner's name."""

    id: int
    at: datetime
    code: str
    kind: str
    outcome: str
    parent: str | None
    bill: str | None
    username: str


@dataclass(frozen=True, slots=True)
class Today:
    """Accepted scans of today: by the hour (0 to 23) and by the role of who scanned, `scanner` for devices."""

    day: date
    hours: list[int]
    roles: dict[str, int]


@dataclass(frozen=True, slots=True)
class DayOfWork:
    """What one person did on a day."""

    day: date
    accepted: int
    refused: int
    parents_created: int
    children_created: int


class Activity:
    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        # By area: an entry, and how many there are up to it. The ledger is append-only, so that never changes.
        self._settled: dict[str, tuple[int, int]] = {}
        # By area, and whether those who ask may be answered from a standby.
        self._totals: dict[tuple[str | None, bool], Fresh[tuple[Totals, float | None]]] = {}

    async def totals(self, scope: str | None) -> Totals:
        """Counted after the call began."""
        return (await self.shared_totals(scope))[0]

    async def shared_totals(self, scope: str | None) -> tuple[Totals, bool]:
        """Totals counted after the call began, and whether another call had them counted."""
        standby = self._ledger.standby
        if standby is not None and standby.serves():
            (totals, as_of), shared = await self._counted(scope, anywhere=True)
            # Shared with someone who had changed less than this one.
            if as_of is None or standby.suffices(as_of):
                note(as_of)
                return totals, shared
        (totals, _), shared = await self._counted(scope, anywhere=False)
        return totals, shared

    async def _counted(self, scope: str | None, *, anywhere: bool) -> tuple[tuple[Totals, float | None], bool]:
        """(the totals, as of when if they are a standby's), and whether another call had them counted."""
        key = scope, anywhere
        if key not in self._totals:

            async def count() -> tuple[Totals, float | None]:
                reading = begin_reading()
                totals = await self._count(scope, self._ledger.report if anywhere else self._ledger.read)
                return totals, reading.as_of

            self._totals[key] = Fresh(count)
        return await self._totals[key].get()

    async def _count(self, scope: str | None, read: Callable[[Work[Totals]], Awaitable[Totals]]) -> Totals:
        """Of the house, summed from what each day brought; or of one area's bags, scans and people, counted."""
        if scope is None:
            values, people = Values(), ""
            counts = (
                "SELECT coalesce(sum(parents_created - parents_deleted), 0)::bigint AS parents,"
                " coalesce(sum(children_created - children_deleted), 0)::bigint AS children,"
                " coalesce(sum(accepted), 0)::bigint AS scans FROM daily_counts"
            )
            bills = "SELECT count(*) FROM bills WHERE deleted_at IS NULL"
        else:
            values, people = Values(scope), " AND area = $1"
            counts = (
                "SELECT (SELECT count(*) FROM bags WHERE area = $1 AND kind = 'parent') AS parents,"
                " (SELECT count(*) FROM bags WHERE area = $1 AND kind = 'child') AS children, $2::bigint AS scans"
            )
            bills = (
                "SELECT count(DISTINCT k.bill_id) FROM bags b JOIN bill_bags k ON k.bag_id = b.id"
                " WHERE b.area = $1 AND b.kind = 'parent' AND k.removed_at IS NULL"
            )

        async def work(connection: Any) -> Totals:
            more = [] if scope is None else [await self._entries(connection, scope)]
            row = await connection.fetchrow(
                f"SELECT now() AS at, c.*, ({bills}) AS bills,"
                f" (SELECT count(*) FROM users WHERE active{people}) AS users,"
                f" (SELECT count(*) FROM users WHERE active AND role = 'dispatcher'{people}) AS dispatchers"
                f" FROM ({counts}) c",
                *values.all,
                *more,
            )
            statuses = await connection.fetch(
                f"SELECT status, count(*) AS n FROM bags b WHERE kind = 'parent'{people} GROUP BY status",
                *values.all,
            )
            found = {"pending": 0, "in_progress": 0, "completed": 0} | {line["status"]: line["n"] for line in statuses}
            return Totals(**dict(row), parents_by_status=found)

        return await read(work)

    async def _entries(self, connection: Any, area: str) -> int:
        """The accepted entries of the area. What is older than any transaction can be is counted once."""
        edge, settled = self._settled.get(area, (0, 0))
        row = await connection.fetchrow(
            "SELECT e.id, count(*) FILTER (WHERE l.id <= e.id) AS settled, count(*) AS fresh FROM scan_ledger l,"
            " (SELECT coalesce(max(id), $2) AS id FROM scan_ledger WHERE area = $1 AND id > $2"
            "  AND recorded_at < now() - interval '1 hour') e"
            " WHERE l.area = $1 AND l.id > $2 AND l.refusal IS NULL GROUP BY e.id",
            area,
            edge,
        )
        if row is None:
            return settled
        self._settled[area] = row["id"], settled + row["settled"]
        return settled + int(row["fresh"])

    async def recent(
        self, scope: str | None, limit: int, *, before: int | None = None, user: int | None = None
    ) -> list[RecentScan]:
        """The newest accepted scans of bags, newest first, at most MAX_RECENT; those before the entry `before`."""
        values = Values()
        limits = within(scope, "l.area", values)
        if before is not None:
            limits += f" AND l.id < {values(before)}"
        if user is not None:
            limits += f" AND l.user_id = {values(user)}"

        async def work(connection: Any) -> list[RecentScan]:
            rows = await connection.fetch(
                "SELECT l.id, l.recorded_at AS at, l.code, l.kind, l.outcome, l.parent, l.bill,"
                " coalesce(u.username, l.scanner, '') AS username"
                " FROM scan_ledger l LEFT JOIN users u ON u.id = l.user_id"
                " WHERE l.outcome IN ('parent_created', 'parent_opened', 'child_linked', 'bill_linked')"
                f"{limits} ORDER BY l.id DESC LIMIT {values(min(max(limit, 1), MAX_RECENT))}::bigint",
                *values.all,
            )
            return [RecentScan(**dict(row)) for row in rows]

        return await (self._ledger.report if before is None else self._ledger.read)(work)

    async def days(self, scope: str | None, count: int) -> list[tuple[date, int]]:
        """The accepted scans of each of the last `count` days, oldest first, today the last; days without any too."""

        async def work(connection: Any) -> list[tuple[date, int]]:
            every = await self._days(connection, count)
            if scope is None:
                rows = await connection.fetch(
                    "SELECT day, sum(accepted)::bigint AS n FROM daily_counts WHERE day BETWEEN $1 AND $2 GROUP BY day",
                    every[0],
                    every[-1],
                )
            else:
                rows = await connection.fetch(
                    "SELECT (recorded_at AT TIME ZONE $1)::date AS day, count(*) AS n FROM scan_ledger"
                    " WHERE area = $2 AND refusal IS NULL AND recorded_at >= $3::date::timestamp AT TIME ZONE $1"
                    " GROUP BY 1",
                    self._ledger.timezone,
                    scope,
                    every[0],
                )
            found = {row["day"]: row["n"] for row in rows}
            return [(day, found.get(day, 0)) for day in every]

        return await self._ledger.report(work)

    async def today(self, scope: str | None) -> Today:
        async def work(connection: Any) -> Today:
            [day] = await self._days(connection, 1)
            values = Values(self._ledger.timezone, day)
            limits = within(scope, "l.area", values)
            rows = await connection.fetch(
                "SELECT extract(hour FROM l.recorded_at AT TIME ZONE $1)::integer AS hour,"
                " CASE WHEN l.user_id IS NULL THEN 'scanner' ELSE coalesce(u.role, 'deleted') END AS role,"
                " count(*) AS n FROM scan_ledger l LEFT JOIN users u ON u.id = l.user_id"
                " WHERE l.refusal IS NULL AND l.recorded_at >= $2::date::timestamp AT TIME ZONE $1"
                f"{limits} GROUP BY 1, 2",
                *values.all,
            )
            hours, roles = [0] * 24, {"admin": 0, "biller": 0, "dispatcher": 0, "scanner": 0}
            for row in rows:
                hours[row["hour"]] += row["n"]
                roles[row["role"]] = roles.get(row["role"], 0) + row["n"]
            return Today(day, hours, roles)

        return await self._ledger.report(work)

    async def work_of(self, user: int, count: int) -> list[DayOfWork]:
        """What a person did on each of the last `count` days, oldest first, today the last; idle days too."""

        async def work(connection: Any) -> list[DayOfWork]:
            every = await self._days(connection, count)
            rows = await connection.fetch(
                "SELECT day, accepted, refused, parents_created, children_created FROM daily_counts"
                " WHERE actor = $1 AND day BETWEEN $2 AND $3",
                f"user:{user}",
                every[0],
                every[-1],
            )
            found = {row["day"]: DayOfWork(**dict(row)) for row in rows}
            return [found.get(day) or DayOfWork(day, 0, 0, 0, 0) for day in every]

        return await self._ledger.report(work)

    async def _days(self, connection: Any, count: int) -> list[date]:
        """The last `count` days, today the last, by the clock that dates the ledger."""
        today: date = await connection.fetchval("SELECT (now() AT TIME ZONE $1)::date", self._ledger.timezone)
        return [today - timedelta(days=number) for number in reversed(range(count))]
