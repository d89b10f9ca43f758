"""What an admin sets while the service runs: the one table of it. Deployment wiring is in tracetrack_app.settings.

Not here, though they are choices too: how long a session lasts (a longer one would bring back sessions that were ended
under the shorter), the time zone (the days that were counted would be others'), the limits against guessing and floods.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

Value = int | bool | str


@dataclass(frozen=True, slots=True)
class Setting(ABC):
    """One of them. `variable` is the one of the environment that says its default, if one does."""

    name: str
    description: str
    variable: str | None

    @property
    @abstractmethod
    def remedy(self) -> str:
        """What to give, in words."""

    @property
    @abstractmethod
    def schema(self) -> dict[str, Any]:
        """The JSON schema of a value."""

    @abstractmethod
    def holds(self, value: object) -> bool:
        """Whether it is a value of this setting."""

    @abstractmethod
    def read(self, text: str) -> Value:
        """The value that the text means. Raises ValueError with the remedy."""

    def check(self, value: object) -> Value:
        """The value, of one as JSON has it. Raises ValueError with the remedy."""
        # JSON has one kind of number: 30.0 is a whole one.
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, Value) and self.holds(value):
            return value
        raise ValueError(self.remedy)


@dataclass(frozen=True, slots=True)
class Number(Setting):
    """A whole number. The bounds of what SQL looks up are a CHECK of the table too (0014_settings.sql)."""

    lowest: int
    highest: int

    @property
    def remedy(self) -> str:
        return f"give a whole number from {self.lowest} to {self.highest}"

    @property
    def schema(self) -> dict[str, Any]:
        return {"type": "integer", "minimum": self.lowest, "maximum": self.highest}

    def holds(self, value: object) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and self.lowest <= value <= self.highest

    def read(self, text: str) -> Value:
        digits = text.isascii() and text.isdigit() and len(text) < 10
        return self.check(int(text) if digits else None)


@dataclass(frozen=True, slots=True)
class Switch(Setting):
    """True or false."""

    @property
    def remedy(self) -> str:
        return "give true or false"

    @property
    def schema(self) -> dict[str, Any]:
        return {"type": "boolean"}

    def holds(self, value: object) -> bool:
        return isinstance(value, bool)

    def read(self, text: str) -> Value:
        return self.check({"true": True, "false": False}.get(text.lower()))


@dataclass(frozen=True, slots=True)
class Choice(Setting):
    """One of some words."""

    choices: tuple[str, ...]

    @property
    def remedy(self) -> str:
        return f"give one of {', '.join(self.choices)}"

    @property
    def schema(self) -> dict[str, Any]:
        return {"type": "string", "enum": list(self.choices)}

    def holds(self, value: object) -> bool:
        return value in self.choices

    def read(self, text: str) -> Value:
        return self.check(text.lower())


PARENT_CAPACITY = Number(
    "parent_capacity",
    "Children that a new parent takes whose product does not say how many.",
    "TRACETRACK_PARENT_CAPACITY",
    lowest=1,
    highest=1000,
)
UNDO_WINDOW = Number(
    "undo_window_minutes",
    "For how long the newest child of a parent can be taken out without naming it, in minutes.",
    None,
    lowest=1,
    highest=1440,
)
REGISTRATION = Choice(
    "registration",
    "Whether people may ask for a dispatcher's account: with an admin's approval, without, or not at all.",
    "TRACETRACK_REGISTRATION",
    choices=("approval", "open", "off"),
)
REQUIRE_ADMIN_TOTP = Switch(
    "require_admin_totp",
    "Whether an admin without two-factor log-in reaches nothing but its set-up.",
    "TRACETRACK_REQUIRE_ADMIN_TOTP",
)
UNDO_MINUTES = 60
SETTINGS: Mapping[str, Setting] = {
    each.name: each for each in (PARENT_CAPACITY, UNDO_WINDOW, REGISTRATION, REQUIRE_ADMIN_TOTP)
}


class Values(msgspec.Struct, frozen=True, kw_only=True):
    """What holds: a field for each setting of the table, by its name."""

    parent_capacity: int
    undo_window_minutes: int = UNDO_MINUTES
    registration: str
    require_admin_totp: bool

    def of(self, setting: Setting) -> Value:
        found: Value = getattr(self, setting.name)
        return found
