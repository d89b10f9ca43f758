"""What is read often, kept near: this process, then Redis, then PostgreSQL."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import msgspec

from tracetrack_app.store.coherence import Coherence

T = TypeVar("T")


class Codec(Generic[T]):
    """How values of one type are written into Redis. `shape` is what msgspec takes as a type."""

    def __init__(self, shape: type[T]) -> None:
        self.encode: Callable[[T], bytes] = msgspec.msgpack.Encoder().encode
        self.decode: Callable[[bytes], T] = msgspec.msgpack.Decoder(shape).decode


class Cache:
    """Values by key. Whoever changes what a value is made from calls `Coherence.changed` with its key."""

    def __init__(self, coherence: Coherence) -> None:
        self._coherence = coherence

    async def get(self, key: str, load: Callable[[], Awaitable[T]], codec: Codec[T] | None = None) -> T:
        """The value under `key`, at least as new as the moment of the call; `load` reads it from PostgreSQL.

        Without a codec the value stays in this process (accounts). Values are shared between callers: never change one.
        """
        return await load()
