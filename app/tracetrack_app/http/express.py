"""Uvicorn's HTTP protocol with a short way for the calls that are made most: no ASGI message, no middleware, no router.

What is at hand is answered in the turn of the event loop that reads the request; other short calls have a task each.
The application decides which calls these are (`Express`, in the lifespan's state) and answers everything else itself.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final, Protocol

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from tracetrack_app.http.corked import CorkedProtocol

Headers = list[tuple[bytes, bytes]]
"""Names in lower case."""
Answer = tuple[int, bytes]
"""The status; and further headers, an empty line and the body, as they are sent."""
Handler = Callable[[bytes], Awaitable[Answer]]
"""Given the body. Does not raise."""

STATE: Final = "express"
"""The Express's name in the lifespan's state."""


class Express(Protocol):
    """What the application knows of its short calls. None has it go the long way."""

    def leaving(self) -> bool:
        """Whether to go the long way with all that comes, and to close the connections of what is under way."""

    def get(self, target: bytes, headers: Headers) -> Answer | None:
        """The answer to a GET, at once."""

    def post(self, target: bytes, headers: Headers) -> Handler | None:
        """What answers a POST."""


class _Event:
    def set(self) -> None:
        """Nobody waits for it."""


class _Exchange:
    """Stands where uvicorn looks for a connection's last request and response."""

    message_event = _Event()

    def __init__(self, handler: Handler | None = None) -> None:
        self.handler = handler
        self.body = b""
        self.keep_alive = True
        self.disconnected = False
        self.response_complete = handler is None


_ANSWERED: Any = _Exchange()


class ExpressProtocol(CorkedProtocol):
    """What the server is started with."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._express: Express = self.app_state[STATE]

    def on_headers_complete(self) -> None:
        express = self._express
        if self._plain() and not express.leaving():
            method = self.parser.get_method()
            if method == b"GET" and (answer := express.get(self.url, self.headers)) is not None:
                self.cycle = _ANSWERED
                self._write(answer)
                self.on_response_complete()
                return
            if method == b"POST" and (handler := express.post(self.url, self.headers)) is not None:
                exchange: Any = _Exchange(handler)
                self.cycle = exchange
                return
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        exchange: Any = self.cycle
        if isinstance(exchange, _Exchange):
            exchange.body = exchange.body + body if exchange.body else body
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        exchange: Any = self.cycle
        if not isinstance(exchange, _Exchange):
            super().on_message_complete()
        elif exchange.handler is not None:
            task = self.loop.create_task(self._respond(exchange, exchange.handler))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    async def _respond(self, exchange: _Exchange, handler: Handler) -> None:
        answer = await handler(exchange.body)
        exchange.response_complete = True
        if exchange.disconnected or self.transport.is_closing():
            return
        closing = not exchange.keep_alive or self._express.leaving()
        self._write(answer, b"connection: close\r\n" if closing else b"")
        if closing:
            self.transport.close()
        self.on_response_complete()

    def _write(self, answer: Answer, more: bytes = b"") -> None:
        status, content = answer
        lines = [STATUS_LINE[status]]
        for name, value in self.server_state.default_headers:
            lines += (name, b": ", value, b"\r\n")
        lines += (more, content)
        self.corked.write_now(b"".join(lines))

    def _plain(self) -> bool:
        """Whether it is a request of HTTP/1.1 that nothing goes before and that leaves the connection open."""
        parser = self.parser
        return (
            (self.cycle is None or self.cycle.response_complete)
            and not self.pipeline
            and not self.flow.write_paused
            and not self.expect_100_continue
            and parser.get_http_version() == "1.1"
            and parser.should_keep_alive()
            and not parser.should_upgrade()
        )
