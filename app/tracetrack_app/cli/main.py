"""The command line: which commands there are, and how they end."""

from __future__ import annotations

import argparse
import importlib
import sys
import traceback
from collections.abc import Sequence
from typing import NoReturn, Protocol, cast

from tracetrack_app import __version__
from tracetrack_app.cli.output import USAGE, CommandError

# Only the module of the command at hand is imported: the rest would make every start slower.
COMMANDS: dict[str, tuple[str, str]] = {
    "migrate": ("tracetrack_app.cli.migrate", "bring the schema of the database to this version"),
    "create-admin": ("tracetrack_app.cli.create_admin", "make an account that may do everything"),
    "check": ("tracetrack_app.cli.check", "verify that ledger, counters and bags agree to the row"),
    "import": ("tracetrack_app.cli.imports", "record lists of bags, bills, children and parents"),
    "export": ("tracetrack_app.cli.exports", "write a whole table as CSV or Excel"),
    "settings": ("tracetrack_app.cli.settings", "tell or change what an admin sets while the service runs"),
    "audit": ("tracetrack_app.cli.audit", "find what was tampered with in the audit log"),
}
_EPILOG = """\
The database is found as the app finds it: DATABASE_URL, or the binding in SERVICE_BINDING_ROOT.
Exit status: 0 fine, 1 something is wrong with what was looked at, 2 wrong usage or no connection."""


class Command(Protocol):
    """What a command's module has."""

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Add the arguments."""

    def run(self, arguments: argparse.Namespace) -> int:
        """Do it; the exit status. Raises CommandError."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        print(f"{self.prog}: {message}\nTry: {self.prog} --help", file=sys.stderr)
        sys.exit(USAGE)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command in `argv` (default: the process's); the exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    parser = _Parser(prog="tracetrack", description="Operate a TraceTrack installation.", epilog=_EPILOG)
    parser.formatter_class = lambda prog: argparse.RawDescriptionHelpFormatter(prog, max_help_position=20)
    parser.add_argument("--version", action="version", version=f"tracetrack {__version__}")
    commands = parser.add_subparsers(title="commands", dest="command", metavar="COMMAND", required=True)
    chosen = next((word for word in words if not word.startswith("-")), None)
    for name, (module, says) in COMMANDS.items():
        command = commands.add_parser(name, help=says, description=f"{says[0].upper()}{says[1:]}.")
        command.formatter_class = argparse.RawDescriptionHelpFormatter
        if name == chosen:
            cast(Command, importlib.import_module(module)).configure(command)
    arguments = parser.parse_args(words)
    try:
        return cast(Command, importlib.import_module(COMMANDS[arguments.command][0])).run(arguments)
    except CommandError as error:
        print(f"tracetrack {arguments.command}: {error}", file=sys.stderr)
        return error.status
    except BrokenPipeError:
        sys.stderr.close()
        return USAGE
    except Exception:
        # Not Python's own status for this, which is 1: a script would take it for faults that were found.
        traceback.print_exc()
        return USAGE
    except KeyboardInterrupt:
        print(f"tracetrack {arguments.command}: interrupted", file=sys.stderr)
        return 130
