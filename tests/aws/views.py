"""What describes still show of objects that were written a moment ago: the real services answer from copies."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any


class Views:
    """`seconds` is the delay after which every describe shows a write; `set` gives single calls others."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._calls: dict[str, float] = {}
        self._before: dict[tuple[str, str], list[tuple[float, Any]]] = defaultdict(list)

    def set(self, calls: Mapping[str, float]) -> None:
        """Delays by call, such as {"rds:DescribeDBInstances": 0.5}. ValueError names what is no delay."""
        for call, seconds in calls.items():
            if ":" not in call:
                raise ValueError(f"stale.{call}: name a call as service:Operation, such as rds:DescribeDBInstances")
            if not isinstance(seconds, int | float) or seconds < 0:
                raise ValueError(f"stale.{call}: {seconds!r} is no number of seconds")
        self._calls = dict(calls)

    def reset(self, seconds: float) -> None:
        self.seconds = seconds
        self._calls.clear()
        self._before.clear()

    @property
    def lagging(self) -> bool:
        return bool(self.seconds or any(self._calls.values()))

    def written(self, kind: str, name: str, live: Any | None, freeze: Callable[[Any], Any]) -> None:
        """A write of the object of that name is about to be executed; `live` is None if there is none yet."""
        if not self.lagging:
            return
        now, longest = time.monotonic(), max(self.seconds, *self._calls.values(), 0.0)
        kept = [entry for entry in self._before[kind, name] if entry[0] > now - longest]
        self._before[kind, name] = [*kept, (now, None if live is None else freeze(live))]

    def shown(self, call: str, kind: str, live: Mapping[str, Any]) -> dict[str, Any]:
        """The objects as this call shows them now."""
        found = dict(live)
        seconds = self._calls.get(call, self.seconds)
        if not seconds:
            return found
        since = time.monotonic() - seconds
        for (of, name), entries in list(self._before.items()):
            recent = [before for at, before in entries if at > since]
            if of != kind or not recent:
                continue
            if recent[0] is None:
                found.pop(name, None)
            else:
                found[name] = recent[0]
        return found
