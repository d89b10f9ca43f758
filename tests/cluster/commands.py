"""The command lines of the stage; `tests/cluster/NAME ARGS` is `python -m tests.cluster.commands NAME ARGS`.

They run before there is a virtual environment, so with the standard library only.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from tests.cluster.run import StageError


def _binaries(arguments: list[str]) -> None:
    from tests.cluster import golang

    _none("binaries", "Compile what integration tests start and print its folder.", arguments)
    print(golang.kubernetes().parent)


def _tools(arguments: list[str]) -> None:
    from tests.cluster import tools

    parser = argparse.ArgumentParser("tools", description="Have these tools and print their paths, one a line.")
    parser.add_argument("tool", nargs="*", choices=[[], *tools.TOOLS], help="all of them if none is named")
    for name in parser.parse_args(arguments).tool or tools.TOOLS:
        print(tools.TOOLS[name]())


def _packages(arguments: list[str]) -> None:
    from tests.cluster import packages

    _none("packages", "Install the Debian packages of packages.txt that are missing.", arguments)
    packages.ensure()


def _venv(arguments: list[str]) -> None:
    from tests.cluster import venv

    parser = argparse.ArgumentParser("venv", description="Have the project's virtual environment, from the pins.")
    parser.add_argument("folder", type=Path)
    venv.make(parser.parse_args(arguments).folder.resolve())


def _up(arguments: list[str]) -> None:
    from tests.cluster.kindcluster import KindCluster

    _none("up", "Have a kind cluster; settings come from the environment, see README.md.", arguments)
    cluster = KindCluster.from_environment()
    cluster.up()
    print(f"export KUBECONFIG={cluster.kubeconfig}")


def _down(arguments: list[str]) -> None:
    from tests.cluster.kindcluster import KindCluster

    _none("down", "Delete the kind cluster and leave nothing running.", arguments)
    KindCluster.from_environment().down()


def _build_image(arguments: list[str]) -> None:
    from tests.cluster import images

    parser = argparse.ArgumentParser("build-image", description="Build an image and load it into a kind cluster.")
    parser.add_argument("name", help="NAME:TAG")
    parser.add_argument("context", type=Path, help="folder that the Dockerfile copies from")
    parser.add_argument("-f", "--file", type=Path, help="Dockerfile (default: the one in the folder)")
    parser.add_argument("--cluster", default=os.environ.get("CLUSTER_NAME") or "tracetrack")
    parser.add_argument("--no-load", action="store_true", help="build only")
    given = parser.parse_args(arguments)
    print(images.build(given.name, given.context, given.file))
    if not given.no_load:
        images.load([given.name], given.cluster)


def _none(name: str, description: str, arguments: list[str]) -> None:
    argparse.ArgumentParser(name, description=description).parse_args(arguments)


_COMMANDS = {
    "binaries": _binaries,
    "tools": _tools,
    "packages": _packages,
    "venv": _venv,
    "up": _up,
    "down": _down,
    "build-image": _build_image,
}


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
    except KeyboardInterrupt:
        print(f"{arguments[0]}: interrupted; run it again to go on", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
