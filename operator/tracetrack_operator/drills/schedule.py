"""When drills begin. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from ..api.drill import DrillSpec

_PATH = "spec.database.drill"


class InvalidSchedule(ValueError):
    """A schedule that never comes; the text names the field and the remedy."""


@dataclass(frozen=True)
class Schedule:
    """A cron expression in a time zone."""

    expression: str
    zone: str

    @classmethod
    def of(cls, spec: DrillSpec) -> Self | None:
        """None where there is none. Raises InvalidSchedule."""
        if spec.schedule is None:
            return None
        found = cls(spec.schedule, spec.time_zone or "UTC")
        found.next(datetime(2026, 1, 1, tzinfo=UTC))
        return found

    def __str__(self) -> str:
        return f"{self.expression} {self.zone}"

    def next(self, after: datetime) -> datetime:
        """The first moment after that one, in UTC. Raises InvalidSchedule."""
        try:
            local = after.astimezone(ZoneInfo(self.zone))
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise InvalidSchedule(
                f"{_PATH}.timeZone {self.zone} is not known: name one of the IANA time zones, such as Asia/Kolkata."
            ) from None
        try:
            return next(CronSim(self.expression, local)).astimezone(UTC)
        except (CronSimError, StopIteration) as error:
            why = f" ({error})" if str(error) else ""
            raise InvalidSchedule(
                f"{_PATH}.schedule {self.expression} never comes{why}: correct it; 0 3 * * SUN is Sundays at three."
            ) from None
