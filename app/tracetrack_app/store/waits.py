"""Writers that wait until no other replica can answer with what was before their change."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from uuid import UUID

from tracetrack_app.store.membership import SETTLE, Membership, Peer, View

_MAX_UNDELIVERED = 100_000
_ASK_AGAIN_AFTER = 0.5


class Wait:
    """One change. `keys` is None when everything changed; `number` is that of the message that tells of it."""

    __slots__ = ("began", "delivered", "future", "keys", "number", "pending", "view_after")

    def __init__(self, keys: frozenset[str] | None) -> None:
        self.keys = keys
        self.began = time.monotonic()
        self.future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.number = 0
        self.delivered = False
        """Whether Redis has run what was sent for it."""
        self.pending: set[UUID] | None = None
        """Whose word is missing; None before that was determined."""
        self.view_after = 0.0


class Waits:
    """The changes that nobody has been answered for, and the keys that could not be removed from Redis."""

    def __init__(self, membership: Membership) -> None:
        self._membership = membership
        self._seen: dict[UUID, int] = {}
        self.open: list[Wait] = []
        self.undelivered: set[str] = set()
        self.everything_undelivered = False

    def begin(self, keys: frozenset[str] | None) -> Wait:
        wait = Wait(keys)
        self.open.append(wait)
        return wait

    def end(self, wait: Wait) -> None:
        """Nobody waits for it any more; if it is open, whether it was told of is unknown."""
        if wait in self.open:
            self.open.remove(wait)
            self._keep(wait.keys)

    def published(self, waits: Iterable[Wait], number: int, *, alone: bool) -> None:
        """A message with this number tells of them, or nobody needs one."""
        for wait in waits:
            wait.number, wait.delivered, wait.pending = number, False, set() if alone else None

    def delivered(self, waits: Iterable[Wait]) -> None:
        for wait in waits:
            wait.delivered = True

    def seen(self, replica: UUID, number: int) -> None:
        """The replica's word for every message up to this number."""
        self._seen[replica] = number

    def unpublished(self) -> None:
        """The connection is lost: whoever is waited for may not have heard, and cannot answer."""
        for wait in self.open:
            wait.pending, wait.delivered = None, False

    def overdue(self) -> bool:
        """Whether one has waited so long that its message should be followed by another.

        The word that is missing may have been given under another id: a replica that began anew since then.
        """
        before = time.monotonic() - _ASK_AGAIN_AFTER
        return any(wait.delivered and wait.pending and wait.began < before for wait in self.open)

    def settle(self, redis: str | None) -> None:
        """Answer those for which nobody has to be waited for. `redis` is the one connected to; None without any."""
        view = self._membership.view
        if not self.open or view is None or time.monotonic() >= view.valid_until:
            return
        if redis is not None:
            done = [wait for wait in self.open if wait.delivered and self._all_dropped(wait, view, redis)]
        else:
            told = self._membership.told_redis == "" and view.sent >= self._membership.told_at
            free = told and not any(self._may_cache(peer, view, None) for peer in view.peers.values())
            done = self.open[:] if free else []
        for wait in done:
            if view.sent < wait.view_after:
                continue
            self.open.remove(wait)
            if redis is None:
                self._keep(wait.keys)
            if not wait.future.done():
                wait.future.set_result(None)

    def viewed(self, view: View) -> None:
        """Forget the word of those who are not there any more."""
        self._seen = {replica: number for replica, number in self._seen.items() if replica in view.peers}

    def _all_dropped(self, wait: Wait, view: View, redis: str) -> bool:
        if wait.pending is None:
            # A valid view lacks only those who began so late that whatever they cache will be newer.
            wait.pending = set(view.peers)
        peers = view.peers
        wait.pending = {
            replica
            for replica in wait.pending
            if self._seen.get(replica, -1) < wait.number
            and replica in peers
            and self._may_cache(peers[replica], view, redis)
        }
        return not wait.pending

    def _may_cache(self, peer: Peer, view: View, redis: str | None) -> bool:
        """Whether the peer may still answer from a cache without having heard of a change made now."""
        if peer.redis == "" or view.gone(peer):
            return False
        if peer.redis == redis:
            return True
        # It has no use of this replica's Redis; it knows that theirs differ once its own view is that old.
        return time.monotonic() < self._membership.told_at + SETTLE

    def _keep(self, keys: frozenset[str] | None) -> None:
        if keys is None or len(self.undelivered) + len(keys) > _MAX_UNDELIVERED:
            self.everything_undelivered = True
            self.undelivered.clear()
        elif not self.everything_undelivered:
            self.undelivered |= keys
