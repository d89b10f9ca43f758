"""Scans of devices, ahead of the framework: its middleware, router, request and response cost half of such a call.

Whatever is not a POST to /api/v1/scans of a known device within its limit goes on to the framework, which has the same
route.
"""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from tracetrack_app.domain.devicekeys import DeviceKeyError
from tracetrack_app.domain.scans import Actor
from tracetrack_app.http.observe import Observe
from tracetrack_app.http.replies import MAX_BODY
from tracetrack_app.http.v1.problems import problem
from tracetrack_app.http.v1.scans import ROUTES, answered
from tracetrack_app.service import Service

_encode = msgspec.json.Encoder().encode
_PATH = ROUTES[0].path
_ACTOR = "tracetrack.actor"


class HotScans:
    """Answers the scans of devices. `observation` is what Observe takes."""

    def __init__(self, service: Service, **observation: Any) -> None:
        self._service = service
        self._observed = Observe(self._answer, **observation)

    async def take(self, scope: Scope, receive: Receive, send: Send) -> bool:
        """Whether the call was one of these, and has been answered."""
        if scope["type"] != "http" or scope["path"] != _PATH or scope["method"] != "POST":
            return False
        actor = self._actor(scope)
        if actor is None or not self._service.scan_limit.allows(actor):
            return False
        scope[_ACTOR] = actor
        await self._observed(scope, receive, send)
        return True

    def _actor(self, scope: Scope) -> Actor | None:
        for name, value in scope["headers"]:
            if name == b"authorization":
                scheme, _, key = value.decode("latin-1").partition(" ")
                if scheme.lower() != "bearer":
                    return None
                try:
                    device = self._service.fleets.device(key.strip())
                except DeviceKeyError:
                    return None
                return Actor(fleet=device.fleet, scanner=device.scanner)
        return None

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = await _body(receive)
        except ClientDisconnect:
            return
        if body is None:
            too_large = problem(413, "too_large", "The scan is too large", f"A scan is at most {MAX_BODY} bytes long.")
            await too_large(scope, receive, send)
            return
        answer = await answered(self._service.writer, body, scope[_ACTOR])
        if isinstance(answer, Response):
            await answer(scope, receive, send)
            return
        out, status = answer
        content = _encode(out)
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(content))]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})


async def _body(receive: Receive) -> bytes | None:
    """All of it; None when it is larger than MAX_BODY. Raises ClientDisconnect."""
    body = b""
    while True:
        message: Message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        part: bytes = message.get("body", b"")
        body = body + part if body else part
        if len(body) > MAX_BODY:
            return None
        if not message.get("more_body", False):
            return body
