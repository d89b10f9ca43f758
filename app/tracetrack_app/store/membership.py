"""Which replicas may be caching: each renews a row in PostgreSQL twice a second and reads the others' with it.

A view may be used for LEASE seconds of one's own monotonic clock, counted from before it was asked for. Hence whatever
a replica has written into its row is known, LEASE seconds later, to everyone who still has a view: who wants to begin
caching waits so long first (SETTLE), and who stops taking part may count on it. Clocks are never compared: a replica
is taken for gone when its row, seen at one moment, is the same in a view asked for a LEASE later; one that renews too
late knows it by its own clock, and begins anew under another id.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from tracetrack_app.store.database import Connector
from tracetrack_app.tasks import end

_log = logging.getLogger(__name__)

LEASE = 2.0
SETTLE = LEASE + 0.1
_MARGIN = 0.1
_EVERY = 0.5
_TIMEOUT = 1.5
_REAP_AFTER = 10.0
_REMEMBERED = 2048

_BEAT = """
WITH gone AS (DELETE FROM replicas WHERE id = ANY ($4::uuid[])),
mine AS (
    INSERT INTO replicas (id, beat, redis) VALUES ($1, $2, $3)
    ON CONFLICT (id) DO UPDATE SET beat = excluded.beat, redis = excluded.redis
)
SELECT s.name, s.epoch, s.redis AS redis_of_epoch, r.id, r.beat, r.redis
FROM cache_space s LEFT JOIN replicas r ON r.id <> $1 AND r.id <> ALL ($4::uuid[])
"""
_BUMP = "UPDATE cache_space SET epoch = epoch + 1"
_ADOPT = "UPDATE cache_space SET epoch = epoch + 1, redis = $1 WHERE redis <> $1"
_REAP = """
WITH reaped AS (DELETE FROM replicas WHERE id = $1 AND beat = $2 RETURNING id)
UPDATE cache_space SET epoch = epoch + 1 FROM reaped
"""


@dataclass(slots=True)
class Peer:
    """Another replica. `seen` is when this beat of it was first seen (monotonic)."""

    beat: int
    redis: str
    seen: float


@dataclass(slots=True)
class View:
    """The replicas and the cache's epoch as they were after `sent`; it had arrived by `received` (monotonic)."""

    sent: float
    received: float
    name: str
    epoch: int
    redis_of_epoch: str
    peers: dict[UUID, Peer] = field(default_factory=dict)

    @property
    def valid_until(self) -> float:
        return self.sent + LEASE - _MARGIN

    def gone(self, peer: Peer) -> bool:
        """Whether the peer's lease has certainly run out."""
        return self.sent >= peer.seen + LEASE


class Membership:
    """This replica's row. `viewed` is called with every view, `lapsed` when the lease had run out before one came."""

    def __init__(self, connector: Connector, viewed: Callable[[View], None], lapsed: Callable[[], None]) -> None:
        self._connector = connector
        self._viewed = viewed
        self._lapsed = lapsed
        self._connection: Any = None
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._stale = False
        self._beat = 0
        self._reported = 0.0
        self._former: list[UUID] = []
        self._sent: OrderedDict[int, float] = OrderedDict()
        self.id = uuid4()
        self.ids = deque([self.id], 16)
        """The ids that the row has had, the newest last."""
        self.view: View | None = None
        self.wanted_redis = ""
        self.told_redis: str | None = None
        """What the row says of Redis, once that is committed, since `told_at`."""
        self.told_at = 0.0

    def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def stop(self, *, bump: bool) -> None:
        """Take the row away. With `bump` everything in Redis is left behind."""
        await end(self._task)
        try:
            async with asyncio.timeout(_TIMEOUT):
                connection = await self._connect()
                async with connection.transaction():
                    await connection.execute("DELETE FROM replicas WHERE id = ANY ($1)", [self.id, *self._former])
                    if bump:
                        await connection.execute(_BUMP)
        except Exception as error:
            _log.info("the row of this replica stays for others to remove: %s", self._connector.explain(error))
        if self._connection is not None:
            self._connection.terminate()

    def say(self, redis: str) -> None:
        """Write this into the row soon; `told_redis` follows."""
        self.wanted_redis = redis
        self.hurry()

    def begin_anew(self) -> None:
        """Go on as another replica, for others may have taken this one for gone, or wait for it in vain."""
        self._former.append(self.id)
        self.id, self.view, self.told_redis = uuid4(), None, None
        self.ids.append(self.id)
        self.hurry()

    def sent_at(self, beat: int) -> float | None:
        """When that beat of this process was sent (monotonic); None for one of long ago, or none."""
        return self._sent.get(beat)

    def renew(self) -> None:
        """Go on with another connection from the next beat on."""
        self._stale = True
        self.hurry()

    def hurry(self) -> None:
        """Have a new view soon."""
        self._wake.set()

    async def adopt(self, redis: str) -> None:
        """Begin a new epoch unless the current one is of this run of Redis. Raises asyncpg's errors."""
        await self._execute(_ADOPT, redis)

    async def bump(self) -> None:
        """Begin a new epoch. Raises asyncpg's errors."""
        await self._execute(_BUMP)

    async def _execute(self, sql: str, *arguments: Any) -> None:
        connection = await self._connector.connect()
        try:
            await connection.execute(sql, *arguments, timeout=_TIMEOUT)
        finally:
            connection.terminate()

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            try:
                await self._renew()
            except Exception as error:
                connection, self._connection = self._connection, None
                if connection is not None:
                    connection.terminate()
                if time.monotonic() - self._reported > 30:
                    self._reported = time.monotonic()
                    _log.warning("caches are off, the lease cannot be renewed: %s", self._connector.explain(error))
                await asyncio.sleep(_EVERY / 2)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_EVERY):
                    await self._wake.wait()

    async def _connect(self) -> Any:
        if self._stale or self._connection is None or self._connection.is_closed():
            before, self._stale = self._connection, False
            self._connection = await self._connector.connect()
            if before is not None:
                before.terminate()
            await self._connection.execute(
                "INSERT INTO cache_space (name) VALUES ($1) ON CONFLICT DO NOTHING", secrets.token_hex(4)
            )
        return self._connection

    async def _renew(self) -> None:
        connection = await self._connect()
        self._beat += 1
        me, former, redis = self.id, self._former[:], self.wanted_redis
        sent = self._sent[self._beat] = time.monotonic()
        if len(self._sent) > _REMEMBERED:
            self._sent.popitem(last=False)
        rows = await connection.fetch(_BEAT, me, self._beat, redis, former, timeout=_TIMEOUT)
        received = time.monotonic()
        self._former = [number for number in self._former if number not in former]
        if self.id != me:
            return
        known = self.view
        if known is not None and received >= known.valid_until:
            self._lapsed()
            self.begin_anew()
            return
        view = View(sent, received, rows[0]["name"], rows[0]["epoch"], rows[0]["redis_of_epoch"])
        for row in rows:
            if row["id"] is not None:
                peer = known.peers.get(row["id"]) if known is not None else None
                seen = peer.seen if peer is not None and peer.beat == row["beat"] else received
                view.peers[row["id"]] = Peer(row["beat"], row["redis"], seen)
        self.view = view
        if redis != self.told_redis:
            self.told_redis, self.told_at = redis, received
        self._viewed(view)
        for number, peer in view.peers.items():
            if sent >= peer.seen + _REAP_AFTER:
                await connection.execute(_REAP, number, peer.beat, timeout=_TIMEOUT)
                _log.warning("replica %s ended without a word: what is cached in Redis is left behind", number)
