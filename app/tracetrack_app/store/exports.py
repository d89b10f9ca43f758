"""Whole tables read row by row, whatever their size, as they were at one moment."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any

from tracetrack_app.store.database import FAILED, Connector
from tracetrack_app.store.guarded import guarded
from tracetrack_app.store.standby import WholeReads

BATCH = 500
_TIME = "to_char({} AT TIME ZONE $1, 'YYYY-MM-DD HH24:MI:SS')"
_WEIGHTS = "LEFT JOIN products r ON r.id = {}.product_id CROSS JOIN (SELECT * FROM products WHERE is_default) d"


class Export(StrEnum):
    """What can be exported. The first four can be imported again."""

    BAGS = "bags"
    BILLS = "bills"
    CHILD_PARENT = "child-parent"
    PARENT_BILL = "parent-bill"
    USER_ACTIVITY = "user-activity"
    SYSTEM_STATS = "system-stats"


@dataclass(frozen=True, slots=True)
class Range:
    """Days, both belonging to it, and a user; None is no limit. Only the activity heeds it."""

    first: date | None = None
    last: date | None = None
    user_id: int | None = None


_QUERIES = {
    Export.BAGS: f"""
        SELECT b.code AS qr_id, b.kind AS type, b.name, b.status, b.area, p.code AS parent, x.code AS bill,
               CASE WHEN b.kind = 'parent' THEN b.child_count END AS child_count,
               CASE WHEN b.kind = 'parent' THEN b.capacity END AS capacity,
               CASE WHEN b.kind = 'parent' THEN b.child_count * coalesce(r.child_weight_kg, d.child_weight_kg) END
                   AS weight_kg,
               {_TIME.format("b.created_at")} AS created_at, {_TIME.format("b.updated_at")} AS updated_at
        FROM bags b LEFT JOIN links k ON k.child_id = b.id LEFT JOIN bags p ON p.id = k.parent_id
        LEFT JOIN bill_bags h ON h.bag_id = b.id AND h.removed_at IS NULL LEFT JOIN bills x ON x.id = h.bill_id
        {_WEIGHTS.format("b")} ORDER BY b.id
    """,  # noqa: S608
    Export.BILLS: f"""
        SELECT b.code AS bill_id, b.destination, b.vehicle_number, b.capacity, b.description, b.status,
               b.bag_count AS linked_parents, w.children AS total_children, w.actual AS total_weight_kg,
               w.expected AS expected_weight_kg, u.username AS created_by, {_TIME.format("b.created_at")} AS created_at,
               {_TIME.format("b.completed_at")} AS completed_at
        FROM bills b LEFT JOIN users u ON u.id = b.created_by
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(g.child_count), 0)::bigint AS children,
                   coalesce(sum(g.child_count * coalesce(r.child_weight_kg, d.child_weight_kg)), 0) AS actual,
                   coalesce(sum(coalesce(r.parent_weight_kg, d.parent_weight_kg)), 0) AS expected
            FROM bill_bags h JOIN bags g ON g.id = h.bag_id {_WEIGHTS.format("g")}
            WHERE h.bill_id = b.id AND h.removed_at IS NULL
        ) w
        WHERE b.deleted_at IS NULL ORDER BY b.id
    """,  # noqa: S608
    Export.CHILD_PARENT: f"""
        SELECT p.code AS parent_qr, c.code AS child_qr, {_TIME.format("l.recorded_at")} AS linked_at
        FROM links k JOIN bags c ON c.id = k.child_id JOIN bags p ON p.id = k.parent_id
        LEFT JOIN scan_ledger l ON l.id = k.entry_id ORDER BY k.entry_id
    """,  # noqa: S608
    Export.PARENT_BILL: f"""
        SELECT b.code AS bill_id, g.code AS parent_qr, b.destination, b.vehicle_number, b.capacity, g.child_count,
               g.child_count * coalesce(r.child_weight_kg, d.child_weight_kg) AS weight_kg,
               {_TIME.format("l.recorded_at")} AS linked_at
        FROM bill_bags h JOIN bills b ON b.id = h.bill_id JOIN bags g ON g.id = h.bag_id
        LEFT JOIN scan_ledger l ON l.id = h.entry_id {_WEIGHTS.format("g")}
        WHERE h.removed_at IS NULL ORDER BY b.id, h.entry_id
    """,  # noqa: S608
    Export.USER_ACTIVITY: """
        SELECT c.day AS date, coalesce(u.username, c.actor) AS username, u.role, c.accepted AS scans,
               c.refused AS refused_scans, c.parents_created, c.children_created, c.parents_deleted, c.children_deleted
        FROM daily_counts c LEFT JOIN users u ON c.actor = 'user:' || u.id
        WHERE $1::text IS NOT NULL AND ($2::date IS NULL OR c.day >= $2) AND ($3::date IS NULL OR c.day <= $3)
          AND ($4::bigint IS NULL OR c.actor = 'user:' || $4)
        ORDER BY c.day DESC, 2
    """,
    Export.SYSTEM_STATS: """
        SELECT s.statistic, s.value FROM (
            SELECT 1 AS rank, kind || ' bags, ' || replace(status, '_', ' ') AS statistic, count(*)::text AS value
            FROM bags WHERE kind = 'parent' GROUP BY kind, status
            UNION ALL SELECT 2, 'parent bags', count(*)::text FROM bags WHERE kind = 'parent'
            UNION ALL SELECT 3, 'child bags', count(*)::text FROM bags WHERE kind = 'child'
            UNION ALL SELECT 4, 'children in parents', count(*)::text FROM links
            UNION ALL SELECT 5, 'parents on bills', count(*)::text FROM bill_bags WHERE removed_at IS NULL
            UNION ALL SELECT 6, 'bills, ' || status, count(*)::text FROM bills WHERE deleted_at IS NULL GROUP BY status
            UNION ALL SELECT 7, 'users, ' || role, count(*)::text FROM users GROUP BY role
            UNION ALL SELECT 8, 'scans accepted', coalesce(sum(accepted), 0)::text FROM daily_counts
            UNION ALL SELECT 9, 'scans refused', coalesce(sum(refused), 0)::text FROM daily_counts
            UNION ALL SELECT 10, 'days with scans', count(DISTINCT day)::text FROM daily_counts
            UNION ALL SELECT 11, 'return tickets, ' || status, count(*)::text FROM return_tickets GROUP BY status
            UNION ALL SELECT 12, 'size of the database in bytes', pg_database_size(current_database())::text
            UNION ALL SELECT 13, 'as of', to_char(now() AT TIME ZONE $1, 'YYYY-MM-DD HH24:MI:SS')
        ) s ORDER BY s.rank, s.statistic
    """,
}


class Reader:
    """One export under way, on a connection of its own. Close it.

    It has whatever was committed before it began, also from a standby. One that breaks off there after its first rows
    is not gone on with on the primary: that would be another moment.
    """

    def __init__(self, connection: Any, standby: WholeReads | None = None) -> None:
        self._connection = connection
        self._standby = standby
        self._cursor: Any = None
        self._first: list[Any] = []
        self.header: list[str] = []
        """The names of the columns."""

    @classmethod
    async def open(
        cls, connector: Connector, what: Export, timezone: str, within: Range, standby: WholeReads | None = None
    ) -> Reader:
        """Raises UnavailableError."""
        arguments: list[Any] = [timezone]
        if what is Export.USER_ACTIVITY:
            arguments += [within.first, within.last, within.user_id]
        connection = await standby.whole() if standby is not None else None
        if standby is not None and connection is not None:
            try:
                return await cls._begin(cls(connection, standby), _QUERIES[what], arguments)
            except FAILED as error:
                standby.broke(error)
        async with guarded(connector):
            return await cls._begin(cls(await connector.connect()), _QUERIES[what], arguments)

    @staticmethod
    async def _begin(reader: Reader, query: str, arguments: Sequence[Any]) -> Reader:
        connection = reader._connection
        try:
            await connection.execute("SET statement_timeout = 0; SET jit = off; SET cursor_tuple_fraction = 1")
            # Before the statement is prepared, which begins a transaction of its own.
            await connection.transaction(isolation="repeatable_read", readonly=True).start()
            statement = await connection.prepare(query)
            reader.header = [attribute.name for attribute in statement.get_attributes()]
            reader._cursor = await statement.cursor(*arguments)
            reader._first = await reader._cursor.fetch(BATCH, timeout=None)
        except BaseException:
            connection.terminate()
            raise
        return reader

    async def batches(self) -> AsyncIterator[list[Any]]:
        """Up to BATCH rows at a time, all as of one moment; what is not taken is not read."""
        rows, self._first = self._first, []
        while rows:
            yield rows
            try:
                rows = await self._cursor.fetch(BATCH, timeout=None)
            except FAILED as error:
                if self._standby is not None:
                    self._standby.broke(error)
                raise

    def close(self) -> None:
        self._connection.terminate()
