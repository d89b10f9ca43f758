"""Calls that AWS refused: each further try waits longer, and what else there is to do goes before it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from ...engine.errors import ReconcileError

FIRST_SECONDS = 20.0
LONGEST_SECONDS = 300.0
FORGET_SECONDS = 3600.0
_MOST_DOUBLINGS = 10

Key = tuple[str, str]
"""A field and its wanted value."""
CREATION: Key = ("", "creation")
"""What stands for the call that makes an object."""


@dataclass(frozen=True)
class Refusal:
    """What AWS answered, and how many seconds the next try waits: 0 when it is time."""

    error: ReconcileError
    wait: float = 0.0


Refused = Mapping[Key, Refusal]


def waiting(refused: Refused) -> frozenset[Key]:
    """What it isn't time for yet."""
    return frozenset(key for key, each in refused.items() if each.wait)


@dataclass(frozen=True)
class _Tried:
    error: ReconcileError
    times: int
    at: float
    until: float


@dataclass
class _Known:
    generation: int | None = None
    tried: dict[Key, _Tried] = field(default_factory=dict)


class Refusals:
    """By owner; `first` in seconds is what the second try waits, and each later one waits twice as long.

    Once a spec was changed, what was refused is tried at once: it may need the other fields. It is still known that it
    was refused. Not restarting with it: what a new process asks once more does no harm.
    """

    def __init__(self, first: float = FIRST_SECONDS, clock: Callable[[], float] = time.monotonic) -> None:
        self._first = first
        self._clock = clock
        self._known: dict[str, _Known] = {}

    def remember(self, uid: str, keys: Iterable[Key], error: ReconcileError) -> None:
        """A call with these keys was refused."""
        known, now = self._known.setdefault(uid, _Known()), self._clock()
        names = tuple(keys)
        times = max((known.tried[each].times for each in names if each in known.tried), default=0)
        # Counted no further: a power of some thousand is no number of seconds.
        until = now + min(LONGEST_SECONDS, self._first * 2 ** min(times, _MOST_DOUBLINGS))
        known.tried |= dict.fromkeys(names, _Tried(error, times + 1, now, until))

    def forget(self, uid: str, keys: Iterable[Key]) -> None:
        """A call with these keys was taken."""
        known = self._known.get(uid, _Known())
        for each in keys:
            known.tried.pop(each, None)

    def of(self, uid: str, generation: int) -> Refused:
        """What was refused of the owner with `uid`, whose spec is at `generation`."""
        known, now = self._known.get(uid), self._clock()
        if known is None:
            return {}
        known.tried = {key: each for key, each in known.tried.items() if each.at > now - FORGET_SECONDS}
        if not known.tried:
            del self._known[uid]
            return {}
        if known.generation not in (None, generation):
            known.tried = {key: replace(each, times=0, until=now) for key, each in known.tried.items()}
        known.generation = generation
        return {key: Refusal(each.error, max(0.0, each.until - now)) for key, each in known.tried.items()}
