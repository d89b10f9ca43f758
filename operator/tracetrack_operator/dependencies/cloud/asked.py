"""Changes that were sent a moment ago: AWS's descriptions may not show them yet, and asking twice helps nobody."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

FORGET_SECONDS = 60.0


class Asked:
    """(field, value) pairs by owner, each remembered for `FORGET_SECONDS`."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._sent: dict[str, dict[tuple[str, str], float]] = {}

    def remember(self, uid: str, pairs: Iterable[tuple[str, str]]) -> None:
        """Each takes the place of what was asked of its field before."""
        fresh = dict.fromkeys(pairs, self._clock())
        names = {name for name, _ in fresh}
        before = {pair: at for pair, at in self._sent.get(uid, {}).items() if pair[0] not in names}
        self._sent[uid] = {**before, **fresh}

    def of(self, uid: str) -> frozenset[tuple[str, str]]:
        since = self._clock() - FORGET_SECONDS
        kept = {pair: at for pair, at in self._sent.get(uid, {}).items() if at > since}
        if kept:
            self._sent[uid] = kept
        else:
            self._sent.pop(uid, None)
        return frozenset(kept)
