"""The one way into the ledger: scans gathered into batches by what waits, not by a timer.

While fewer statements are in flight than there are connections, whatever waits is sent as one statement of up to
`batch_size` rows, in one transaction, and answered after its commit. Two scans about the same bag or with the same
scan_id never share a batch nor run at the same time, so they behave as if done one after another. A batch that fails
is sent again row by row: a bad row never fails its neighbours. A lost connection leaves open whether the commit
happened; the rows are sent again on a new one and the scan_id keeps them from counting twice.

Between the commit and the answer `committed` is awaited, which keeps the caches fresh; the connection takes the next
batch meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg
import msgspec

from tracetrack_app import metrics
from tracetrack_app.domain.outcomes import Entry, Outcome, Refusal
from tracetrack_app.domain.scans import Scan, Undo
from tracetrack_app.store.database import Connector, connection_lost
from tracetrack_app.store.statements import alone, entry, statement

_log = logging.getLogger(__name__)

RACES = (asyncpg.UniqueViolationError, asyncpg.DeadlockDetectedError, asyncpg.SerializationError)
_PATIENCE, _MOST_PATIENCE = 4.0, 15.0
_LOOK_AHEAD = 1024
_ROW_ATTEMPTS = 3
_EXPIRY_INTERVAL = 0.1
# All of them from the start: a series that begins with its first event has no rate then.
_COUNTERS: dict[tuple[Outcome, Refusal | None], Any] = {
    **{(outcome, None): metrics.SCANS.labels(outcome, "") for outcome in Outcome if outcome is not Outcome.REFUSED},
    **{(Outcome.REFUSED, refusal): metrics.SCANS.labels(Outcome.REFUSED, refusal) for refusal in Refusal},
}

Committed = Callable[[Sequence[Entry], Sequence[Scan | Undo]], Awaitable[None]]
"""Called with what was recorded, and with what may have been: the items whose connection was lost for good."""


class UnavailableError(RuntimeError):
    """The scan could not be recorded now; try again after `retry_after` seconds with the same scan_id."""

    def __init__(self, message: str, retry_after: int = 1) -> None:
        super().__init__(message)
        self.retry_after = retry_after


@dataclass(slots=True, eq=False)
class _Waiting:
    item: Scan | Undo
    keys: tuple[Hashable, ...]
    future: asyncio.Future[Entry]
    deadline: float
    sent: bool = False
    sent_again: bool = False
    # Answered or given up. Not the same as future.done(): a caller that leaves does not end the recording.
    settled: bool = False


def _keys(item: Scan | Undo) -> tuple[Hashable, ...]:
    code = item.code if item.code is not None else item.parent
    if isinstance(item, Scan) and (item.refusal is not None or item.kind is None):
        return (item.scan_id.int,)
    return (item.scan_id.int, code)


class Writer:
    """Records scans and undos.

    `capacity` is that of new parents where an admin has set none; `timezone` decides whose day a scan counts in.
    """

    def __init__(
        self,
        connector: Connector,
        *,
        capacity: int,
        timezone: str,
        timeout: float = 10.0,
        queue_limit: int = 4096,
        connections: int = 2,
        batch_size: int = 128,
        committed: Committed | None = None,
    ) -> None:
        self._connector = connector
        self._capacity = capacity
        self._timezone = timezone
        self._timeout = timeout
        self._queue_limit = queue_limit
        self._batch_size = batch_size
        self._committed = committed
        self._queue: deque[_Waiting] = deque()
        self._unsettled: deque[_Waiting] = deque()
        self._watching = False
        self._busy: set[Hashable] = set()
        self._idle = [_Channel(connector) for _ in range(connections)]
        self._channels = tuple(self._idle)
        self._tasks: set[asyncio.Task[None]] = set()
        self._flush_due = False
        self._closing = False

    @property
    def depth(self) -> int:
        """How many scans wait to be sent."""
        return len(self._queue)

    async def open(self) -> None:
        """Connect, so that the first scan does not wait for it."""
        for channel in self._channels:
            await channel.connection()

    async def renew(self) -> None:
        """Go on with new connections, one after the other. Raises asyncpg's errors; then the rest stays as it was."""
        for channel in self._channels:
            await channel.renew()

    async def record(self, item: Scan | Undo) -> Entry:
        """The ledger entry of the item, once committed. Raises UnavailableError; then nothing or all was recorded.

        A caller that is cancelled does not cancel the recording.
        """
        if self._closing:
            raise UnavailableError("The service is stopping.")
        if len(self._queue) >= self._queue_limit:
            metrics.OVERLOADED.inc()
            raise UnavailableError("Too many scans are waiting.")
        loop = asyncio.get_running_loop()
        waiting = _Waiting(item, _keys(item), loop.create_future(), loop.time() + self._timeout)
        self._queue.append(waiting)
        self._unsettled.append(waiting)
        if not self._watching:
            self._watching = True
            loop.call_later(_EXPIRY_INTERVAL, self._expire)
        self._flush_soon()
        return await waiting.future

    async def drain(self) -> None:
        """Take nothing more, record what waits, close the connections."""
        self._closing = True
        while self._queue or self._tasks:
            self._flush()
            if self._tasks:
                await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        for channel in self._channels:
            await channel.close()

    def _expire(self) -> None:
        """Give up on those whose time has passed: one timer for all, as they come in the order of their deadlines."""
        loop = asyncio.get_running_loop()
        unsettled, now = self._unsettled, loop.time()
        while unsettled and (unsettled[0].settled or unsettled[0].deadline <= now):
            waiting = unsettled.popleft()
            if waiting.settled:
                continue
            if not waiting.sent:
                self._queue.remove(waiting)
            _fail(waiting, UnavailableError("The database does not answer.", 5))
        self._watching = bool(unsettled)
        if self._watching:
            loop.call_later(_EXPIRY_INTERVAL, self._expire)

    def _flush_soon(self) -> None:
        if not self._flush_due and self._idle:
            self._flush_due = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_due = False
        while self._idle and self._queue:
            batch = self._take()
            if not batch:
                break
            channel = self._idle.pop()
            task = asyncio.create_task(self._send(channel, batch))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        metrics.QUEUE_DEPTH.set(len(self._queue))

    def _take(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        skipped: list[_Waiting] = []
        held: set[Hashable] = set()
        while self._queue and len(batch) < self._batch_size and len(skipped) < _LOOK_AHEAD:
            waiting = self._queue.popleft()
            single = alone(waiting.item)
            # A key of a skipped scan is held back too: what came first about a bag goes first.
            free = self._busy.isdisjoint(waiting.keys) and held.isdisjoint(waiting.keys)
            if (single and batch) or not free:
                held.update(waiting.keys)
                skipped.append(waiting)
                continue
            self._busy.update(waiting.keys)
            waiting.sent = True
            batch.append(waiting)
            if single:
                break
        self._queue.extendleft(reversed(skipped))
        return batch

    async def _send(self, channel: _Channel, batch: list[_Waiting]) -> None:
        metrics.BATCH_SIZE.observe(len(batch))
        done: list[tuple[_Waiting, Entry]] = []
        try:
            await self._record(channel, batch, done)
        except Exception as error:
            _log.exception("recording %d scans failed", len(batch))
            for waiting in batch:
                _fail(waiting, UnavailableError(f"Recording failed ({type(error).__name__})."))
        finally:
            for waiting in batch:
                self._busy.difference_update(waiting.keys)
            self._idle.append(channel)
            self._flush()
        await self._answer(batch, done)

    async def _answer(self, batch: list[_Waiting], done: list[tuple[_Waiting, Entry]]) -> None:
        if self._committed is not None:
            doubtful: list[Scan | Undo] = []
            if len(done) < len(batch):
                known = {waiting.item.scan_id for waiting, _ in done}
                doubtful = [each.item for each in batch if each.sent_again and each.item.scan_id not in known]
            try:
                await self._committed([entry for _, entry in done], doubtful)
            except Exception as error:
                if not connection_lost(error):
                    _log.exception("the caches could not be told of %d scans", len(done))
                for waiting, _ in done:
                    _fail(waiting, UnavailableError("The database does not answer.", 5))
        for waiting, result in done:
            _answer(waiting, result)

    async def _record(
        self, channel: _Channel, batch: list[_Waiting], done: list[tuple[_Waiting, Entry]], *, singly: bool = False
    ) -> None:
        while not all(waiting.settled for waiting in batch):
            try:
                entries = await channel.execute([waiting.item for waiting in batch], self._capacity, self._timezone)
            except Exception as error:
                if connection_lost(error):
                    metrics.DATABASE_ERRORS.labels("connection").inc()
                    for waiting in batch:
                        waiting.sent_again = True
                    await channel.lost(self._connector.explain(error))
                    continue
                metrics.DATABASE_ERRORS.labels("race" if isinstance(error, RACES) else "statement").inc()
                if singly:
                    raise
                await self._record_singly(channel, batch, done)
                return
            done += [(waiting, entries[waiting.item.scan_id]) for waiting in batch]
            return

    async def _record_singly(
        self, channel: _Channel, batch: list[_Waiting], done: list[tuple[_Waiting, Entry]]
    ) -> None:
        for waiting in batch:
            for attempt in range(_ROW_ATTEMPTS):
                try:
                    await self._record(channel, [waiting], done, singly=True)
                    break
                except Exception as error:
                    if isinstance(error, RACES) and attempt + 1 < _ROW_ATTEMPTS:
                        continue
                    _log.exception("a scan could not be recorded")
                    _fail(waiting, UnavailableError(f"Recording failed ({type(error).__name__})."))
                    break


def _answer(waiting: _Waiting, result: Entry) -> None:
    if waiting.sent_again and result.replay:
        result = msgspec.structs.replace(result, replay=False)
    if not result.replay:
        _COUNTERS[result.outcome, result.refusal].inc()
    waiting.settled = True
    if not waiting.future.done():
        waiting.future.set_result(result)


def _fail(waiting: _Waiting, error: UnavailableError) -> None:
    waiting.settled = True
    if not waiting.future.done():
        waiting.future.set_exception(error)
        waiting.future.exception()


class _Channel:
    """One dedicated connection with its prepared statements; opened again when it is lost."""

    def __init__(self, connector: Connector) -> None:
        self._connector = connector
        self._connection: Any = None
        self._fresh: Any = None
        self._executing = False
        self._prepared: dict[str, Any] = {}
        self._pause = 0.0
        self._told = 0.0
        self._patience = _PATIENCE

    async def renew(self) -> None:
        """Have the next statement go through a connection made now."""
        if self._connection is None:
            return
        fresh = await self._connector.connect(writable=True)
        former, self._fresh = self._fresh, fresh
        if former is not None:
            former.terminate()
        if not self._executing:
            self._change_over()

    def _change_over(self) -> None:
        before, self._connection, self._fresh = self._connection, self._fresh, None
        self._prepared = {}
        if before is not None:
            before.terminate()

    async def connection(self) -> Any:
        if self._fresh is not None:
            self._change_over()
        if self._connection is None or self._connection.is_closed():
            self._prepared = {}
            self._connection = await self._connector.connect(writable=True)
        return self._connection

    async def execute(self, items: Sequence[Scan | Undo], capacity: int, timezone: str) -> dict[Any, Entry]:
        self._executing = True
        try:
            return await self._execute(items, capacity, timezone)
        finally:
            self._executing = False
            if self._fresh is not None:
                self._change_over()

    async def _execute(self, items: Sequence[Scan | Undo], capacity: int, timezone: str) -> dict[Any, Entry]:
        connection = await self.connection()
        sql, arguments = statement(items, capacity, timezone)
        prepared = self._prepared.get(sql)
        try:
            if prepared is None:
                prepared = self._prepared[sql] = await connection.prepare(sql, timeout=self._patience)
            rows = await prepared.fetch(*arguments, timeout=self._patience)
        except TimeoutError:
            # Little at first, to part soon with a server that has gone; more each time for one that is slow.
            self._patience = min(self._patience * 2, _MOST_PATIENCE)
            raise
        self._pause = 0.0
        self._patience = _PATIENCE
        return {row[2]: entry(row) for row in rows}

    async def lost(self, why: str) -> None:
        """Drop the connection and wait a little longer each time in a row."""
        now = time.monotonic()
        if now - self._told > 5:
            self._told = now
            _log.warning("recording is interrupted: %s", why)
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()
        await asyncio.sleep(self._pause)
        self._pause = min(max(self._pause * 2, 0.05), 1.0)

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if self._fresh is not None:
            self._fresh.terminate()
        if connection is not None and not connection.is_closed():
            try:
                await connection.close(timeout=5)
            except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
                connection.terminate()
