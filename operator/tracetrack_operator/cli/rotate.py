"""`rotate`: has the application given other credentials, and waits until it has them."""

from __future__ import annotations

import asyncio
import sys
import time
from argparse import Namespace
from collections.abc import Iterable, Mapping
from typing import Any

from ..api.constants import ROTATE
from ..dependencies.rotation import asked_of, published, request
from ..engine.objects import Object
from ..manifests.parent import CACHE, DATABASE
from .cluster import Cluster
from .errors import CliError
from .request import new_value
from .text import paragraph

PARTS = {DATABASE: ("RDS", "rds"), CACHE: ("ElastiCache", "elasticache")}
LOOK_SECONDS = 2.0


async def run(cluster: Cluster, options: Namespace) -> dict[str, Any]:
    owner = await cluster.deployment(options.name)
    found = of(owner, options.database, options.cache)
    asked = request(owner, found["parts"], new_value())
    await cluster.merge(owner, {"metadata": {"annotations": {ROTATE: asked}}})
    if options.wait:
        found["after"] = await _followed(cluster, options, found)
    return found


def of(owner: Object, database: bool, cache: bool) -> dict[str, Any]:
    """What is asked for. Raises CliError where the operator has nothing to rotate. Pure."""
    metadata, spec = owner["metadata"], owner["spec"]
    if spec.get("suspend"):
        raise CliError(f"{metadata['name']} is paused: resume it first.")
    chosen = [part for part, wanted in ((DATABASE, database), (CACHE, cache)) if wanted] or list(PARTS)
    able = [part for part in chosen if _rotates(spec[part], *PARTS[part])]
    if not able or (len(able) < len(chosen) and (database or cache)):
        names = " and ".join(part for part in chosen if part not in able)
        raise CliError(
            f"the operator does not make the credentials of the {names} of {metadata['name']}: with provider External, "
            "change them in your Secret, and with Bound where they come from; those of Embedded stay."
        )
    status = owner.get("status") or {}
    return {
        "namespace": metadata["namespace"],
        "name": metadata["name"],
        "parts": able,
        "before": {part: _credentials(status, part) for part in able},
        "after": None,
    }


def _rotates(section: Mapping[str, Any], provider: str, own: str) -> bool:
    return section["provider"] == provider and (section.get(own) or {}).get("management") != "Bound"


def _credentials(status: Mapping[str, Any], part: str) -> dict[str, str]:
    found: dict[str, str] = (status.get(part) or {}).get("credentials") or {}
    return found


async def _followed(cluster: Cluster, options: Namespace, found: Mapping[str, Any]) -> dict[str, Any]:
    """The credentials once all parts have other ones. Raises CliError when that takes too long."""
    end, said = time.monotonic() + options.timeout, ""
    while True:
        owner = await cluster.deployment(options.name)
        waits = waiting(owner, found["parts"])
        if not waits:
            return {part: _credentials(owner.get("status") or {}, part) for part in found["parts"]}
        if (line := "; ".join(waits)) != said:
            said = line
            print(f"- {line}", file=sys.stderr)
        if time.monotonic() > end:
            raise CliError(f"not done after {options.timeout:g} s: {line}. See kubectl tracetrack why {options.name}.")
        await asyncio.sleep(LOOK_SECONDS)


def waiting(owner: Object, parts: Iterable[str]) -> list[str]:
    """What is waited for, in words; empty when all is done. Pure.

    A rotation that was asked for or due before is not the one that is waited for; a request that took the place of ours
    is as good. Raises CliError when nothing is asked for any more.
    """
    lines = []
    for part in parts:
        now, asked = _credentials(owner.get("status") or {}, part), asked_of(owner, part)
        if not asked:
            raise CliError(
                f"nobody asks for the {part}'s rotation any more: annotation {ROTATE} was taken away. Ask again."
            )
        if now.get("rotatedAt") and now.get("request") == published(asked):
            continue
        following = now.get("nextRotation")
        when = f", not before {following}: nothing rotates again that soon" if following else ", under way"
        lines.append(f"waiting for the {part}'s rotation{when}")
    return lines


def text(found: Mapping[str, Any]) -> list[str]:
    name = f"{found['namespace']}/{found['name']}"
    if found["after"] is None:
        parts = " and ".join(found["parts"])
        return paragraph(
            f"The {parts} of {name} will get other credentials; the application takes them while it runs, and the "
            "former ones stay valid meanwhile. kubectl tracetrack rotate --wait follows it."
        )
    lines = []
    for part, now in found["after"].items():
        user = f" as {now['user']}" if now.get("user") else ""
        lines.append(f"{name}: the application logs in to the {part}{user} with what it got at {now['rotatedAt']}.")
    return lines
