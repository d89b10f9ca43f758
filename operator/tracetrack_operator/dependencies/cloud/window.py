"""A weekly maintenance window, as RDS and ElastiCache write it: `sun:02:00-sun:03:00`, in UTC."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_MINUTES_A_WEEK = 7 * 24 * 60
_FORM = re.compile(r"(\w{3}):(\d\d):(\d\d)-(\w{3}):(\d\d):(\d\d)")


@dataclass(frozen=True)
class Window:
    """`start` and `minutes` count from Monday 00:00 UTC; the end belongs to it no more."""

    start: int
    minutes: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ValueError when `text` isn't of the form `ddd:hh24:mi-ddd:hh24:mi`."""
        match = _FORM.fullmatch(text.lower())
        if match is None or match[1] not in _DAYS or match[4] not in _DAYS:
            raise ValueError(f"{text!r} is no maintenance window: write it like sun:02:00-sun:03:00")
        start, end = (
            (_DAYS.index(day) * 24 + int(hour)) * 60 + int(minute)
            for day, hour, minute in (match.group(1, 2, 3), match.group(4, 5, 6))
        )
        return cls(start, (end - start) % _MINUTES_A_WEEK)

    def contains(self, moment: datetime) -> bool:
        """Whether `moment` (UTC) is inside."""
        return (_minute(moment) - self.start) % _MINUTES_A_WEEK < self.minutes

    def next_start(self, moment: datetime) -> datetime:
        """When it opens next after `moment` (UTC)."""
        ahead = (self.start - _minute(moment)) % _MINUTES_A_WEEK or _MINUTES_A_WEEK
        return moment.replace(second=0, microsecond=0) + timedelta(minutes=ahead)


def _minute(moment: datetime) -> int:
    return (moment.weekday() * 24 + moment.hour) * 60 + moment.minute
