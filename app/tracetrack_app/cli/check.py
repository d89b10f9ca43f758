"""`tracetrack check`."""

from __future__ import annotations

import argparse
import contextlib
from typing import Any

from tracetrack_app.cli import database
from tracetrack_app.cli.output import FAULTS, FINE, CommandError, Progress, add_output, duration, print_json
from tracetrack_app.store.check import Report, check
from tracetrack_app.store.check_rules import RULES, Rule
from tracetrack_app.store.database import Connector


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Verify that ledger, counters and bags agree to the row.\n\n"
        "Everything is looked at in one read-only snapshot: the service goes on meanwhile, and what it writes during\n"
        "the check is not looked at."
    )
    parser.epilog = "rules:\n" + "\n".join(f"  {rule.name:<15}{rule.says}" for rule in RULES)
    add_output(parser)
    parser.add_argument("--rule", action="append", metavar="NAME", help="look at this rule only; may be given again")


def run(arguments: argparse.Namespace) -> int:
    rules = _chosen(arguments.rule)

    async def work(connection: Any, source: Connector) -> tuple[Report, str]:
        with Progress("check", len(rules), "rules") as progress:

            def began(number: int, rule: Rule) -> None:
                progress.advance(1 if number else 0, rule.says)

            return await check(connection, rules, began=began), source.where

    report, where = database.run(work)
    with contextlib.suppress(BrokenPipeError):
        if arguments.output == "json":
            print_json(_document(report, where))
        else:
            _print(report, where)
    return FAULTS if report.faults else FINE


def _chosen(names: list[str] | None) -> tuple[Rule, ...]:
    known = {rule.name: rule for rule in RULES}
    if not names:
        return RULES
    unknown = [name for name in names if name not in known]
    if unknown:
        raise CommandError(f"--rule {unknown[0]}: there is no such rule; there are {', '.join(known)}")
    return tuple(rule for rule in RULES if rule.name in names)


def _print(report: Report, where: str) -> None:
    rows = ", ".join(f"{count:,} {table}" for table, count in report.rows.items())
    print(f"{where} at {report.at:%Y-%m-%d %H:%M:%S %Z}: {rows}")
    # What is broken comes last: the end of the output is what people see, and what a pod's status keeps.
    for verdict in sorted(report.verdicts, key=lambda each: bool(each.faults)):
        mark = "ok   " if not verdict.faults else "FAULT"
        tail = "" if not verdict.faults else f": {verdict.faults:,} faults"
        print(f"{mark}  {verdict.rule.name:<15}{verdict.rule.says}{tail}")
        for example in verdict.examples:
            print(f"         {example.code}: {example.detail}")
        if verdict.faults > len(verdict.examples):
            print(f"         … and {verdict.faults - len(verdict.examples):,} more")
        if verdict.faults:
            print(f"         {verdict.rule.remedy}")
    found = "no fault" if not report.faults else f"{report.faults:,} faults in {len(report.broken)} rules"
    print(f"{found}; {len(report.verdicts)} rules in {duration(report.seconds)}")


def _document(report: Report, where: str) -> dict[str, Any]:
    return {
        "database": where,
        "at": report.at.isoformat(),
        "seconds": round(report.seconds, 3),
        "rows": report.rows,
        "faults": report.faults,
        "rules": [
            {
                "rule": verdict.rule.name,
                "says": verdict.rule.says,
                "faults": verdict.faults,
                "seconds": round(verdict.seconds, 3),
                "examples": [{"code": example.code, "detail": example.detail} for example in verdict.examples],
                "remedy": verdict.rule.remedy if verdict.faults else None,
            }
            for verdict in report.verdicts
        ],
    }
