"""Whether every scan that a client was told of is in the ledger once, and everything else agrees with the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.bench.compare import Contender
from tests.bench.latency import Told
from tests.bench.world import World
from tests.cluster.run import say
from tracetrack_app.store.check import Report, check

_RECORDED = "SELECT count(*) FROM scan_ledger WHERE id > $1 AND refusal IS NULL"
_DOUBLED = """
SELECT count(*) FROM (
    SELECT FROM scan_ledger WHERE id > $1 AND outcome = 'child_linked' GROUP BY code HAVING count(*) > 1
) d"""


def last_entry(world: World) -> int:
    """The newest ledger entry's id."""
    found: int = world.ask(lambda connection: connection.fetchval("SELECT max(id) FROM scan_ledger"))
    return found


def faults(world: World, before: int, closed: Sequence[Contender], told: Told) -> int:
    """Scans lost or doubled since entry `before`, and rows of any table that disagree with the ledger."""
    recorded: int = world.ask(lambda connection: connection.fetchval(_RECORDED, before))
    doubled: int = world.ask(lambda connection: connection.fetchval(_DOUBLED, before))
    answered = told.told + sum(each.told for each in closed)
    sent = told.sent + sum(each.sent for each in closed)
    lost = max(0, answered - recorded)
    surplus = max(0, recorded - sent)
    report: Report = world.ask(_check)
    say(
        f"sums: {sent} scans sent, {answered} acknowledged, {recorded} accepted in the ledger (a closed loop ends"
        f" with some unanswered); lost {lost}, doubled {doubled + surplus};"
        f" check of {sum(report.rows.values()):,} rows: {report.broken or 'no faults'}"
    )
    return lost + doubled + surplus + report.faults


async def _check(connection: Any) -> Report:
    return await check(connection)
