"""Every bag put into Redis beforehand, by one replica, in the background.

It goes through the bags by id in chunks, each as a reader would: tokens first, then the rows, then the values where the
tokens still are. Where it has come to is kept in Redis, so that another replica goes on when this one ends.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable
from typing import Any

import asyncpg

from tracetrack_app import metrics
from tracetrack_app.store.bagview import BAG, BAG_SOURCE, bag_view
from tracetrack_app.store.cache import FILL, TOKEN_SECONDS, VALUE_SECONDS, new_token
from tracetrack_app.store.coherence import Coherence
from tracetrack_app.store.link import Link, LinkLostError, ReplyError, Script
from tracetrack_app.tasks import end

_log = logging.getLogger(__name__)

CHUNK = 250
ROWS_PER_SECOND = 10_000
_LOOK_EVERY = 2.0
_RETRY_AFTER = 60.0
_LOCK_SECONDS = 30
_DONE_SECONDS = VALUE_SECONDS * 3 // 4
"""Values expire; they are gone through again, which puts that off, before they do."""

# For each key: 1 when this caller's token was put there; a value that is there already is kept for longer.
_CLAIM = Script(
    """
local claimed = {}
for index, key in ipairs(KEYS) do
    local found = redis.call('SET', key, ARGV[1], 'NX', 'GET', 'EX', ARGV[2])
    claimed[index] = found and 0 or 1
    if found and string.byte(found) ~= 193 then redis.call('EXPIRE', key, ARGV[3]) end
end
return claimed
"""
)
_CODES = "SELECT id, code FROM bags WHERE id > $1 ORDER BY id LIMIT $2"
_ROWS = f"{BAG_SOURCE} WHERE b.id = ANY ($1::bigint[])"


class Preload:
    """Runs whenever the bags are not in Redis: at the first start, after Redis was emptied, before values expire."""

    def __init__(self, pool: Any, coherence: Coherence, rows_per_second: int = ROWS_PER_SECOND) -> None:
        self._pool = pool
        self._coherence = coherence
        self._rate = rows_per_second
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        await end(self._task)

    async def _run(self) -> None:
        while True:
            pause = _LOOK_EVERY
            link = self._coherence.link
            if link is not None and self._coherence.caching:
                try:
                    pause = await self._look(link)
                except (LinkLostError, OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
                    pause = _LOOK_EVERY
                except ReplyError as error:
                    _log.warning("the pre-load stops for a while: Redis says %s", error)
                    pause = _RETRY_AFTER
            await asyncio.sleep(pause)

    async def _look(self, link: Link) -> float:
        """Do it if it has to be done; the seconds until the next look."""
        prefix = self._coherence.prefix
        if await link.send("EXISTS", f"{prefix}preload:done"):
            return _LOOK_EVERY
        if await link.send("SET", f"{prefix}preload:lock", "1", "NX", "EX", _LOCK_SECONDS) is None:
            return _LOOK_EVERY
        began, at = time.monotonic(), int(await link.send("GET", f"{prefix}preload:at") or 0)
        number = 0
        while self._coherence.link is link and self._coherence.prefix == prefix:
            if not self._coherence.caching:
                await asyncio.sleep(_LOOK_EVERY / 2)
                continue
            started = time.monotonic()
            reached, filled, seen = await self._chunk(link, prefix, at)
            if not seen:
                await link.send("SET", f"{prefix}preload:done", at, "EX", _DONE_SECONDS)
                await link.send("DEL", f"{prefix}preload:lock", f"{prefix}preload:at")
                _log.info("%d bags were put into Redis in %.1f s", number, time.monotonic() - began)
                return _LOOK_EVERY
            at, number = reached, number + filled
            metrics.CACHE_PRELOADED.inc(filled)
            link.post("SET", f"{prefix}preload:at", at, "EX", _DONE_SECONDS)
            link.post("EXPIRE", f"{prefix}preload:lock", _LOCK_SECONDS)
            await asyncio.sleep(max(seen / self._rate - (time.monotonic() - started), 0.001))
        return _LOOK_EVERY

    async def _chunk(self, link: Link, prefix: str, after: int) -> tuple[int, int, int]:
        """(the id it came to, values put there, bags looked at)."""
        bags = await self._pool.fetch(_CODES, after, CHUNK)
        if not bags:
            return after, 0, 0
        names = {row["id"]: f"{prefix}bag:{row['code']}" for row in bags}
        token = new_token()
        claimed = await _sent(_CLAIM, link, list(names.values()), token, TOKEN_SECONDS, VALUE_SECONDS)
        wanted = [number for number, mine in zip(names, claimed, strict=True) if mine]
        filled = 0
        if wanted:
            rows = await self._pool.fetch(_ROWS, wanted)
            values = {names[row["id"]]: BAG.encode(bag_view(row)) for row in rows}
            filled = await _sent(FILL, link, list(values), token, VALUE_SECONDS, *values.values())
        return bags[-1]["id"], filled, len(bags)


async def _sent(script: Script, link: Link, keys: list[str], *arguments: str | bytes | int) -> Any:
    try:
        reply: Awaitable[Any] = script.run(link, keys, *arguments)
        return await reply
    except ReplyError as error:
        if not str(error).startswith("NOSCRIPT"):
            raise
        script.forgotten()
        return await script.run(link, keys, *arguments)
