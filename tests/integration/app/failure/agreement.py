"""What clients were told against what the database holds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import asyncpg

from tests.integration.app.process import Load
from tracetrack_app.store.check import check


async def until(what: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait until `what()`; it may block."""
    async with asyncio.timeout(seconds):
        while not await asyncio.to_thread(what):
            await asyncio.sleep(0.05)


async def nothing_lost_nothing_doubled(dsn: str, load: Load) -> None:
    """Every acknowledged scan is in the ledger once, nothing is there that was not sent, and `check` is clean."""
    connection = await asyncpg.connect(dsn)
    try:
        rows = await connection.fetch("SELECT scan_id::text, code, refusal FROM scan_ledger")
        found = {row["scan_id"]: row for row in rows}
        assert len(found) == len(rows)
        for scan_id, code in load.acknowledged.items():
            assert scan_id in found, f"{code} was acknowledged and is not in the ledger"
            assert (found[scan_id]["code"], found[scan_id]["refusal"]) == (code, None)
        assert set(found) <= set(load.acknowledged) | set(load.unknown)
        linked = await connection.fetchval("SELECT count(*) FROM links")
        assert linked == sum(not row["code"].startswith("SB") for row in rows if row["refusal"] is None)
        assert (await check(connection)).broken == {}
    finally:
        await connection.close()


async def still_unknown(dsn: str, load: Load) -> int:
    """How many scans the clients gave up on that were not recorded."""
    connection = await asyncpg.connect(dsn)
    rows = await connection.fetch("SELECT scan_id::text FROM scan_ledger")
    await connection.close()
    return len(set(load.unknown) - {row["scan_id"] for row in rows})
