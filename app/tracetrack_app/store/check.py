"""Whether ledger, counters and bags of a database agree to the row."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tracetrack_app.store.check_rules import RULES, Rule

EXAMPLES = 10
_TABLES = ("bags", "links", "bills", "bill_bags", "return_ticket_bags", "scan_ledger", "daily_counts")


@dataclass(frozen=True, slots=True)
class Example:
    """One fault: the code of the bag, bill, ticket or actor, and what is wrong with it."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one rule found. `examples` are the first ones by code; `seconds` is how long it took."""

    rule: Rule
    faults: int
    examples: tuple[Example, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class Report:
    """What a check found, all of it at one moment (`at`). `rows` holds the number of rows of every table read."""

    at: datetime
    rows: dict[str, int]
    verdicts: tuple[Verdict, ...]
    seconds: float

    @property
    def faults(self) -> int:
        return sum(verdict.faults for verdict in self.verdicts)

    @property
    def broken(self) -> dict[str, int]:
        """The number of faults by the name of the rule, for the rules that do not hold."""
        return {verdict.rule.name: verdict.faults for verdict in self.verdicts if verdict.faults}


Began = Callable[[int, Rule], None]


async def check(connection: Any, rules: Iterable[Rule] = RULES, *, began: Began | None = None) -> Report:
    """Look at everything in one read-only snapshot; scans go on meanwhile.

    `began` is called with the number of a rule (from 0) before it is looked at. Raises what asyncpg raises.
    """
    start = time.perf_counter()
    verdicts = []
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        # A join takes this much memory, and temporary files for the rest; row by row it would take hours.
        await connection.execute(
            "SET LOCAL work_mem = '32MB'; SET LOCAL enable_nestloop = off; SET LOCAL jit = off;"
            " SET LOCAL statement_timeout = 0"
        )
        counts = ", ".join(f"(SELECT count(*) FROM {table}) AS {table}" for table in _TABLES)  # noqa: S608
        row = await connection.fetchrow(f"SELECT now() AS at, {counts}", timeout=None)
        for number, rule in enumerate(rules):
            if began is not None:
                began(number, rule)
            verdicts.append(await _judge(connection, rule))
    rows = {table: row[table] for table in _TABLES}
    return Report(row["at"], rows, tuple(verdicts), time.perf_counter() - start)


async def _judge(connection: Any, rule: Rule) -> Verdict:
    start = time.perf_counter()
    # Materialized: the limit must not make the planner look bag by bag for the first faults.
    first = f'SELECT code, detail, count(*) OVER () AS n FROM f ORDER BY code COLLATE "C" LIMIT {EXAMPLES}'  # noqa: S608
    found = await connection.fetch(f"WITH f (code, detail) AS MATERIALIZED ({rule.sql}) {first}", timeout=None)
    examples = tuple(Example(line["code"], line["detail"]) for line in found)
    return Verdict(rule, found[0]["n"] if found else 0, examples, time.perf_counter() - start)
