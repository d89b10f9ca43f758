"""Tells of a body past a route's limit in the shape of every other error of the old contract."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tracetrack_app.http.replies import MAX_BODY, error_reply

_WORDS = "The body is larger than this address takes: 64 KiB for a scan or a form, 16 MiB for an import."


class TooLarge:
    """ASGI middleware: Starlette answers 413 in plain text by itself, past the exception handlers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD") or not _may_be(scope):
            await self._app(scope, receive, send)
            return
        refused = False

        async def told(message: Message) -> None:
            nonlocal refused
            if message["type"] == "http.response.start":
                kind = Headers(raw=message.get("headers", [])).get("content-type", "")
                refused = message["status"] == 413 and kind.startswith("text/plain")
                if refused:
                    await error_reply(413, _WORDS, "too_large")(scope, receive, send)
            if not refused:
                await send(message)

        await self._app(scope, receive, told)


def _may_be(scope: Scope) -> bool:
    length = Headers(scope=scope).get("content-length", "")
    return not length.isdigit() or int(length[:12]) > MAX_BODY
