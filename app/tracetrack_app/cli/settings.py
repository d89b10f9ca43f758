"""`tracetrack settings`."""

from __future__ import annotations

import argparse
import os
from typing import Any

from tracetrack_app.cli import database
from tracetrack_app.cli.output import FAULTS, FINE, CommandError, add_output, print_json
from tracetrack_app.domain.business_settings import SETTINGS, Value
from tracetrack_app.settings import Settings, SettingsError
from tracetrack_app.store.audit import Audit, Who, acting
from tracetrack_app.store.business_settings import BusinessSettings, Held, defaults
from tracetrack_app.store.coherence import Coherence
from tracetrack_app.store.database import Connector
from tracetrack_app.store.ledger import Ledger
from tracetrack_app.store.writer import UnavailableError

_WHO = Who(username="tracetrack settings")
_DEFAULT = "default"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Tell or change what an admin sets while the service runs.\n\n"
        "Without arguments each setting is listed. A change holds on all replicas when the command ends, and is in\n"
        "the audit log."
    )
    width = max(map(len, SETTINGS))
    lines = []
    for each in SETTINGS.values():
        lines.append(f"  {each.name:{width}}  {each.description}")
        if each.variable is not None:
            lines.append(f"  {'':{width}}  The default is in {each.variable}.")
    parser.epilog = "settings:\n" + "\n".join(lines)
    commands = parser.add_subparsers(dest="what", metavar="set")
    change = commands.add_parser("set", help="change one", description="Change a setting.")
    change.add_argument("name", choices=SETTINGS, metavar="NAME")
    change.add_argument("value", metavar="VALUE", help=f"the value, or {_DEFAULT}: what the environment says")
    add_output(parser)
    add_output(change)


def run(arguments: argparse.Namespace) -> int:
    try:
        given = Settings.load(os.environ)
    except SettingsError as error:
        raise CommandError(f"{error}; the settings need what the app needs") from None
    changes: dict[str, Value | None] = {}
    if arguments.what == "set":
        word = arguments.value.strip()
        try:
            changes[arguments.name] = None if word.lower() == _DEFAULT else SETTINGS[arguments.name].read(word)
        except ValueError as error:
            raise CommandError(f"{arguments.name} {word[:50]!r}: {error}, or {_DEFAULT}") from None

    async def work(_: Any, source: Connector) -> list[Held]:
        pool = await source.pool(2)
        coherence = Coherence(source, given.bindings.cache)
        acting.set(lambda: _WHO)
        try:
            ledger = Ledger(source, pool, given.timezone, coherence.changed, Audit(pool, given.secrets))
            settings = BusinessSettings(ledger, None, defaults(given))
            if not changes:
                return await settings.held()
            coherence.start()
            try:
                return await settings.change(None, changes)
            finally:
                await coherence.stop()
        finally:
            pool.terminate()

    try:
        held = database.run(work)
    except (UnavailableError, TimeoutError) as error:
        raise CommandError(str(error), FAULTS) from None
    shown = [each for each in held if not changes or each.setting.name in changes]
    if arguments.output == "json":
        print_json([_document(each) for each in shown])
    else:
        width = max(len(each.setting.name) for each in shown)
        for each in shown:
            print(f"{each.setting.name:{width}}  {_words(each)}")
    return FINE


def _words(held: Held) -> str:
    value = str(held.value).lower()
    if not held.is_set:
        return f"{value} (default)"
    when = f" {held.changed_at:%Y-%m-%d %H:%M %Z}" if held.changed_at is not None else ""
    who = f" by {held.changed_by}" if held.changed_by is not None else ""
    return f"{value} (set{who}{when}; default {str(held.default).lower()})"


def _document(held: Held) -> dict[str, Any]:
    return {
        "name": held.setting.name,
        "value": held.value,
        "source": "set" if held.is_set else "default",
        "default": held.default,
        "changed_by": held.changed_by,
        "changed_at": held.changed_at.isoformat() if held.changed_at is not None else None,
    }
