"""What is read from PostgreSQL."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg

from tracetrack_app.domain.people import Principal, Role
from tracetrack_app.store.cache import Cache


class Reads:
    """Reads over a pool of connections."""

    def __init__(self, pool: Any, cache: Cache) -> None:
        self._pool = pool
        self._cache = cache

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
