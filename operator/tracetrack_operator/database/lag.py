"""Does a read replica answer, and how far is it behind?

A replica tells the time of the last transaction that it has replayed. While its primary is idle that grows by itself,
so it counts only where the replica isn't through with what it has received. TraceTrack's pods write twice a second,
each; of a database that nobody writes to, the replica that loses its connection seems to be as old as the last write.
"""

from __future__ import annotations

import asyncio
from typing import Any

from ..api.conditions import Reason
from ..dependencies.binding import Binding, DatabaseBinding, endpoint
from ..dependencies.checks import CheckResult
from .check import ERRORS, SECONDS, connect, explain

LAGGING_SECONDS = 60.0
_CATCH_UP_SECONDS = 0.5
_STEPS = (0, 10, 30, 60, 120, 300, 600, 1800, 3600, 3 * 3600, 6 * 3600, 12 * 3600, 24 * 3600)
_LOOK = """
SELECT pg_is_in_recovery() AS standby,
       EXISTS (SELECT FROM pg_stat_wal_receiver) AS streaming,
       pg_last_wal_receive_lsn() AS received,
       pg_last_wal_replay_lsn() AS replayed,
       extract(epoch FROM now() - coalesce(pg_last_xact_replay_timestamp(), pg_postmaster_start_time()))::float8 AS age
"""


def in_steps(seconds: float) -> int:
    """The lag as the status tells it: rounded down coarsely, so that a status at rest stays as it is."""
    return max((step for step in _STEPS if step <= seconds), default=0)


async def check_replica(binding: Binding) -> CheckResult:
    """Connect, look, leave, within a few seconds; `lag` is set when it is a standby that answers."""
    if not isinstance(binding, DatabaseBinding):
        raise TypeError(f"a DatabaseBinding is wanted, not {type(binding).__name__}")
    try:
        async with asyncio.timeout(SECONDS):
            return await _look(binding)
    except ERRORS as error:
        return explain(binding, error)


async def _look(binding: DatabaseBinding) -> CheckResult:
    connection = await connect(binding)
    try:
        row = await connection.fetchrow(_LOOK)
        if not row["standby"]:
            where = endpoint(binding)
            return CheckResult(False, Reason.REPLICA_PROMOTED, f"PostgreSQL at {where} takes writes: it is no replica.")
        return CheckResult(True, lag=await _lag(connection, row))
    finally:
        connection.terminate()


async def _lag(connection: Any, row: Any) -> float:
    if not row["streaming"] or row["received"] is None:
        return max(0.0, float(row["age"]))
    if row["received"] == row["replayed"]:
        return 0.0
    # What has just come after a quiet time is on its way: only what isn't replayed soon is a lag.
    await asyncio.sleep(_CATCH_UP_SECONDS)
    replayed = await connection.fetchval("SELECT pg_last_wal_replay_lsn()")
    return _CATCH_UP_SECONDS if replayed >= row["received"] else max(_CATCH_UP_SECONDS, float(row["age"]))
