"""What was found out about a cloud object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from ..binding import Binding
from ..checks import CheckResult
from .access import Access
from .durations import Begun
from .fields import Item
from .refusals import Refused


@dataclass(frozen=True)
class Facts:
    """`item` is the object as AWS describes it, None when there is none; `tags` are its own.

    `access` is the rest about the credentials. `agreed` are the declared values last seen in AWS; `asked` the changes
    sent a moment ago, `refused` those that AWS didn't take; `problem` is what is wrong with a Secret that the user
    brings; `begun` is the last call made, `told` what the status says of one; `age` is how many seconds ago it was
    first asked for, and `pace` after how many to look again at one that is coming. `beside` are descriptions of what
    belongs to the item, by what each is.
    """

    item: Item | None
    tags: Mapping[str, str]
    credentials: Mapping[str, str] = field(repr=False)
    binding: Binding | None = field(default=None, repr=False)
    check: CheckResult | None = None
    asked_at: str = ""
    agreed: Mapping[str, object] = field(default_factory=dict)
    asked: frozenset[tuple[str, str]] = frozenset()
    refused: Refused = field(default_factory=dict)
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    problem: str = ""
    access: Access = field(default_factory=lambda: Access({}))
    begun: Begun | None = None
    told: Mapping[str, object] = field(default_factory=dict)
    age: float = 0.0
    pace: float = 1.0
    beside: Mapping[str, Item] = field(default_factory=dict)
