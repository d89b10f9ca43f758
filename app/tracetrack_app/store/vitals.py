"""How the database is: its size, its sessions, and which statements take long. It is the primary that is looked at."""

from __future__ import annotations

from typing import Any

import asyncpg

from tracetrack_app.store.ledger import Ledger

_NOT_THERE = (
    asyncpg.UndefinedTableError,
    asyncpg.UndefinedColumnError,
    asyncpg.ObjectNotInPrerequisiteStateError,
    asyncpg.InsufficientPrivilegeError,
)
_TEXT = 500


class Vitals:
    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def pool(self) -> dict[str, int]:
        """The connections of this process besides the writer's two."""
        pool = self._ledger.pool
        return {"size": pool.get_size(), "idle": pool.get_idle_size(), "max": pool.get_max_size()}

    async def database(self) -> dict[str, Any]:
        """Sizes in bytes. Raises UnavailableError."""

        async def work(connection: Any) -> dict[str, Any]:
            row = await connection.fetchrow(
                "SELECT pg_database_size(current_database()) AS size_bytes,"
                " current_setting('server_version') AS version, pg_is_in_recovery() AS read_only_replica,"
                " (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()) AS connections,"
                " current_setting('max_connections')::integer AS max_connections,"
                " (SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()) AS deadlocks,"
                " (SELECT xact_rollback FROM pg_stat_database WHERE datname = current_database()) AS rollbacks"
            )
            tables = await connection.fetch(
                "SELECT relname AS name, pg_total_relation_size(relid) AS size_bytes, n_live_tup AS rows"
                " FROM pg_stat_user_tables WHERE schemaname = current_schema() ORDER BY 2 DESC LIMIT 10"
            )
            return {**dict(row), "tables": [dict(table) for table in tables]}

        return await self._ledger.read(work)

    async def slow_queries(self, limit: int) -> tuple[str, list[dict[str, Any]]]:
        """(where from, the statements): those that took most time in all if pg_stat_statements is there; else what
        runs now, the longest first. Milliseconds; texts are cut, and without the values in them.
        """

        async def counted(connection: Any) -> list[dict[str, Any]]:
            rows = await connection.fetch(
                "SELECT left(query, $2) AS query, calls, round(total_exec_time::numeric, 1)::float AS total_ms,"
                " round(mean_exec_time::numeric, 2)::float AS mean_ms,"
                " round(max_exec_time::numeric, 1)::float AS max_ms, rows"
                " FROM pg_stat_statements WHERE dbid = (SELECT oid FROM pg_database"
                " WHERE datname = current_database()) ORDER BY total_exec_time DESC LIMIT $1",
                limit,
                _TEXT,
            )
            return [dict(row) for row in rows]

        async def running(connection: Any) -> list[dict[str, Any]]:
            rows = await connection.fetch(
                "SELECT pid, left(regexp_replace(query, '''[^'']*''', '''?''', 'g'), $2) AS query,"
                " state, wait_event_type AS waits_for,"
                " round(extract(epoch FROM clock_timestamp() - query_start)::numeric * 1000, 1)::float AS running_ms,"
                " application_name FROM pg_stat_activity WHERE datname = current_database() AND state <> 'idle'"
                " AND pid <> pg_backend_pid() AND query_start IS NOT NULL ORDER BY query_start LIMIT $1",
                limit,
                _TEXT,
            )
            return [dict(row) for row in rows]

        try:
            return "pg_stat_statements", await self._ledger.read(counted)
        except _NOT_THERE:
            return "pg_stat_activity", await self._ledger.read(running)
