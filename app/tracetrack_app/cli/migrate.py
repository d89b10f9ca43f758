"""`tracetrack migrate`."""

from __future__ import annotations

import argparse
import os
from typing import Any

from tracetrack_app.cli import database
from tracetrack_app.cli.output import FAULTS, FINE, CommandError, add_output, print_json
from tracetrack_app.settings import SettingsError, migration_limits
from tracetrack_app.store.database import Connector
from tracetrack_app.store.migrate import MigrationError, Planned, migrate, migrations, plan
from tracetrack_app.store.migrate_guard import Limits


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Bring the schema of the database to this version.\n\n"
        "The app does this by itself when it starts. A migration that would write a large table anew or lock it for\n"
        "long is refused; stop the service and give --allow-rewrite to run it all the same."
    )
    add_output(parser)
    parser.add_argument(
        "--plan", action="store_true", help="show what would run, and what would be refused; run nothing"
    )
    parser.add_argument("--allow-rewrite", action="store_true", help="also run what locks a large table for long")


def run(arguments: argparse.Namespace) -> int:
    try:
        large = migration_limits(os.environ)
    except SettingsError as error:
        raise CommandError(str(error)) from None
    limits = Limits(
        rows=large["migration_large_rows"],
        megabytes=large["migration_large_megabytes"],
        allow_rewrite=arguments.allow_rewrite,
    )

    async def work(connection: Any, source: Connector) -> tuple[list[Planned], list[int], str]:
        planned = await plan(connection, migrations(), limits)
        ran = [] if arguments.plan else await migrate(connection, migrations(), limits)
        return planned, ran, source.where

    try:
        planned, ran, where = database.run(work, needs_schema=False)
    except MigrationError as error:
        raise CommandError(str(error), FAULTS) from None
    refused = [each for each in planned if each.objections] if arguments.plan else []
    if arguments.output == "json":
        print_json(
            {
                "database": where,
                "ran": [each.migration.title for each in planned if each.migration.version in ran],
                "pending": [
                    {
                        "migration": each.migration.title,
                        "transaction": each.migration.transactional,
                        "refused": list(each.objections),
                    }
                    for each in (planned if arguments.plan else [])
                ],
            }
        )
    elif arguments.plan:
        _print_plan(planned, where)
    else:
        titles = [each.migration.title for each in planned if each.migration.version in ran]
        print("\n".join([f"{where}: ran {title}" for title in titles] or [f"{where}: nothing to run"]))
    return FAULTS if refused else FINE


def _print_plan(planned: list[Planned], where: str) -> None:
    if not planned:
        print(f"{where}: nothing to run")
    for each in planned:
        how = "in a transaction" if each.migration.transactional else "statement by statement"
        print(f"{where}: would run {each.migration.title} {how}")
        for objection in each.objections:
            print(f"  refused: {objection}")
