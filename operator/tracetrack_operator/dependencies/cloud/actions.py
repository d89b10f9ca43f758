"""What is done to a cloud object, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ...engine.plan import Action


@dataclass(frozen=True)
class OfReplica:
    """Mixed into what makes or removes a read replica, without which the database serves all the same."""


@dataclass(frozen=True)
class CloudCall(Action):
    """One call about the object `name`. Its parameters may hold a password, and are never shown.

    Each provider has types of its own.
    """

    what: str
    service: str
    operation: str
    region: str | None
    parameters: Mapping[str, Any] = field(repr=False)
    name: str = field(kw_only=True)


@dataclass(frozen=True)
class Creation:
    """The call that makes an object, and the declared values that it will have: `agreed` (see `fields.compare`)."""

    operation: str
    parameters: Mapping[str, Any] = field(repr=False)
    agreed: Mapping[str, Any]


@dataclass(frozen=True)
class Create(CloudCall):
    """Make the object of the owner with `uid`."""

    uid: str = ""

    def describe(self) -> str:
        return f"create {self.what}"


@dataclass(frozen=True)
class Adopt(CloudCall):
    """Tag an object that was there before, unless somebody else has meanwhile."""

    def describe(self) -> str:
        return f"adopt {self.what}"


@dataclass(frozen=True)
class Modify(CloudCall):
    """Make fields as declared; `changes` tells them, `asked` remembers them as sent, for the owner with `uid`.

    `beside` is what AWS had pending when it was decided on, where the call would set off what came since; else None.
    """

    uid: str = ""
    changes: tuple[str, ...] = ()
    asked: frozenset[tuple[str, str]] = frozenset()
    beside: Mapping[str, Any] | None = field(default=None, repr=False)

    def describe(self) -> str:
        return f"change {self.what}: {'; '.join(self.changes)}"
