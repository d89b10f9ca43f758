"""What is read from PostgreSQL."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg

from tracetrack_app.domain.people import Principal, Role
from tracetrack_app.store.cache import Cache
from tracetrack_app.store.fresh import Fresh

MAX_RECENT = 1000


@dataclass(frozen=True, slots=True)
class Totals:
    """All counts are of things, not of scans, but for `scans`: accepted scans and undos, ever."""

    parents: int
    children: int
    scans: int
    bills: int
    dispatchers: int
    parents_by_status: dict[str, int]
    at: datetime


@dataclass(frozen=True, slots=True)
class RecentScan:
    id: int
    at: datetime
    code: str
    kind: str
    username: str


class Reads:
    """Reads over a pool of connections."""

    def __init__(self, pool: Any, cache: Cache) -> None:
        self._pool = pool
        self._cache = cache
        self._totals = Fresh(self._count)

    async def ping(self) -> None:
        """Raises what asyncpg raises when the database does not answer within two seconds, or takes no writes.

        The pool's connections are then not used again: after a fail-over they may lead to the server that was.
        """
        try:
            async with asyncio.timeout(2), self._pool.acquire(timeout=2) as connection:
                if await connection.fetchval("SHOW transaction_read_only") == "on":
                    raise asyncpg.ReadOnlySQLTransactionError("the server takes no writes")
        except Exception:
            await self._pool.expire_connections()
            raise

    async def totals(self) -> Totals:
        """Counted after the call began."""
        return (await self._totals.get())[0]

    async def shared_totals(self) -> tuple[Totals, bool]:
        """Totals counted after the call began, and whether another call had them counted."""
        return await self._totals.get()

    async def _count(self) -> Totals:
        row = await self._pool.fetchrow(
            "SELECT now() AS at, c.*, (SELECT count(*) FROM bills) AS bills,"
            " (SELECT count(*) FROM users WHERE role = 'dispatcher' AND active) AS dispatchers"
            " FROM (SELECT coalesce(sum(accepted), 0)::bigint AS scans,"
            " coalesce(sum(parents_created), 0)::bigint AS parents,"
            " coalesce(sum(children_created), 0)::bigint AS children FROM daily_counts) c"
        )
        statuses = await self._pool.fetch(
            "SELECT status, count(*) AS n FROM bags WHERE kind = 'parent' GROUP BY status ORDER BY status"
        )
        counts = {"pending": 0, "in_progress": 0, "completed": 0} | {line["status"]: line["n"] for line in statuses}
        return Totals(
            row["parents"], row["children"], row["scans"], row["bills"], row["dispatchers"], counts, row["at"]
        )

    async def recent_scans(self, limit: int) -> list[RecentScan]:
        """The newest accepted scans of parents and children, newest first; at most MAX_RECENT."""
        rows = await self._pool.fetch(
            "SELECT l.id, l.recorded_at, l.code, l.kind, coalesce(u.username, l.scanner, '') AS username"
            " FROM scan_ledger l LEFT JOIN users u ON u.id = l.user_id"
            " WHERE l.refusal IS NULL AND l.outcome <> 'unlinked' ORDER BY l.id DESC LIMIT $1",
            min(max(limit, 1), MAX_RECENT),
        )
        return [RecentScan(*row) for row in rows]

    async def fill(self, parent: str) -> tuple[int, int]:
        """(children in the parent, its capacity); (0, 0) when there is no such parent."""
        row = await self._pool.fetchrow(
            "SELECT child_count, capacity FROM bags WHERE code = $1 AND kind = 'parent'", parent
        )
        return (row["child_count"], row["capacity"]) if row else (0, 0)

    async def principal(self, user_id: int | None) -> Principal | None:
        """The account as it is now; None when there is none that may log in. Whoever changes one tells `user:<id>`."""
        return await self._cache.get(f"user:{user_id}", lambda: self._principal(user_id))

    async def _principal(self, user_id: int | None) -> Principal | None:
        row = await self._pool.fetchrow(
            "SELECT id, username, role, area, session_epoch, must_change_password, totp_enabled FROM users"
            " WHERE id = $1 AND active AND approved",
            user_id,
        )
        return Principal(row[0], row[1], Role(row[2]), *row[3:]) if row else None
