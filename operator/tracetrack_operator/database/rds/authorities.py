"""Who signs the certificates of RDS: authorities of AWS' own, one set for each region, which no system's store has."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from ...api.conditions import Reason
from ...dependencies.cloud.fields import Item
from ...dependencies.protocol import Verdict

_FILE = Path(__file__).with_name("authorities.pem")


def of_instance(item: Item) -> str:
    """PEM of the authorities of the region that it is in; "" for a region whose authorities aren't known here."""
    parts = str(item.get("DBInstanceArn", "")).split(":")
    return by_region().get(parts[3], "") if len(parts) > 3 else ""


def lets_in_plain(what: str) -> Verdict:
    """It serves all the same, and TraceTrack always asks for TLS: somebody else might not."""
    return Verdict.not_ready(
        Reason.TLS_NOT_ENFORCED,
        f"{what} lets in without TLS too: set rds.force_ssl to 1 in its DB parameter group.",
    )


@cache
def by_region() -> dict[str, str]:
    found: dict[str, list[str]] = {}
    region = ""
    for line in _FILE.read_text("ascii").splitlines():
        if line.startswith("#"):
            region = line.removeprefix("# ")
        else:
            found.setdefault(region, []).append(line)
    return {name: "\n".join(lines) + "\n" for name, lines in found.items()}
