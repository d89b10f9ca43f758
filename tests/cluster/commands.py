"""The command lines of the stage; `tests/cluster/NAME ARGS` is `python -m tests.cluster.commands NAME ARGS`.

They run before there is a virtual environment, so with the standard library only.
"""

from __future__ import annotations

import sys

from tests.cluster.run import StageError


def _binaries(arguments: list[str]) -> None:
    from tests.cluster import golang

    if arguments:
        raise StageError("binaries takes no arguments")
    print(golang.kubernetes().parent)


_COMMANDS = {"binaries": _binaries}


def main(arguments: list[str]) -> int:
    """Run the named command; 1 with a message on stderr when the stage can't be set up, 2 for a wrong name."""
    if not arguments or arguments[0] not in _COMMANDS:
        print(f"usage: python -m tests.cluster.commands {{{','.join(_COMMANDS)}}}", file=sys.stderr)
        return 2
    try:
        _COMMANDS[arguments[0]](arguments[1:])
    except StageError as error:
        print(f"{arguments[0]}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
