"""`tracetrack audit`."""

from __future__ import annotations

import argparse
import os
from typing import Any

from tracetrack_app.cli import database
from tracetrack_app.cli.output import FAULTS, FINE, CommandError, add_output, print_json
from tracetrack_app.settings import Bindings, SettingsError
from tracetrack_app.store.audit import Fault, verify
from tracetrack_app.store.database import Connector


def configure(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    action = actions.add_parser(
        "verify",
        help="find rows of the audit log that were changed, removed or put in",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description=(
            "Find rows of the audit log that were changed, removed or put in.\n\n"
            "The chain of hashes is checked, and with the session secret also that the app wrote every row. Whoever\n"
            "can write to the database can cut off the newest rows: keep the number and the hash of a row elsewhere\n"
            "(the last line of an export has them) and give them as the witness to find that too."
        ),
    )
    action.add_argument("--witness", metavar="SEQ:HASH", help="a row that is known to have been there")
    action.add_argument("--chain-only", action="store_true", help="do not look at the seals; needs no session secret")
    add_output(action)


def run(arguments: argparse.Namespace) -> int:
    witness = _witness(arguments.witness)
    secrets: tuple[bytes, ...] = ()
    if not arguments.chain_only:
        try:
            bindings = Bindings(os.environ)
            secrets = (bindings.session_secret(), *bindings.previous_secrets())
        except SettingsError as error:
            raise CommandError(f"{error}; or give --chain-only") from None

    async def work(connection: Any, source: Connector) -> tuple[list[Fault], int, str]:
        found = await verify(connection, secrets, witness)
        return found, await connection.fetchval("SELECT count(*) FROM audit_log"), source.where

    faults, rows, where = database.run(work)
    if arguments.output == "json":
        print_json(
            {
                "database": where,
                "rows": rows,
                "sealed": not arguments.chain_only,
                "faults": [{"seq": each.seq, "kind": each.kind, "message": each.message} for each in faults],
            }
        )
        return FAULTS if faults else FINE
    for each in faults:
        print(f"FAULT  {each.kind:<9}{each.message}")
    what = "chain" if arguments.chain_only else "chain and seals"
    print(f"{where}: {rows:,} rows, {what}: {f'{len(faults)} faults' if faults else 'whole'}")
    return FAULTS if faults else FINE


def _witness(text: str | None) -> tuple[int, bytes] | None:
    if text is None:
        return None
    number, _, digest = text.partition(":")
    try:
        witness = int(number), bytes.fromhex(digest)
    except ValueError:
        witness = 0, b""
    if witness[0] < 1 or len(witness[1]) != 32:
        raise CommandError(f"--witness {text!r}: give the row's number and its hash, as 128:9f86d0… (64 hex digits)")
    return witness
