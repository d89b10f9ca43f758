"""Another server serves than the one last seen to. What was seen is kept among the agreed values. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from .durations import FORMAT

PRIMARY = "primary"
LAST = "lastFailover"


@dataclass(frozen=True)
class Failover:
    """`remembered` goes among the agreed values, `last` into the status, {} for none; `news` are for an Event."""

    remembered: Mapping[str, Any] = field(default_factory=dict)
    last: Mapping[str, str] = field(default_factory=dict)
    news: str = ""


def failover(
    what: str, agreed: Mapping[str, Any], present: str | None, now: datetime, upgrading: bool = False
) -> Failover:
    """`present` names what serves now (a node, a zone); None while AWS doesn't tell, as amid a fail-over.

    What is seen for the first time is no fail-over, nor that another one takes the place in an upgrade.
    """
    before, last = None if upgrading else agreed.get(PRIMARY), agreed.get(LAST) or {}
    news = ""
    if before is not None and present is not None and before != present:
        last = {"at": f"{now:{FORMAT}}", "from": before, "to": present}
        news = f"{what} failed over from {before} to {present}."
    serving = present if present is not None else before
    remembered = {**({PRIMARY: serving} if serving is not None else {}), **({LAST: last} if last else {})}
    return Failover(remembered, last, news)
