"""A scan or an undo as the writer takes it, whichever way it came in."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec

from tracetrack_app.domain.outcomes import Refusal


class Actor(msgspec.Struct, frozen=True, gc=False):
    """Who scans: a user by id, or a scanner by fleet and name. `area` is the one he is limited to, if any."""

    user_id: int | None = None
    fleet: str | None = None
    scanner: str | None = None
    area: str | None = None

    @property
    def key(self) -> str:
        """The name under which a day's work is counted."""
        return f"user:{self.user_id}" if self.user_id is not None else f"scanner:{self.fleet}/{self.scanner}"


class Scan(msgspec.Struct, frozen=True, gc=False):
    """One scan. `code`, `parent` and `bill` are in their stored form; `kind` is None for a code that is none.

    `refusal` is set for a scan that is refused before the bags are looked at: it is recorded all the same.
    """

    scan_id: UUID
    code: str
    kind: str | None
    parent: str | None
    actor: Actor
    source: str
    captured_at: datetime
    station: str = ""
    bill: str | None = None
    refusal: Refusal | None = None


class Undo(msgspec.Struct, frozen=True, gc=False):
    """Take a named child (`code`) out of its parent, or the newest child scanned into `parent` lately."""

    scan_id: UUID
    code: str | None
    parent: str | None
    actor: Actor
    source: str
    captured_at: datetime
    station: str = ""
