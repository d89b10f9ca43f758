"""How long calls like these took, over all deployments that may be listed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median

from ..engine.objects import Object


@dataclass(frozen=True)
class Duration:
    """`median` in seconds, of `count` changes."""

    median: float
    count: int


def seen(deployments: Iterable[Object]) -> Mapping[tuple[str, str], Duration]:
    """By operation and disruption class, from each database's and cache's last change that is done."""
    found: dict[tuple[str, str], list[int]] = defaultdict(list)
    for deployment in deployments:
        status = deployment.get("status") or {}
        for part in ("database", "cache"):
            last = (status.get(part) or {}).get("lastChange") or {}
            if "seconds" in last:
                found[last["operation"], last.get("disruption", "")].append(last["seconds"])
    return {key: Duration(median(seconds), len(seconds)) for key, seconds in found.items()}
