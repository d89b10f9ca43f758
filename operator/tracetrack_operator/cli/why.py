"""`why`: which conditions hold an object up, since when, and what to do."""

from __future__ import annotations

import re
from argparse import Namespace
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from ..api.conditions import Reason
from ..api.constants import APPROVE
from ..api.reasons import REASONS
from ..engine.objects import Object
from . import conditions
from .cluster import DEPLOYMENT, Cluster
from .errors import CliError
from .text import age, paragraph

FLEET = "ScannerFleet"
APPROVABLE = (Reason.AWAITING_APPROVAL, Reason.DRIFTED)
_LINK = re.compile(r"\[([^\]]+)\]\([^)]+\)")


async def run(cluster: Cluster, options: Namespace) -> dict[str, Any]:
    prefix, _, rest = options.name.rpartition("/")
    if prefix in ("", "ttd", "deployment", "tracetrackdeployment"):
        return of(await cluster.deployment(rest))
    if prefix not in ("fleet", "scannerfleet"):
        raise CliError(f"{prefix} is no kind that this looks at: write NAME for a {DEPLOYMENT}, or fleet/NAME.")
    found = await cluster.kube.get(FLEET, cluster.namespace, rest)
    if found is None:
        raise CliError(f"{FLEET} {rest} does not exist in namespace {cluster.namespace}: name another with -n.")
    return of(found)


def of(obj: Object) -> dict[str, Any]:
    """Pure."""
    metadata = obj["metadata"]
    return {
        "kind": obj["kind"],
        "namespace": metadata["namespace"],
        "name": metadata["name"],
        "stale": conditions.stale(obj),
        "told": bool(conditions.of(obj)),
        "deleting": metadata.get("deletionTimestamp"),
        "conditions": [_condition(condition, metadata) for condition in conditions.wrong(obj)],
    }


def _condition(condition: Mapping[str, Any], metadata: Mapping[str, Any]) -> dict[str, Any]:
    entry = REASONS.get(condition["reason"])
    return {
        "type": condition["type"],
        "status": condition["status"],
        "reason": condition["reason"],
        "since": conditions.since(condition),
        "message": condition.get("message", ""),
        "meaning": _plain(entry.meaning) if entry else None,
        "course": str(entry.course) if entry else None,
        "remedy": _plain(entry.remedy) if entry else None,
        "commands": _commands(condition["reason"], entry.commands if entry else (), metadata),
    }


def _plain(text: str) -> str:
    """Without the links of the page that the text is also on."""
    return _LINK.sub(r"\1", text)


def _commands(reason: str, commands: Iterable[str], metadata: Mapping[str, Any]) -> list[str]:
    found = [_filled(command, metadata) for command in commands]
    if reason not in APPROVABLE:
        return found
    own = f"kubectl tracetrack approve {metadata['name']} -n {metadata['namespace']}"
    return [*(command for command in found if APPROVE not in command), own]


def _filled(command: str, metadata: Mapping[str, Any]) -> str:
    for variable, key in (("NAME", "name"), ("NS", "namespace")):
        command = command.replace(f'"${variable}"', metadata[key]).replace(f"${variable}", metadata[key])
    return command


def text(found: Mapping[str, Any], now: datetime | None = None) -> list[str]:
    moment = now or datetime.now(UTC)
    name = f"{found['kind']} {found['namespace']}/{found['name']}"
    lines: list[str] = []
    if found["stale"]:
        lines += [f"{name} was changed a moment ago: what follows is of the spec before."]
    if not found["told"]:
        return [*lines, f"{name}: the operator has not looked at it yet. If that lasts, see whether the operator runs."]
    if found["deleting"]:
        lines += [f"{name} has been going for {age(found['deleting'], moment)}."]
    if not found["conditions"]:
        return [*lines, f"{name}: nothing holds it up; every condition is True."]
    for each in found["conditions"]:
        lines += ["", f"{name}: {each['type']} is {each['status']} for {age(each['since'], moment)}: {each['reason']}"]
        lines += paragraph(each["message"], "  ")
        if each["meaning"]:
            lines += ["", *paragraph(f"{each['meaning']} {each['course']}", "  ")]
            lines += paragraph(f"To do: {each['remedy']}", "  ")
            lines += [f"    {command}" for command in each["commands"]]
    return lines[1:] if lines[0] == "" else lines
