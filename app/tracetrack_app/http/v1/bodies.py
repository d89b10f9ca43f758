"""What bodies the v1 API takes: JSON, up to a size."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tracetrack_app.http.replies import MAX_BODY
from tracetrack_app.http.v1.problems import problem

_PREFIX = "/api/v1/"
# Scanners are cheap clients: their scans are read as JSON whatever they are called.
_SCANS = "/api/v1/scans"


class Bodies:
    """ASGI middleware: 413 past the limit of the address, by the bytes that come in; 415 for what is not JSON."""

    def __init__(self, app: ASGIApp, limits: Mapping[str, int]) -> None:
        self._app = app
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD") or not scope["path"].startswith(_PREFIX):
            await self._app(scope, receive, send)
            return
        kind = Headers(scope=scope).get("content-type", "").partition(";")[0].strip().lower()
        if kind and not kind.endswith(("/json", "+json")) and not scope["path"].startswith(_SCANS):
            words = f"Content-Type is {kind}: send application/json."
            refused = problem(415, "unsupported_media_type", "The body is of another type than is taken here", words)
            await refused(scope, receive, send)
            return
        most = self._limits.get(scope["path"], MAX_BODY)
        size = 0

        async def limited() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > most:
                raise HTTPException(413, f"The body is larger than the {most} bytes that this address takes.")
            return message

        await self._app(scope, limited, send)
