"""Lists, reports and exports from a standby of PostgreSQL (a read replica), while it is near enough to the primary.

How far it is behind is told by the row that this process renews in the primary twice a second (store/membership.py):
the standby shows a beat, and commits become visible there in the order of the primary, so it has whatever was committed
before that beat was sent. That moment is its `as_of`, by this process' own monotonic clock. The age of the last
transaction replayed would grow while the primary is idle and compares two clocks; positions in the WAL would have to be
asked of the primary for every read, and some managed databases do not tell them. The beat needs no right, and proves
more: only a standby of the very database that this process writes to can show it, and it was sent after the migrations
that this version needs. Whether the server is still in recovery is asked with it: one that was promoted is not used.

Every read asks so on its own connection, since one name may lead to several standbys. It is done there if the standby
is less than the limit behind and has all that its asker changed; whatever goes wrong there, it is done on the primary.
It may therefore be run twice, and must not change anything.

Who changed something: after each unsafe request of a person (http/ownchanges.py) every process of the app hears of it
before the answer leaves, as the caches do (store/coherence.py); none reads for him from a standby that is older than
that. A process that may have missed something, or is without Redis, reads nothing there. Scanners and unknown callers
are not served from it at all. One that comes with a changed binding is read for people only after a while, and told of
for a while after it has gone: by then each process has seen that change of the binding, and tells the others.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import asyncpg

from tracetrack_app import metrics
from tracetrack_app.settings import DatabaseSettings, SettingsError
from tracetrack_app.store.audit import acting
from tracetrack_app.store.coherence import Coherence
from tracetrack_app.store.database import FAILED, Connector, connection_lost, renew
from tracetrack_app.tasks import end

T = TypeVar("T")
Work = Callable[[Any], Awaitable[T]]

_log = logging.getLogger(__name__)
_FRESH = "fresh"
_EVERY = 0.5
_AGAIN = 1.0
_TIMEOUT = 2.0
_CATCH_UP = 2.0
_CATCH_UP_EVERY = 0.05
_REST_AFTER_BREAK = 600.0
_WROTE = "wrote:"
_SEEN = "SELECT pg_is_in_recovery(), (SELECT max(beat) FROM replicas WHERE id = ANY ($1::uuid[]))"
_SEEN_ROW = "SELECT pg_is_in_recovery(), (SELECT hash FROM audit_log WHERE seq = $1)"
_CONFLICTS = (asyncpg.SerializationError, asyncpg.DeadlockDetectedError)


class UnfitError(RuntimeError):
    """The server may not be read from now; `reason` is one word, the message says it to a person."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class WholeReads(Protocol):
    """Where a long read may be done instead of the primary."""

    async def whole(self) -> Any:
        """A connection for it alone, which sees all that was committed before this call; None for the primary."""

    def broke(self, error: BaseException) -> None:
        """A read from that connection failed."""


@dataclass(slots=True)
class Reading:
    """What an answer was made of: `as_of` (monotonic) of the oldest data from the standby, None when there was none."""

    as_of: float | None = None


_reading: ContextVar[Reading | None] = ContextVar("reading", default=None)


def begin_reading() -> Reading:
    """Have what is read from here on, in this task, noted in the result."""
    reading = Reading()
    _reading.set(reading)
    return reading


def note(as_of: float | None) -> None:
    """Something as of then goes into the answer at hand; None is the primary's."""
    reading = _reading.get()
    if reading is not None and as_of is not None:
        reading.as_of = as_of if reading.as_of is None else min(reading.as_of, as_of)


class Standby:
    """Reads from the standby that the settings name, if any.

    In seconds: `max_lag`, and `settle`, within which every process sees that it is named, or no more.
    """

    def __init__(
        self,
        settings: Callable[[], DatabaseSettings | None],
        max_lag: float,
        coherence: Coherence,
        settle: float = 0.0,
    ) -> None:
        self._settings = settings
        self._connector = connector_of(settings, "tracetrack-reports")
        self._max_lag = max_lag
        self._coherence = coherence
        self._beats = coherence.membership
        self._task: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        self._connection: Any = None
        self._stale = False
        self._pool: Any = None
        self._state: str | None = None
        self._words = ""
        self._as_of = -math.inf
        self._floor = math.inf
        self._wrote: dict[int, float] = {}
        self._rest_until = 0.0
        self._settle = settle
        self._settled_at = -math.inf
        self._told_until = math.inf
        self.wanted = False
        """Whether the settings name a standby, here or by now elsewhere."""
        metrics.STANDBY_LAG.set(math.nan)

    def start(self) -> None:
        """Begin to look after it. The primary must be there, and migrated."""
        self._task = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        await end(self._task)
        self._part()

    async def renew(self) -> None:
        """Go on with new connections. Raises asyncpg's errors when they are refused."""
        if self._settings() is None:
            self._wake.set()
            return
        await self._connector.probe()
        if self._pool is not None:
            await renew(self._pool)
        self._stale = True
        self._wake.set()

    def vitals(self) -> dict[str, Any] | None:
        """How it is, for admins; None when none is set."""
        if not self.wanted or self._told_until < math.inf:
            return None
        lag = time.monotonic() - self._as_of
        in_use = self._fresh and self._coherence.caching
        words = self._words or (None if in_use else "This process hears of no changes by others: see to Redis.")
        if words is None and time.monotonic() < self._settled_at:
            in_use, words = False, "It is new, and read from once every process has been told of it."
        return {
            "in_use": in_use,
            "lag_seconds": round(lag, 1) if math.isfinite(lag) else None,
            "max_lag_seconds": self._max_lag,
            "message": words,
        }

    # --- reads

    async def report(self, work: Work[T], primary: Callable[[Work[T]], Awaitable[T]]) -> T:
        """Do `work` with a connection to the standby if whoever asks may be answered from it, else by `primary`."""
        person = _asker()
        if person is not None and self._serves(person):
            try:
                result, as_of = await self._there(person, work)
            except (UnfitError, *FAILED) as error:
                self._failed(error)
            else:
                metrics.REPORTS.labels("standby").inc()
                note(as_of)
                return result
        metrics.REPORTS.labels("primary").inc()
        return await primary(work)

    def serves(self) -> bool:
        """Whether whoever asks may be answered from the standby, as far as is known beforehand."""
        person = _asker()
        return person is not None and self._serves(person)

    def _serves(self, person: int) -> bool:
        return self._fresh and self._coherence.caching and self._as_of >= self._needed(person)

    def suffices(self, as_of: float) -> bool:
        """Whether what was read as of then has all that whoever asks has changed."""
        person = _asker()
        return person is not None and as_of >= self._needed(person)

    @property
    def _fresh(self) -> bool:
        return self._pool is not None and self._state == _FRESH

    async def _there(self, person: int, work: Work[T]) -> tuple[T, float]:
        async with self._pool.acquire(timeout=_TIMEOUT) as connection:
            as_of = await self._ask(connection)
            if time.monotonic() - as_of > self._max_lag:
                raise UnfitError("behind", "too far behind")
            if as_of < self._needed(person):
                raise UnfitError("own_change", "without what the asker changed")
            self._as_of = max(self._as_of, as_of)
            return await work(connection), as_of

    def _needed(self, person: int) -> float:
        return max(self._floor, self._coherence.caching_since, self._wrote.get(person, -math.inf))

    async def whole(self) -> Any:
        """A connection of its own that sees all that was committed before this call; None for the primary.

        Close it. Waits for the standby to come up to the primary, two seconds at most.
        """
        since = time.monotonic()
        if not self._fresh or since < self._rest_until:
            metrics.REPORTS.labels("primary").inc()
            return None
        connection = None
        try:
            connection = await self._connector.connect()
            self._beats.hurry()
            while (as_of := await self._ask(connection)) < since:
                if time.monotonic() > since + min(self._max_lag, _CATCH_UP):
                    raise UnfitError("behind", "too far behind")
                await asyncio.sleep(_CATCH_UP_EVERY)
        except (UnfitError, *FAILED) as error:
            self._failed(error)
        else:
            metrics.REPORTS.labels("standby").inc()
            note(as_of)
            return connection
        if connection is not None:
            connection.terminate()
        metrics.REPORTS.labels("primary").inc()
        return None

    def broke(self, error: BaseException) -> None:
        """A whole read broke off: the next ones are for the primary, so that who tries again gets it."""
        self._rest_until = time.monotonic() + _REST_AFTER_BREAK
        self._failed(error)

    def _failed(self, error: BaseException) -> None:
        if isinstance(error, UnfitError):
            metrics.STANDBY_FALLBACKS.labels(error.reason).inc()
            return
        conflict = isinstance(error, _CONFLICTS)
        lost = connection_lost(error)
        metrics.STANDBY_FALLBACKS.labels("conflict" if conflict else "lost" if lost else "error").inc()
        if lost:
            self._wake.set()
        if not lost and not conflict:
            _log.warning("a read failed on the read replica and is done on the primary: %s", type(error).__name__)

    # --- who changed something

    async def wrote(self, person: int | None) -> None:
        """The person has changed something, which is committed. Call it before he is answered."""
        if person is None or not self.wanted:
            return
        # Without PostgreSQL nobody knows who else runs. They know no more, and stop using the standby as the caches.
        with contextlib.suppress(TimeoutError):
            await self._coherence.changed(wrote_key(person))

    def _heard(self, keys: frozenset[str] | None) -> None:
        now = time.monotonic()
        if keys is None:
            self._floor = max(now, self._settled_at)
            self._wrote.clear()
            return
        for key in keys:
            if key.startswith(_WROTE):
                self._wrote[int(key[len(_WROTE) :])] = now

    def _want(self) -> None:
        if self._floor == math.inf:
            self._coherence.listen(self._heard, lambda _: None)
        self._told_until = math.inf
        if not self.wanted:
            self.wanted = True
            self._settled_at = time.monotonic() + self._settle
            self._heard(None)

    def _want_no_more(self) -> None:
        """Others may still read from it: they are told for a while."""
        if not self.wanted:
            return
        self._told_until = min(self._told_until, time.monotonic() + self._settle)
        if time.monotonic() >= self._told_until:
            self.wanted = False

    # --- how it is

    async def _ask(self, connection: Any) -> float:
        """As of when the server is. Raises UnfitError, and what asyncpg raises."""
        try:
            standby, beat = await connection.fetchrow(_SEEN, list(self._beats.ids), timeout=_TIMEOUT)
        except (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError):
            raise UnfitError("foreign", f"{self._connector.where} has not the app's schema") from None
        if not standby:
            raise UnfitError("promoted", f"{self._connector.where} takes writes: it is no standby, or was promoted")
        sent = self._beats.sent_at(beat) if beat is not None else None
        if sent is None:
            words = f"{self._connector.where} shows nothing of this app: it is of another database, or far behind it"
            raise UnfitError("foreign", words)
        return sent

    async def _watch(self) -> None:
        while True:
            self._wake.clear()
            try:
                await self._look()
            except Exception:
                _log.exception("looking after the read replica failed")
                self._part()
            lag = time.monotonic() - self._as_of
            metrics.STANDBY_LAG.set(lag if self.wanted and math.isfinite(lag) else math.nan)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_EVERY if self._connection is not None else _AGAIN):
                    await self._wake.wait()

    async def _look(self) -> None:
        try:
            if self._settings() is None:
                self._want_no_more()
                self._part()
                self._turn(None)
                return
            self._want()
            async with asyncio.timeout(_TIMEOUT):
                if self._stale or self._connection is None or self._connection.is_closed():
                    before, self._stale = self._connection, False
                    self._connection = await self._connector.connect()
                    if before is not None:
                        before.terminate()
                as_of = await self._ask(self._connection)
        except UnfitError as error:
            # The name may lead to another server next time.
            self._part()
            self._turn(error.reason, str(error))
            return
        except FAILED as error:
            self._part()
            self._turn("lost", self._connector.explain(error))
            return
        now, self._as_of = time.monotonic(), as_of
        self._wrote = {person: at for person, at in self._wrote.items() if at > now - self._max_lag}
        if now - as_of > self._max_lag:
            where, limit = self._connector.where, f"DATABASE_REPLICA_MAX_LAG is {self._max_lag:g} s"
            self._turn("behind", f"{where} is {now - as_of:.0f} s behind the primary, {limit}")
            return
        if self._pool is None:
            self._pool = await self._connector.pool()
        self._turn(_FRESH)

    def _turn(self, state: str | None, words: str = "") -> None:
        before, self._state, self._words = self._state, state, words
        if state == before:
            return
        if state == _FRESH:
            _log.info("lists and reports are read from the read replica at %s", self._connector.where)
        elif state is None:
            _log.info("lists and reports are read from the primary: no read replica is set any more")
        else:
            _log.warning("lists and reports are read from the primary: %s", words)

    def _part(self) -> None:
        """End the connections, with what waits on them: it is done on the primary."""
        connection, self._connection = self._connection, None
        pool, self._pool = self._pool, None
        if connection is not None:
            connection.terminate()
        if pool is not None:
            pool.terminate()


class AuditedStandby:
    """For a command, which renews no row: a standby is good once it shows the row of the audit log just written."""

    def __init__(self, connector: Connector, seq: int, hash_: bytes, max_lag: float) -> None:
        self._connector = connector
        self._seq = seq
        self._hash = hash_
        self._max_lag = max_lag
        self.problem: str | None = None
        """Why the primary is read instead."""

    async def whole(self) -> Any:
        """As Standby's; waits for `max_lag` seconds."""
        connection = None
        deadline = time.monotonic() + self._max_lag
        try:
            connection = await self._connector.connect()
            while True:
                standby, found = await connection.fetchrow(_SEEN_ROW, self._seq, timeout=_TIMEOUT)
                if not standby:
                    raise UnfitError("promoted", f"{self._connector.where} takes writes: it is no standby")
                if found == self._hash:
                    return connection
                if time.monotonic() > deadline or found is not None:
                    words = "is of another database" if found is not None else f"is over {self._max_lag:g} s behind"
                    raise UnfitError("behind", f"{self._connector.where} {words}")
                await asyncio.sleep(_CATCH_UP_EVERY)
        except (UnfitError, *FAILED) as error:
            self.problem = str(error) if isinstance(error, UnfitError) else self._connector.explain(error)
        if connection is not None:
            connection.terminate()
        return None

    def broke(self, error: BaseException) -> None:
        self.problem = f"it broke off: {self._connector.explain(error)}"


def wrote_key(person: int | None) -> set[str]:
    """What to tell Coherence.changed besides the keys of a change, so that he who made it finds it in his lists."""
    return set() if person is None else {f"{_WROTE}{person}"}


def _asker() -> int | None:
    return acting.get()().user_id


def connector_of(settings: Callable[[], DatabaseSettings | None], application_name: str) -> Connector:
    """Opens connections to the standby; SettingsError when none is set any more."""

    def given() -> DatabaseSettings:
        found = settings()
        if found is None:
            raise SettingsError("no read replica: set DATABASE_REPLICA_URL, or mount the binding database-replica")
        return found

    return Connector(given, application_name, "database-replica")
