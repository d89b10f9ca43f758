"""`plan`: what would be done, in order, before it is."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml

from ..engine.objects import Object
from . import durations, ending, installation, look
from .cluster import DEPLOYMENT, Cluster
from .errors import CliError
from .prices import Prices
from .report import Context, report
from .text import change, moment, money, paragraph, span, table


async def run(cluster: Cluster, options: Namespace) -> dict[str, Any]:
    if options.delete and options.filename is not None:
        raise CliError("--delete is for what is in the cluster: name it, without -f.")
    owner, stored = await _owner(cluster, options)
    return await of(cluster, options, owner, stored, options.delete)


async def of(
    cluster: Cluster, options: Namespace, owner: Object, stored: bool = True, delete: bool = False
) -> dict[str, Any]:
    """The report of the plan for `owner`, or of its deletion; `stored` False for one that isn't in the cluster yet."""
    found = await installation.find(cluster, options.operator_namespace)
    region = look.region_of(owner, found, options.region)
    if delete or owner["metadata"].get("deletionTimestamp"):
        ends = await look.ending(cluster, found, owner, region)
        return {**ending.of(owner, ends, look.region_name(region)), "settings": found.source}
    planned = await look.plan(cluster, found, owner, region)
    known = durations.seen(await _all(cluster))
    context = Context(Prices.load(), known, look.region_name(region), stored)
    return {**report(planned, context), "settings": found.source}


async def _owner(cluster: Cluster, options: Namespace) -> tuple[Object, bool]:
    if options.filename is None:
        if options.name is None:
            raise CliError("name a TraceTrackDeployment, or a manifest with -f FILE.")
        return await cluster.deployment(options.name), True
    manifest = _manifest(Path(options.filename), options.name)
    owner = await cluster.would_be(manifest)
    metadata = owner["metadata"]
    return owner, await cluster.kube.get(DEPLOYMENT, metadata["namespace"], metadata["name"]) is not None


def _manifest(path: Path, name: str | None) -> Object:
    try:
        documents = [each for each in yaml.safe_load_all(path.read_text("utf-8")) if each]
    except OSError as error:
        raise CliError(f"{path}: {error.strerror}; name a file with -f.") from error
    except yaml.YAMLError as error:
        raise CliError(f"{path} is no YAML: {error}") from error
    found = [
        each
        for each in documents
        if isinstance(each, dict)
        and each.get("kind") == DEPLOYMENT
        and name in (None, (each.get("metadata") or {}).get("name"))
    ]
    if len(found) != 1:
        which = f" named {name}" if name else ""
        raise CliError(
            f"{path} holds {len(found) or 'no'} {DEPLOYMENT}{which}{'s' if len(found) > 1 else ''}: "
            + ("name the one that is meant." if found else "name a file that does.")
        )
    if "spec" not in found[0]:
        raise CliError(f"{path}: the {DEPLOYMENT} has no spec; add it.")
    return found[0]


async def _all(cluster: Cluster) -> list[Object]:
    found = await cluster.list_or_none(DEPLOYMENT, "")
    if found is None:
        found = await cluster.list_or_none(DEPLOYMENT)
    return found or []


def text(found: Mapping[str, Any]) -> list[str]:
    if "deletion" in found:
        return ending.text(found)
    about = found["deployment"]
    new = "" if about["stored"] else ", which is not in the cluster yet"
    lines = [f"Plan for {DEPLOYMENT} {about['namespace']}/{about['name']}{new}."]
    if found["suspended"]:
        lines += ["spec.suspend is true: nothing of it is done before kubectl tracetrack resume."]
    if not (found["kubernetes"] or found["aws"] or found["logins"] or found["held"]):
        lines += ["Nothing is to be done: all is as declared."]
    lines += _kubernetes(found) + _aws(found)
    if found["logins"]:
        lines += ["", "In the database and the cache", *(f"  {login}" for login in found["logins"])]
    lines += _held(found) + _states(found) + _cost(found["cost"])
    return lines


def _kubernetes(found: Mapping[str, Any]) -> list[str]:
    lines = []
    if found["kubernetes"]:
        rows = [
            (f"{number}.", f"{each['verb']} {each['kind']} {each['name']}", each["why"])
            if "verb" in each
            else (f"{number}.", each["action"], "")
            for number, each in enumerate(found["kubernetes"], 1)
        ]
        lines += ["", "In Kubernetes", *table(rows, "  ")]
    if found["awaited"]:
        names = ", ".join(f"{each['kind']} {each['name']}" for each in found["awaited"])
        lines += ["", *paragraph(f"Once database and cache can be reached: {names}.")]
    return lines


def _aws(found: Mapping[str, Any]) -> list[str]:
    if not found["aws"]:
        return []
    lines = ["", "In AWS, one call at a time for each object"]
    for number, each in enumerate(found["aws"], 1):
        after = ", after what comes before" if each["when"] == "later" else ""
        lines.append(f"  {number}. {each['service']} {each['operation']} ({each['region']}): {each['object']}{after}")
        lines += [f"       {text}" for text in each["changes"]]
        lines.append(f"       disruption {each['disruption']}; {_duration(each)}; {_change(each)}")
    return lines


def _duration(call: Mapping[str, Any]) -> str:
    duration = call["duration"]
    if duration is None:
        return "no such call has been timed here"
    times = "once" if duration["seen"] == 1 else f"{duration['seen']} times"
    return f"took {span(duration['medianSeconds'])} (seen {times})"


def _change(call: Mapping[str, Any]) -> str:
    cost = call["monthlyCostChange"]
    return "price unknown" if cost is None else f"{change(Decimal(cost))} a month"


def _held(found: Mapping[str, Any]) -> list[str]:
    if not found["held"]:
        return []
    about, lines = found["deployment"], ["", "Held"]
    for each in found["held"]:
        lines += paragraph(f"{each['object']}: {each['change']}", "  ")
        if not each["token"]:
            lines += paragraph(f"not done {each['waitsFor']}", "     ")
            continue
        until = f", next {moment(datetime.fromisoformat(each['until']))}" if each["until"] else ""
        lines += paragraph(f"waits for {each['waitsFor']}{until}; {_duration(each)}", "     ")
        approve = f"kubectl tracetrack approve {about['name']} -n {about['namespace']}"
        lines.append(f"     approve it with: {approve} (token {each['token']})")
    return lines


def _states(found: Mapping[str, Any]) -> list[str]:
    waiting = [each for each in found["states"] if not each["ready"]]
    if not waiting:
        return []
    lines = ["", "As it is"]
    for each in waiting:
        lines += paragraph(f"{each['part']}: {each['message']}", "  ")
    return lines


def _cost(cost: Mapping[str, Any]) -> list[str]:
    before, after, declared = cost["before"], cost["after"], cost["withHeld"]
    if not (before["lines"] or after["lines"]):
        return []
    line = f"Monthly cost: {amount(before)} → {amount(after)}"
    if declared["lines"] != after["lines"]:
        line += f" (with what is held: {amount(declared)})"
    prices = cost["prices"]
    lines = ["", line]
    for name in dict.fromkeys((*before["unknown"], *after["unknown"], *declared["unknown"])):
        lines.append(f"  price unknown: {name}")
    return [*lines, f"  prices of {prices['dated']}, {prices['region']}, {prices['terms']}"]


def amount(given: Mapping[str, Any]) -> str:
    known = money(Decimal(given["known"]))
    if not given["unknown"]:
        return known
    return f"{known} and what is unknown" if Decimal(given["known"]) else "unknown"
