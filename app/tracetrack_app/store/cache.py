"""What is read often, kept near: this process, then Redis, then PostgreSQL.

A value is kept only if nothing was heard of its key between the moment its loading began and the moment it is put away.
In Redis a loader first puts a token in the value's place; a change removes the token with the key, and the value is
taken only where the token still is. So a slow loader cannot put back what was there before.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Generic, TypeVar

import msgspec

from tracetrack_app import metrics
from tracetrack_app.store.coherence import Coherence
from tracetrack_app.store.link import LinkLostError, ReplyError, Script

T = TypeVar("T")

ENTRIES = 50_000
TOKEN_SECONDS = 20
VALUE_SECONDS = 24 * 3600
_TOKEN = b"\xc1"
"""What a token begins with, and no MessagePack."""


# For each key: its value or somebody's token if there is one, else this caller's token is put there (a nil answer).
CLAIM = Script(
    """
local found = {}
for index, key in ipairs(KEYS) do
    found[index] = redis.call('SET', key, ARGV[1], 'NX', 'GET', 'EX', ARGV[2])
end
return found
"""
)
# For each key: its value is put where the token still is.
FILL = Script(
    """
local filled = 0
for index, key in ipairs(KEYS) do
    if redis.call('GET', key) == ARGV[1] then
        redis.call('SET', key, ARGV[index + 2], 'EX', ARGV[2])
        filled = filled + 1
    end
end
return filled
"""
)


def is_token(found: bytes) -> bool:
    return found.startswith(_TOKEN)


def new_token() -> bytes:
    return _TOKEN + secrets.token_bytes(8)


class Codec(Generic[T]):
    """How values of one type are written into Redis; `of` is for any type that msgspec takes."""

    def __init__(self, encode: Callable[[T], bytes], decode: Callable[[bytes], T]) -> None:
        self.encode = encode
        self.decode = decode

    @classmethod
    def of(cls, shape: Any) -> Codec[T]:
        return cls(msgspec.msgpack.Encoder().encode, msgspec.msgpack.Decoder(shape).decode)


class _Flight:
    """A load under way. `valid` until something is heard of its key."""

    __slots__ = ("task", "valid")

    def __init__(self) -> None:
        self.valid = True
        self.task: asyncio.Task[Any] | None = None


_MISSING: Any = object()


def _nothing(_value: Any, _patch: bytes) -> None:
    return None


class Cache:
    """Values by key. Whoever changes what a value is made from calls `Coherence.changed` with its key."""

    def __init__(
        self, coherence: Coherence, amend: Callable[[Any, bytes], Any] = _nothing, entries: int = ENTRIES
    ) -> None:
        """`amend` gives the value as a patch leaves it; None when that cannot be told from the value."""
        self._coherence = coherence
        self._amend = amend
        self._capacity = entries
        self._kept: OrderedDict[str, Any] = OrderedDict()
        self._flights: dict[str, _Flight] = {}
        self._count = {
            level: metrics.CACHE_READS.labels(level).inc for level in ("process", "redis", "database", "bypass")
        }
        coherence.listen(self._forget, self._patch)

    async def get(self, key: str, load: Callable[[], Awaitable[T]], codec: Codec[T] | None = None) -> T:
        """The value under `key`, at least as new as the moment of the call; `load` reads it from PostgreSQL.

        Without a codec the value stays in this process (accounts). Values are shared between callers: never change one.
        None is never put into Redis.
        """
        if not self._coherence.caching:
            self._count["bypass"]()
            return await load()
        value = self._kept.get(key, _MISSING)
        if value is not _MISSING:
            self._kept.move_to_end(key)
            self._count["process"]()
            return value  # type: ignore[no-any-return]
        flight = self._flights.get(key)
        if flight is None or flight.task is None:
            flight = self._flights[key] = _Flight()
            flight.task = asyncio.create_task(self._fly(key, flight, load, codec))
            flight.task.add_done_callback(_retrieved)
        # A caller that goes away must not take the load from the others.
        value = await asyncio.shield(flight.task)
        return value  # type: ignore[no-any-return]

    def peek(self, key: str) -> Any:
        """The value if it is in this process and may be used now, else None (also for a value that is None)."""
        value = self._kept.get(key) if self._coherence.caching else None
        if value is not None:
            self._kept.move_to_end(key)
            self._count["process"]()
        return value

    def holds(self, key: str, value: Any) -> bool:
        """Whether this very value is in this process; it may be used if one that `peek` just gave may."""
        return self._kept.get(key) is value

    async def _fly(self, key: str, flight: _Flight, load: Callable[[], Awaitable[T]], codec: Codec[T] | None) -> T:
        try:
            value = await (self._through_redis(key, flight, load, codec) if codec is not None else self._load(load))
            if flight.valid:
                self._keep(key, value)
            return value
        finally:
            if self._flights.get(key) is flight:
                del self._flights[key]

    async def _load(self, load: Callable[[], Awaitable[T]]) -> T:
        self._count["database"]()
        return await load()

    async def _through_redis(self, key: str, flight: _Flight, load: Callable[[], Awaitable[T]], codec: Codec[T]) -> T:
        link = self._coherence.link
        if link is None:
            return await self._load(load)
        name = self._coherence.prefix + key
        token: bytes = new_token()
        try:
            found = (await CLAIM.run(link, [name], token, TOKEN_SECONDS))[0]
        except (LinkLostError, ReplyError):
            CLAIM.forgotten()
            FILL.forgotten()
            return await self._load(load)
        if found is not None:
            if not is_token(found):
                self._count["redis"]()
                return codec.decode(found)
            # Somebody is loading it; his token stands for every load that begins after it was put there.
            token = found
        value = await self._load(load)
        if value is None:
            link.post("DEL", name)
        elif flight.valid and link.up:
            FILL.run(link, [name], token, VALUE_SECONDS, codec.encode(value)).add_done_callback(_retrieved)
        return value

    def _keep(self, key: str, value: Any) -> None:
        kept = self._kept
        kept[key] = value
        kept.move_to_end(key)
        if len(kept) > self._capacity:
            kept.popitem(last=False)
        metrics.CACHE_ENTRIES.set(len(kept))

    def _forget(self, keys: frozenset[str] | None) -> None:
        if keys is None:
            self._kept.clear()
            metrics.CACHE_ENTRIES.set(0)
            for flight in self._flights.values():
                flight.valid = False
            self._flights.clear()
            return
        for key in keys:
            self._drop(key)
        metrics.CACHE_ENTRIES.set(len(self._kept))

    def _patch(self, patches: Mapping[str, bytes]) -> None:
        """Bring what is kept up to date; a load under way may have come too early, so it is not kept."""
        for key, patch in patches.items():
            value = self._kept.get(key)
            self._drop(key)
            if value is not None and (amended := self._amend(value, patch)) is not None:
                self._keep(key, amended)

    def _drop(self, key: str) -> None:
        self._kept.pop(key, None)
        flight = self._flights.pop(key, None)
        if flight is not None:
            flight.valid = False


def _retrieved(future: asyncio.Future[Any]) -> None:
    if not future.cancelled():
        future.exception()
