"""One connection to Redis for commands and messages alike; the commands of one turn of the event loop go out together.

Replies and messages arrive in the order in which Redis made them, so whoever has the reply to a read has had every
message published before it. Commands are never sent twice: when the connection is lost, each that was not answered
fails with LinkLostError.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, cast
from urllib.parse import unquote, urlsplit

import hiredis

from tracetrack_app.settings import CacheSettings

Word = str | bytes | int
_CONNECT_TIMEOUT = 2.0


class LinkLostError(ConnectionError):
    """The connection to Redis was lost, or could not be made; whether the command was run is unknown."""


class ReplyError(Exception):
    """Redis refused the command."""


class Link(asyncio.Protocol):
    """Speaks RESP3. `identity` names the run of the server process: another one may have lost what this one had."""

    def __init__(self, pushed: Callable[[list[Any]], None], lost: Callable[[Link], None]) -> None:
        self._pushed = pushed
        self._lost = lost
        self._reader: Any = hiredis.Reader(replyError=ReplyError)
        self._pending: deque[tuple[asyncio.Future[Any] | None, float]] = deque()
        self._out: list[bytes] = []
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self.up = False
        self.identity = ""
        self.where = ""

    @classmethod
    async def open(
        cls, settings: CacheSettings, pushed: Callable[[list[Any]], None], lost: Callable[[Link], None]
    ) -> Link:
        """Connect and log in. `pushed` gets each message, `lost` is called once, when the connection ends.

        Raises LinkLostError or ReplyError.
        """
        parts = urlsplit(settings.url)
        link: Link | None = None
        try:
            async with asyncio.timeout(_CONNECT_TIMEOUT):
                _, link = await asyncio.get_running_loop().create_connection(
                    lambda: cls(pushed, lost), parts.hostname or "", parts.port or 6379, ssl=settings.tls()
                )
                link.where = settings.where
                await link.send("HELLO", "3", *_login(settings), "SETNAME", "tracetrack")
                if database := parts.path.strip("/"):
                    await link.send("SELECT", database)
                link.identity = _run_id(await link.send("INFO", "server"))
        except (OSError, TimeoutError) as error:
            if link is not None:
                link.close()
            raise LinkLostError(f"{type(error).__name__}: {error}") from error
        except ReplyError:
            if link is not None:
                link.close()
            raise
        return link

    async def login(self, settings: CacheSettings) -> None:
        """Log in anew on this connection. Raises LinkLostError or ReplyError; when refused, it stays as it was."""
        if words := _login(settings):
            await self.send(*words)

    def send(self, *words: Word) -> asyncio.Future[Any]:
        """Send a command; the future is its reply, or fails with LinkLostError or ReplyError."""
        future: asyncio.Future[Any] = self._loop.create_future()
        if not self.up:
            future.set_exception(LinkLostError("not connected to Redis"))
            return future
        self._put(future, words)
        return future

    def post(self, *words: Word) -> None:
        """Send a command whose reply nobody needs; nothing when not connected."""
        if self.up:
            self._put(None, words)

    async def subscribe(self, *channels: str) -> None:
        """Have the messages of these channels pushed; from the return on none is missed. Raises LinkLostError."""
        # RESP3 confirms a subscription by pushes instead of a reply: the reply to PING comes after them.
        if self.up:
            if not self._out:
                self._loop.call_soon(self._flush)
            self._out.append(hiredis.pack_command(cast(Any, ("SUBSCRIBE", *channels))))
        await self.send("PING")

    def oldest(self) -> float:
        """For how many seconds the oldest command has waited for its reply; 0 when none does."""
        return self._loop.time() - self._pending[0][1] if self._pending else 0.0

    def close(self) -> None:
        """End the connection at once."""
        if self._transport is not None:
            self._transport.abort()
        self._end(None)

    def _put(self, future: asyncio.Future[Any] | None, words: tuple[Word, ...]) -> None:
        self._pending.append((future, self._loop.time()))
        if not self._out:
            self._loop.call_soon(self._flush)
        self._out.append(hiredis.pack_command(cast(Any, words)))

    def _flush(self) -> None:
        out, self._out = self._out, []
        if self.up and self._transport is not None:
            self._transport.write(b"".join(out))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.up = True

    def data_received(self, data: bytes) -> None:
        reader = self._reader
        try:
            reader.feed(data)
            while (reply := reader.gets()) is not False:
                if isinstance(reply, hiredis.PushNotification):
                    self._pushed(reply)
                    continue
                future, _ = self._pending.popleft()
                if future is None or future.done():
                    continue
                if isinstance(reply, ReplyError):
                    future.set_exception(reply)
                else:
                    future.set_result(reply)
        except (hiredis.ProtocolError, IndexError):
            self.close()

    def connection_lost(self, error: Exception | None) -> None:
        self._end(error)

    def _end(self, error: Exception | None) -> None:
        if not self.up:
            return
        self.up = False
        for future, _ in self._pending:
            if future is not None and not future.done():
                future.set_exception(LinkLostError(f"the connection to Redis was lost ({type(error).__name__})"))
                future.exception()
        self._pending.clear()
        self._lost(self)


class Script:
    """A Lua script, sent in full once a connection."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
        self._known_by: Link | None = None

    def run(self, link: Link, keys: Sequence[str], *arguments: str | bytes | int) -> asyncio.Future[Any]:
        if self._known_by is link:
            return link.send("EVALSHA", self._sha, len(keys), *keys, *arguments)
        self._known_by = link
        return link.send("EVAL", self._text, len(keys), *keys, *arguments)

    def forgotten(self) -> None:
        """Redis does not know it (SCRIPT FLUSH): send it in full next time."""
        self._known_by = None


def _login(settings: CacheSettings) -> tuple[str, ...]:
    parts = urlsplit(settings.url)
    return ("AUTH", unquote(parts.username or "default"), unquote(parts.password)) if parts.password else ()


def _run_id(info: Any) -> str:
    text = info.decode() if isinstance(info, bytes) else str(info)
    for line in text.splitlines():
        if line.startswith("run_id:"):
            return line.removeprefix("run_id:").strip()
    raise ReplyError("INFO server gives no run_id")
