"""`approve`: lets a restart that waits, or a correction, go now."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Mapping
from typing import Any

from ..api.constants import APPROVE
from ..engine.objects import Object, annotations_of
from . import conditions
from .cluster import Cluster
from .errors import CliError
from .text import paragraph

PARTS = ("database", "cache")


async def run(cluster: Cluster, options: Namespace) -> dict[str, Any]:
    owner = await cluster.deployment(options.name)
    found = of(owner)
    if not found["tokens"]:
        return found
    if not options.yes:
        print("\n".join(asked(found)), file=sys.stderr)
        if not confirmed():
            raise CliError("nothing was approved.")
    await cluster.merge(owner, {"metadata": {"annotations": {APPROVE: ",".join(found["annotation"])}}})
    return {**found, "approved": True}


def confirmed(question: str = "Approve?") -> bool:
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def of(owner: Object) -> dict[str, Any]:
    """What an approval now would let go. Raises CliError when the operator has not told yet. Pure."""
    metadata = owner["metadata"]
    if conditions.stale(owner):
        raise CliError(
            f"the operator has not told yet what it makes of the latest spec of {metadata['name']}: "
            "an approval is for what it told. Try again in a moment."
        )
    if owner["spec"].get("suspend"):
        raise CliError(
            f"{metadata['name']} is paused, and resuming it would void an approval, which is for one state of its "
            "spec: resume it first."
        )
    status = owner.get("status") or {}
    tokens = [token for part in PARTS for token in _tokens((status.get(part) or {}).get("approval", ""))]
    changes = {part: (status.get(part) or {}).get("pendingChanges") or [] for part in PARTS}
    earlier = [token for token in _tokens(annotations_of(owner).get(APPROVE, "")) if token not in tokens]
    # An approval stands until its change is through. When all that is open is held, no earlier one is at work.
    at_work = sum(map(len, changes.values())) > len(tokens)
    synced = conditions.one(owner, "Synced") or {}
    return {
        "namespace": metadata["namespace"],
        "name": metadata["name"],
        "tokens": tokens,
        "annotation": [*(earlier if at_work else []), *tokens],
        "pendingChanges": {part: each for part, each in changes.items() if each},
        "message": synced.get("message", ""),
        "approved": False,
    }


def _tokens(text: str) -> list[str]:
    return text.replace(",", " ").split()


def asked(found: Mapping[str, Any]) -> list[str]:
    lines = [f"Open changes of {found['namespace']}/{found['name']}:"]
    for part, changes in found["pendingChanges"].items():
        lines += [f"  {part}: {change}" for change in changes]
    return [*lines, *paragraph(found["message"], "  ")]


def text(found: Mapping[str, Any]) -> list[str]:
    name = f"{found['namespace']}/{found['name']}"
    if not found["tokens"]:
        return [f"Nothing of {name} waits for approval."]
    lines = [f"Approved for {name} ({', '.join(found['tokens'])}); the operator does it now:"]
    return lines + [f"  {part}: {change}" for part, changes in found["pendingChanges"].items() for change in changes]
