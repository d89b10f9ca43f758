"""What the replicas share through Redis: rate limits, and sessions that were ended before their time.

Ended sessions are pushed to every replica and kept in memory there, so that no request waits for Redis, and so that
work goes on while Redis is away. Rate limits fail closed: without Redis there is no new log-in.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, cast
from urllib.parse import unquote, urlsplit

from redis.asyncio import Redis, SSLConnection
from redis.credentials import CredentialProvider
from redis.exceptions import AuthenticationError, RedisError

from tracetrack_app.settings import CacheSettings
from tracetrack_app.tasks import end

_log = logging.getLogger(__name__)
_ENDED = "tracetrack:sessions:ended"
_PARTING = 5.0
"""Longer than a command may take, in seconds."""


class _Credentials(CredentialProvider):
    """User and password as the settings have them at each connection, so that a rotated password is met."""

    def __init__(self, settings: Callable[[], CacheSettings]) -> None:
        self._settings = settings

    def get_credentials(self) -> tuple[str] | tuple[str, str]:
        parts = urlsplit(self._settings().url)
        password = unquote(parts.password or "")
        return (unquote(parts.username), password) if parts.username else (password,)

    async def get_credentials_async(self) -> tuple[str] | tuple[str, str]:
        return self.get_credentials()


class _Encrypted(SSLConnection):
    """By a context of all: one made for each connection takes 40 ms, in which no request is answered."""

    def __init__(self, *, context: Callable[[], ssl.SSLContext], **given: Any) -> None:
        super().__init__(**given)
        self._context = context

    def _connection_arguments(self) -> Mapping[str, Any]:
        self.ssl_context.context = self._context()
        return super()._connection_arguments()


def _client(settings: Callable[[], CacheSettings]) -> Redis:
    now = settings()
    parts = urlsplit(now.url)
    client = Redis(
        host=parts.hostname or "",
        port=parts.port or 6379,
        db=int(parts.path.strip("/") or 0),
        credential_provider=_Credentials(settings) if parts.password else None,
        socket_timeout=2,
        socket_connect_timeout=2,
        health_check_interval=15,
        max_connections=50,
    )
    if parts.scheme == "rediss":
        client.connection_pool.connection_class = _Encrypted
        client.connection_pool.connection_kwargs["context"] = cache(now.tls)
    return client


async def _part(client: Redis, following: asyncio.Task[None] | None) -> None:
    """Let what is under way come to its end."""
    try:
        await asyncio.sleep(_PARTING)
    finally:
        await end(following)
        await client.aclose()


class Shared:
    """The state shared through Redis."""

    def __init__(self, settings: Callable[[], CacheSettings]) -> None:
        self._settings = settings
        self._where = settings().where
        self._redis = _client(settings)
        self._ended: dict[str, float] = {}
        self._task: asyncio.Task[None] | None = None
        self._partings: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Begin to follow the sessions that end."""
        self._task = asyncio.create_task(self._follow())

    async def renew(self) -> None:
        """Go on with new connections; those in use end first. Raises RedisError when the new ones aren't taken."""
        fresh = _client(self._settings)
        try:
            await fresh.ping()
        except BaseException:
            await fresh.aclose()
            raise
        before, self._redis, self._where = self._redis, fresh, self._settings().where
        following = self._task
        if following is not None:
            self._task = asyncio.create_task(self._follow())
        parting = asyncio.create_task(_part(before, following))
        self._partings.add(parting)
        parting.add_done_callback(self._partings.discard)

    async def close(self) -> None:
        await end(*self._partings, self._task)
        await self._redis.aclose()

    async def hits(self, name: str, window: int) -> int:
        """How often this was called for `name` in the current window of seconds, this call included.

        Raises RedisError when Redis is away.
        """
        key = f"tracetrack:limit:{name}"
        async with self._redis.pipeline(transaction=True) as pipeline:
            pipeline.set(key, 0, ex=window, nx=True)
            pipeline.incr(key)
            results = await pipeline.execute()
        return int(results[-1])

    async def forget_hits(self, name: str) -> None:
        """Begin to count anew. Raises RedisError when Redis is away."""
        await self._redis.delete(f"tracetrack:limit:{name}")

    async def add(self, name: str, counts: Mapping[str, int], window: int) -> dict[str, int]:
        """Add to the counts under `name`, which is forgotten after `window` seconds; their sums over all replicas.

        Raises RedisError when Redis is away.
        """
        key = f"tracetrack:limit:{name}"
        async with self._redis.pipeline(transaction=True) as pipeline:
            for field, count in counts.items():
                pipeline.hincrby(key, field, count)
            pipeline.expire(key, window)
            results = await pipeline.execute()
        return {field: int(total) for field, total in zip(counts, results, strict=False)}

    def is_ended(self, session_id: str) -> bool:
        return session_id in self._ended

    async def end_session(self, session_id: str, until: float) -> None:
        """Refuse the session on every replica until `until` (Unix time), when it would have ended anyway."""
        self._ended[session_id] = until
        try:
            async with self._redis.pipeline(transaction=True) as pipeline:
                pipeline.zadd(_ENDED, {session_id: until})
                pipeline.zremrangebyscore(_ENDED, 0, time.time())
                pipeline.publish(_ENDED, f"{until} {session_id}")
                await pipeline.execute()
        except RedisError as error:
            _log.warning("other replicas do not know yet that a session ended: %s", type(error).__name__)

    async def _follow(self) -> None:
        reached = True
        while True:
            try:
                async with self._redis.pubsub() as channel:
                    await channel.subscribe(_ENDED)
                    await self._load()
                    if not reached:
                        _log.info("Redis at %s is back", self._where)
                    reached = True
                    while True:
                        message = await channel.get_message(ignore_subscribe_messages=True, timeout=30)
                        if message is not None:
                            until, _, session_id = cast(bytes, message["data"]).decode().partition(" ")
                            self._ended[session_id] = float(until)
                        self._forget()
            except (RedisError, OSError) as error:
                if reached:
                    _log.warning("%s; log-in waits for it", self._explain(error))
                reached = False
                await asyncio.sleep(1)

    def _explain(self, error: BaseException) -> str:
        if isinstance(error, AuthenticationError):
            return f"Redis at {self._where} refused the user name or the password: check the cache binding's Secret"
        cause = error.__cause__ or error.__context__ or error
        if isinstance(cause, ssl.SSLError):
            return f"TLS to Redis at {self._where} failed ({cause.reason}): check tls and ca.crt of the binding"
        return f"Redis at {self._where} cannot be reached ({type(cause).__name__})"

    async def _load(self) -> None:
        known = await self._redis.zrangebyscore(_ENDED, time.time(), "+inf", withscores=True)
        ours = {session_id: until for session_id, until in self._ended.items() if until > time.time()}
        theirs = {session_id.decode(): float(until) for session_id, until in cast(list[tuple[bytes, float]], known)}
        if missing := {session_id: until for session_id, until in ours.items() if session_id not in theirs}:
            await self._redis.zadd(_ENDED, missing)
        self._ended = theirs | ours

    def _forget(self) -> None:
        now = time.time()
        for session_id in [session_id for session_id, until in self._ended.items() if until < now]:
            del self._ended[session_id]
