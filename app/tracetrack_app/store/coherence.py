"""Keeps the caches of all replicas fresh: no answer from a cache is older than the last write that was answered.

A writer calls `changed` after its commit and before it answers. That removes the keys here and in Redis, publishes
them, and waits until every other replica that may be caching has said that it dropped them, or cannot be caching any
more. A replica answers from its caches only while `caching` holds: its lease is valid (`membership`), its connection to
Redis is up, every replica's row names the same run of the same Redis, and all that has been so for a LEASE, so that all
writers know of it. Whenever it stops to hold, everything kept in the process is dropped.

Without Redis a writer says so in its row. Once every other replica has seen that, or its lease has run out, nobody
caches and nobody is waited for; what changed meanwhile is removed from Redis before this replica takes part again.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID, uuid4

import msgspec

from tracetrack_app import metrics
from tracetrack_app.settings import CacheSettings, SettingsError
from tracetrack_app.store.database import Connector
from tracetrack_app.store.link import Link, LinkLostError, ReplyError, Script
from tracetrack_app.store.membership import SETTLE, Membership, View
from tracetrack_app.store.messages import (
    NO_EVENTS,
    NO_PATCHES,
    Changes,
    Seen,
    decode_changes,
    decode_seen,
    encode,
)
from tracetrack_app.store.waits import Wait, Waits
from tracetrack_app.tasks import end

_log = logging.getLogger(__name__)
_PATIENCE = 10.0
_REPLY_WITHIN = 1.5
_DELETE_AT_ONCE = 1000

Forget = Callable[[frozenset[str] | None], None]
"""Called with the keys that changed; with None everything is to be forgotten."""
Amend = Callable[[Mapping[str, bytes]], None]
"""Called with how values changed, by key, for who can bring his up to date."""


class Coherence:
    """One replica's part in keeping the caches fresh."""

    def __init__(self, connector: Connector, settings: Callable[[], CacheSettings]) -> None:
        self._settings = settings
        self._membership = Membership(connector, self._viewed, self._lapsed)
        self._me = uuid4().bytes
        self._listeners: list[tuple[Forget, Amend | None]] = []
        self._patch_script: Script | None = None
        self._watchers: list[Callable[[msgspec.Raw], None]] = []
        self._link: Link | None = None
        self._attached = False
        self._link_lost = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._until = 0.0
        self._settled_at = 0.0
        self._need_view_after = 0.0
        self._was_caching = False
        self._caching_since = 0.0
        self._epoch: tuple[str, int] = ("", 0)
        self._sent = 0
        self._received: dict[bytes, int] = {}
        self._to_acknowledge: dict[bytes, int] = {}
        self._waits = Waits(self._membership)
        self._told = True

    # --- what others use

    def listen(self, forget: Forget, amend: Amend | None = None) -> None:
        """Have `forget` called with every set of keys that changed, here or on another replica; None is everything.

        `amend` is called with changes that tell how; without it their keys are forgotten too.
        """
        self._listeners.append((forget, amend))

    def patch_by(self, script: Script) -> None:
        """What applies patches in Redis: each key's patch is its argument; it removes a key that it cannot patch."""
        self._patch_script = script

    def watch(self, watcher: Callable[[msgspec.Raw], None]) -> None:
        """Have `watcher` called with the events (MessagePack) that came with changes, here or elsewhere.

        Without a connection to Redis those of others are missed; an event that is None tells that this may have been.
        """
        self._watchers.append(watcher)

    @property
    def caching(self) -> bool:
        """Whether what is cached may be used at this moment."""
        return time.monotonic() < self._until

    @property
    def caching_since(self) -> float:
        """While `caching`: since when every change is heard of here before it is answered (monotonic)."""
        return self._caching_since

    @property
    def membership(self) -> Membership:
        """This replica's row."""
        return self._membership

    @property
    def alone(self) -> bool:
        """Whether no other replica hears of changes made here."""
        view = self._membership.view
        return not self._attached or (view is not None and not view.peers and time.monotonic() < view.valid_until)

    @property
    def link(self) -> Link | None:
        """The connection to Redis while it is up."""
        return self._link

    @property
    def prefix(self) -> str:
        """What keys in Redis begin with."""
        return f"tt:{self._epoch[0]}:{self._epoch[1]}:"

    async def changed(
        self, keys: Iterable[str], events: msgspec.Raw | None = None, patches: Mapping[str, bytes] = NO_PATCHES
    ) -> None:
        """The things under these cache keys have changed in PostgreSQL: no cache may answer with what was before.

        Call it after the commit, also when its fate is unknown, and before the answer to whoever asked for the change.
        Does not fail for want of Redis; takes about a millisecond as a rule, and some two seconds when a replica or
        Redis has just gone. Raises TimeoutError when PostgreSQL does not tell for ten seconds which replicas there are.

        `patches` are of other keys, whose cached values can be brought up to date instead of being dropped.
        """
        await self._change(frozenset(keys), events, patches)

    async def changed_everything(self) -> None:
        """As `changed`, for a change past counting or by unknown hands. The caches in Redis are left behind."""
        await self._membership.bump()
        await self._change(None)

    # --- the two ends of its life

    def start(self) -> None:
        """Begin to take part. The schema must be there."""
        self._membership.start()
        self._task = asyncio.create_task(self._keep_link())

    async def stop(self) -> None:
        """Take part no more. No change may be under way."""
        if self._task is None:
            return
        await end(self._task)
        unclean = not self._attached or bool(self._waits.undelivered) or self._waits.everything_undelivered
        self._off()
        await self._membership.stop(bump=unclean)
        if self._link is not None:
            self._link.close()

    async def renew(self) -> None:
        """Go on with the settings as they are now. Raises LinkLostError, or ReplyError when the login is refused."""
        settings, link = self._settings(), self._link
        if link is None:
            return
        if settings.where != link.where:
            link.close()
            return
        await link.login(settings)

    # --- changes made here

    async def _change(
        self,
        keys: frozenset[str] | None,
        events: msgspec.Raw | None = None,
        patches: Mapping[str, bytes] = NO_PATCHES,
    ) -> None:
        self._forget(keys)
        self._amend(patches)
        if events is not None:
            self._show(events)
        if self._task is None:
            return
        if keys is not None and not keys and not patches:
            if events is not None and self._attached:
                self._publish([], keys, events)
            return
        every = None if keys is None else keys.union(patches)
        wait = self._waits.begin(every)
        if keys is None:
            wait.view_after = self._need_view_after = time.monotonic()
            self._membership.hurry()
        if self._attached:
            self._publish([wait], keys, events, patches)
        self._settle()
        if not self._attached and not wait.future.done():
            self._membership.hurry()
        try:
            if not wait.future.done():
                async with asyncio.timeout(_PATIENCE):
                    await wait.future
        except TimeoutError:
            raise TimeoutError("PostgreSQL does not tell which replicas there are") from None
        finally:
            self._waits.end(wait)
            metrics.COHERENCE_WAIT.observe(time.monotonic() - wait.began)

    def _publish(
        self,
        waits: Sequence[Wait],
        keys: frozenset[str] | None,
        events: msgspec.Raw | None = None,
        patches: Mapping[str, bytes] = NO_PATCHES,
    ) -> None:
        link = self._link
        if link is None:
            return
        alone = self.alone
        replies = [link.send("DEL", *some) for some in self._deletions(keys or ())]
        if patches and self._patch_script is not None:
            names = [self.prefix + key for key in patches]
            replies.append(self._patch_script.run(link, names, *patches.values()))
        self._sent += not alone
        self._waits.published(waits, self._sent, alone=alone)
        if not alone:
            told = None if keys is None else list(keys)
            message = Changes(self._me, self._sent, self._epoch[1], told, dict(patches), events or NO_EVENTS)
            replies.append(link.send("PUBLISH", self._channel, encode(message)))
        missing = len(replies)

        def replied(future: asyncio.Future[Any]) -> None:
            nonlocal missing
            # A refused command (read-only after a fail-over) leaves Redis as it was: part with it.
            if future.cancelled() or future.exception() is not None:
                link.close()
                return
            missing -= 1
            if not missing:
                self._waits.delivered(waits)
                self._settle()

        for reply in replies:
            reply.add_done_callback(replied)
        if not replies:
            self._waits.delivered(waits)

    def _deletions(self, keys: Iterable[str]) -> list[list[str]]:
        names = [self.prefix + key for key in keys]
        return [names[start : start + _DELETE_AT_ONCE] for start in range(0, len(names), _DELETE_AT_ONCE)]

    def _settle(self) -> None:
        self._waits.settle(self._link.identity if self._attached and self._link is not None else None)

    # --- what the membership tells

    def _viewed(self, view: View) -> None:
        if (view.name, view.epoch) != self._epoch:
            self._off()
            self._epoch = (view.name, view.epoch)
            self._settled_at = view.received + SETTLE
        link = self._link
        if link is not None:
            if link.oldest() > _REPLY_WITHIN:
                link.close()
            else:
                link.post("PING")
        if self._agreed(view):
            # What this replica wrote into its row has to be known to all writers.
            settled = max(self._settled_at, self._membership.told_at + SETTLE)
            if view.received >= settled and view.sent >= self._need_view_after:
                self._until = view.valid_until
                if not self._was_caching:
                    self._was_caching, self._caching_since = True, time.monotonic()
        else:
            self._off()
        self._waits.viewed(view)
        self._settle()
        if self._attached and self._waits.overdue():
            self._publish([], frozenset())
        metrics.CACHE_LEASE.set(self.caching)

    def _agreed(self, view: View) -> bool:
        """Whether everybody's row names the Redis that this replica is connected to."""
        if not self._attached or self._link is None:
            return False
        redis = self._link.identity
        return (
            self._membership.told_redis == redis
            and view.redis_of_epoch == redis
            and all(peer.redis == redis for peer in view.peers.values())
        )

    def _lapsed(self) -> None:
        self._off()
        _log.info("the lease had run out: the caches begin anew")

    def _off(self) -> None:
        """Stop answering from the caches, and forget what is in this process."""
        self._until = 0.0
        if self._was_caching:
            self._was_caching = False
            metrics.CACHE_LEASE.set(0)
        self._forget(None)

    def _forget(self, keys: frozenset[str] | None) -> None:
        if keys:
            metrics.INVALIDATIONS.inc(len(keys))
        for forget, _ in self._listeners:
            forget(keys)

    def _amend(self, patches: Mapping[str, bytes]) -> None:
        if patches:
            metrics.INVALIDATIONS.inc(len(patches))
            for forget, amend in self._listeners:
                if amend is not None:
                    amend(patches)
                else:
                    forget(frozenset(patches))

    def _show(self, events: msgspec.Raw) -> None:
        for watcher in self._watchers:
            watcher(events)

    # --- the connection to Redis

    @property
    def _channel(self) -> str:
        return f"tt:{self._epoch[0]}:changes"

    def _channel_of(self, writer: bytes) -> str:
        return f"tt:{self._epoch[0]}:to:{writer.hex()}"

    async def _keep_link(self) -> None:
        while True:
            pause = 0.25
            try:
                async with asyncio.timeout(_PATIENCE):
                    await self._attach()
                await self._link_lost.wait()
            except (LinkLostError, ReplyError, SettingsError) as error:
                if self._told:
                    self._told = False
                    _log.warning("caches are off without Redis: %s", error)
                pause = 1.0
            except Exception as error:
                # PostgreSQL, which is asked for the epoch, may be away too.
                _log.info("caches stay off: %s", type(error).__name__)
            await asyncio.sleep(pause)

    async def _attach(self) -> None:
        """Connect, have everybody know, and catch up with what changed meanwhile."""
        self._link_lost.clear()
        while self._membership.view is None:
            await asyncio.sleep(0.02)
        link = await Link.open(self._settings(), self._pushed, self._lost)
        try:
            self._received.clear()
            await self._membership.adopt(link.identity)
            await self._see_epoch_of(link.identity)
            await link.subscribe(self._channel, self._channel_of(self._me))
            # A write, so that a replica of Redis that takes none is refused here.
            await link.send("DEL", self.prefix)
            await self._catch_up(link)
        except BaseException:
            link.close()
            raise
        if not link.up:
            raise LinkLostError("lost while it was being set up")
        self._off()
        self._link, self._attached = link, True
        for wait in self._waits.open:
            self._publish([wait], wait.keys)
        self._membership.say(link.identity)
        if not self._told:
            self._told = True
            _log.info("Redis is back: the caches begin anew")
        self._show(NO_EVENTS)

    async def _catch_up(self, link: Link) -> None:
        """Remove from Redis what changed while it could not be told."""
        waits = self._waits
        while waits.everything_undelivered or waits.undelivered:
            if waits.everything_undelivered:
                # Before the epoch begins: what changes from here on is kept by its keys.
                waits.everything_undelivered = False
                try:
                    await self._membership.bump()
                except BaseException:
                    waits.everything_undelivered = True
                    raise
                self._need_view_after = time.monotonic()
                self._membership.hurry()
            keys = frozenset(waits.undelivered)
            for some in self._deletions(keys):
                await link.send("DEL", *some)
            waits.undelivered -= keys

    async def _see_epoch_of(self, identity: str) -> None:
        async with asyncio.timeout(2):
            while (view := self._membership.view) is None or view.redis_of_epoch != identity:
                self._membership.hurry()
                await asyncio.sleep(0.02)

    def _lost(self, link: Link) -> None:
        if self._link is link:
            self._link, self._attached = None, False
            self._waits.unpublished()
            self._off()
            # Under another id: whoever waits for an answer to what was published meanwhile need not any more.
            self._membership.say("")
            self._membership.begin_anew()
        self._link_lost.set()

    def _pushed(self, message: list[Any]) -> None:
        if message[0] != b"message":
            return
        try:
            if message[1] == self._channel.encode():
                self._hear(decode_changes(message[2]))
            else:
                seen = decode_seen(message[2])
                self._waits.seen(UUID(bytes=seen.replica), seen.number)
                self._settle()
        except msgspec.DecodeError:
            _log.warning("a message about changes could not be read: everything cached here is dropped")
            self._off()

    def _hear(self, changes: Changes) -> None:
        writer, number = changes.writer, changes.number
        if writer == self._me:
            return
        gap = self._received.get(writer, number - 1) != number - 1
        self._received[writer] = number
        if changes.keys is None or changes.epoch != self._epoch[1]:
            # The writer left what is in Redis behind, or removed it from another epoch than is read here.
            self._off()
            self._need_view_after = time.monotonic()
            self._membership.hurry()
        elif gap:
            self._forget(None)
        else:
            self._forget(frozenset(changes.keys))
            self._amend(changes.patches)
        if not self._to_acknowledge:
            asyncio.get_running_loop().call_soon(self._acknowledge)
        self._to_acknowledge[writer] = number
        if changes.events != NO_EVENTS:
            self._show(changes.events)

    def _acknowledge(self) -> None:
        waiting, self._to_acknowledge = self._to_acknowledge, {}
        link = self._link
        if link is not None:
            for writer, number in waiting.items():
                link.post("PUBLISH", self._channel_of(writer), encode(Seen(self._membership.id.bytes, number)))
