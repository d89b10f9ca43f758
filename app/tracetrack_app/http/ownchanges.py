"""Has people find their own changes in lists read from the standby, and says how old such an answer may be."""

from __future__ import annotations

import math
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tracetrack_app.store.audit import SYSTEM, acting
from tracetrack_app.store.standby import Standby, begin_reading

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
AGE = b"x-tracetrack-data-age"
"""Seconds: what was committed earlier than so long ago is in the answer. Not there when the primary answered."""


class OwnChanges:
    """ASGI middleware. Whoever calls is known to it by `acting`, which is set where it is found out."""

    def __init__(self, app: ASGIApp, standby: Standby) -> None:
        self._app = app
        self._standby = standby

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not self._standby.wanted:
            await self._app(scope, receive, send)
            return
        acting.set(lambda: SYSTEM)
        reading = begin_reading()
        changes = scope["method"] not in _SAFE
        told = False

        async def tell(message: Message) -> None:
            nonlocal told
            if message["type"] == "http.response.start":
                told = True
                if changes:
                    await self._standby.wrote(acting.get()().user_id)
                if reading.as_of is not None:
                    age = math.ceil((time.monotonic() - reading.as_of) * 10) / 10
                    message = {**message, "headers": [*message.get("headers", ()), (AGE, b"%.1f" % age)]}
            await send(message)

        try:
            await self._app(scope, receive, tell)
        except Exception:
            if changes and not told:
                await self._standby.wrote(acting.get()().user_id)
            raise
