"""`kubectl tracetrack`: options, commands, and how they end."""

from __future__ import annotations

import asyncio
import json
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..engine.errors import ReconcileError
from . import approve, bundle, cost, drill, plan, restore, rotate, status, suspend, why
from .cluster import Cluster
from .errors import CliError
from .installation import DEFAULT_NAMESPACE

Run = Callable[[Cluster, Namespace], Awaitable[dict[str, Any]]]
Text = Callable[[Mapping[str, Any]], list[str]]


@dataclass(frozen=True)
class Command:
    """`run` gives what `-o json` prints, `text` writes it for people; `options` adds what the command takes."""

    name: str
    help: str
    run: Run
    text: Text
    options: Callable[[ArgumentParser], None]


def _named(parser: ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="the TraceTrackDeployment")


def _planned(parser: ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", nargs="?", help="the TraceTrackDeployment")
    parser.add_argument(
        "-f", "--filename", metavar="FILE", help="plan for this manifest, as if it were applied, instead"
    )
    parser.add_argument("--delete", action="store_true", help="show what a deletion would do instead")
    _operators(parser)


def _operators(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--operator-namespace",
        metavar="NAMESPACE",
        default=DEFAULT_NAMESPACE,
        help="where the operator runs, whose settings decide (default: %(default)s)",
    )
    parser.add_argument("--region", help="AWS region, where spec.aws.region names none (default: the operator's)")


def _explained(parser: ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="the TraceTrackDeployment, or fleet/NAME")


def _approved(parser: ArgumentParser) -> None:
    _named(parser)
    parser.add_argument("-y", "--yes", action="store_true", help="don't ask")


def _priced(parser: ArgumentParser) -> None:
    _named(parser)
    _operators(parser)


def _rotated(parser: ArgumentParser) -> None:
    _named(parser)
    parser.add_argument("--database", action="store_true", help="those of the database (default: both)")
    parser.add_argument("--cache", action="store_true", help="those of the cache (default: both)")
    parser.add_argument("--wait", action="store_true", help="until the application has them")
    parser.add_argument(
        "--timeout", type=float, metavar="SECONDS", default=1800.0, help="how long to wait (default: %(default)g)"
    )


def _restored(parser: ArgumentParser) -> None:
    _priced(parser)
    parser.add_argument("--list", action="store_true", help="show what can be restored, and make nothing")
    parser.add_argument("--to", metavar="NEWNAME", help="name of the new TraceTrackDeployment")
    parser.add_argument("--snapshot", metavar="ID", help="with the data of this DB snapshot")
    parser.add_argument("--at", metavar="TIME", help="with the data as of then, in UTC: 2026-11-23T14:05:00Z")
    parser.add_argument("--latest", action="store_true", help="with the data as of the latest moment there is")
    parser.add_argument("--dry-run", action="store_true", help="print the manifest (YAML; with -o json JSON) instead")
    parser.add_argument("-y", "--yes", action="store_true", help="don't ask")


def _bundled(parser: ArgumentParser) -> None:
    _priced(parser)
    parser.add_argument("-f", "--filename", metavar="FILE.tar.gz", required=True, help="the file to write")


COMMANDS = (
    Command("plan", "show what would be done, in order, and what is held", plan.run, plan.text, _planned),
    Command("status", "show a deployment and what it is made of", status.run, status.text, _named),
    Command("why", "tell what holds an object up, since when, and what to do", why.run, why.text, _explained),
    Command("approve", "let what waits for approval go now", approve.run, approve.text, _approved),
    Command("pause", "have nothing of a deployment changed", suspend.pause, suspend.text, _named),
    Command("resume", "have a deployment kept as declared again", suspend.resume, suspend.text, _named),
    Command("cost", "tell what a deployment costs a month in AWS", cost.run, cost.text, _priced),
    Command("restore", "make a new deployment with the data of this one", restore.run, restore.text, _restored),
    Command("drill", "have a restore of the latest snapshot tried now", drill.run, drill.text, _named),
    Command("rotate", "give the application other credentials", rotate.run, rotate.text, _rotated),
    Command("support-bundle", "collect what helps to help, without secrets", bundle.run, bundle.text, _bundled),
)


def parser() -> ArgumentParser:
    common = ArgumentParser(add_help=False)
    common.add_argument("-n", "--namespace", help="namespace of the deployment (default: the context's)")
    common.add_argument("--context", help="context of the kubeconfig")
    common.add_argument("--kubeconfig", metavar="FILE", help="path of the kubeconfig")
    common.add_argument(
        "-o", "--output", choices=["text", "json"], default="text", help="for people, or for machines (default: text)"
    )
    top = ArgumentParser(
        prog="kubectl tracetrack", description="What TraceTrack runs, what would be done to it, and why it waits."
    )
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.options(
            commands.add_parser(command.name, help=command.help, description=command.help, parents=[common])
        )
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    command = next(each for each in COMMANDS if each.name == options.command)
    try:
        found = asyncio.run(_run(command, options))
    except CliError as error:
        print(f"kubectl tracetrack: {error}", file=sys.stderr)
        return 1
    except ReconcileError as error:
        print(f"kubectl tracetrack: {_mine(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    if options.output == "json":
        print(json.dumps(found, indent=2, default=str, ensure_ascii=False))
    else:
        print("\n".join(command.text(found)))
    return 0


def _mine(error: ReconcileError) -> str:
    """The remedies of the port to Kubernetes are the operator's; a person's rights are granted elsewhere."""
    if error.reason == "Forbidden":
        return f"{error.message}. Ask for a role that grants it: view reads, edit changes."
    return str(error)


async def _run(command: Command, options: Namespace) -> dict[str, Any]:
    cluster = Cluster.open(options.kubeconfig, options.context, options.namespace)
    try:
        return await command.run(cluster, options)
    finally:
        await cluster.close()
