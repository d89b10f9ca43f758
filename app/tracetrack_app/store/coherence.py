"""Keeps the caches of all replicas fresh: no answer from a cache is older than the last write that was answered.

A writer calls `changed` after its commit and before it answers; that returns once no replica can answer from its
caches with what was there before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable


class Coherence:
    """One replica's part in keeping the caches fresh."""

    def __init__(self) -> None:
        self._listeners: list[Callable[[frozenset[str]], None]] = []

    def listen(self, forget: Callable[[frozenset[str]], None]) -> None:
        """Have `forget` called with every set of keys that changed, here or on another replica."""
        self._listeners.append(forget)

    async def changed(self, keys: Iterable[str]) -> None:
        """The things under these cache keys have changed in PostgreSQL: no cache may answer with what was before.

        Call it after the commit, also when its fate is unknown, and before the answer to whoever asked for the change.
        Never raises for want of Redis; takes milliseconds as a rule, and at most a few seconds, once, when a replica or
        Redis has just gone.
        """
        found = frozenset(keys)
        for forget in self._listeners:
            forget(found)
