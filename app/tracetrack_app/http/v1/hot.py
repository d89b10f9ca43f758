"""The hot calls of devices, ahead of the framework: its middleware, router, request and response cost half of them.

A scan of a known device within its limit, and the look-up of a bag that is kept in this process. Anything else goes on
to the framework, which has the same routes.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from time import perf_counter
from typing import Any

import msgspec
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from tracetrack_app.domain.codes import Kind, MalformedCodeError, parse
from tracetrack_app.domain.devicekeys import DeviceKeyError
from tracetrack_app.domain.scans import Actor
from tracetrack_app.http.observe import Observe
from tracetrack_app.http.replies import MAX_BODY
from tracetrack_app.http.v1 import bags, scans
from tracetrack_app.http.v1.problems import problem
from tracetrack_app.service import Service
from tracetrack_app.store.bagview import BagView
from tracetrack_app.store.views import ProductView, weights_of

_encode = msgspec.json.Encoder().encode
_SCANS = scans.ROUTES[0].path
_BAG = bags.ROUTES[0]
_BAGS = _BAG.path.partition("{")[0]
_ACTOR = "tracetrack.actor"
_MOST_READY = 10_000

Headers = list[tuple[bytes, bytes]]


class _Ready(msgspec.Struct, frozen=True):
    """An answer, and what it was made of."""

    key: str
    bag: BagView
    products: Mapping[int | None, ProductView] | None
    headers: Headers
    body: bytes


class HotCalls:
    """Answers what it can. `observation` is what Observe takes."""

    def __init__(self, service: Service, **observation: Any) -> None:
        self._service = service
        self._observed = Observe(self._scan, **observation)
        self._ready: OrderedDict[str, _Ready] = OrderedDict()

    async def take(self, scope: Scope, receive: Receive, send: Send) -> bool:
        """Whether the call was one of these, and has been answered."""
        if scope["type"] != "http":
            return False
        path: str = scope["path"]
        if path == _SCANS and scope["method"] == "POST":
            actor = self._actor(scope)
            if actor is None or not self._service.scan_limit.allows(actor):
                return False
            scope[_ACTOR] = actor
            await self._observed(scope, receive, send)
            return True
        if path.startswith(_BAGS) and scope["method"] == "GET":
            # No area limits a device; it may look up whatever it may scan.
            if self._actor(scope) is None or _has(scope, b"if-none-match"):
                return False
            ready = self._kept(path[len(_BAGS) :])
            if ready is None:
                return False
            await self._bag(scope, ready, send)
            return True
        return False

    def _kept(self, given: str) -> _Ready | None:
        """The answer for a bag that is kept in this process with all that belongs to it."""
        cache = self._service.cache
        ready = self._ready.get(given)
        # Values are never changed but replaced: while the same ones are kept, the answer is the same.
        if (
            ready is not None
            and cache.peek(ready.key) is ready.bag
            and (ready.products is None or cache.holds("products", ready.products))
        ):
            return ready
        try:
            key = f"bag:{parse(given).text}"
        except MalformedCodeError:
            return None
        bag: BagView | None = cache.peek(key)
        if bag is None:
            return None
        products: Mapping[int | None, ProductView] | None = None
        if bag.kind == Kind.PARENT and (products := cache.peek("products")) is None:
            return None
        ready = self._ready[given] = _make(key, bag, products)
        if len(self._ready) > _MOST_READY:
            self._ready.popitem(last=False)
        return ready

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

    async def _scan(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = await _body(receive)
        except ClientDisconnect:
            return
        if body is None:
            too_large = problem(413, "too_large", "The scan is too large", f"A scan is at most {MAX_BODY} bytes long.")
            await too_large(scope, receive, send)
            return
        answer = await scans.answered(self._service.writer, body, scope[_ACTOR])
        if isinstance(answer, Response):
            await answer(scope, receive, send)
            return
        out, status = answer
        content = _encode(out)
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(content))]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    async def _bag(self, scope: Scope, ready: _Ready, send: Send) -> None:
        began = perf_counter()
        headers = [*ready.headers, (b"connection", b"close")] if self._observed.leaving() else ready.headers
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": ready.body})
        scope["endpoint"] = _BAG.endpoint
        self._observed.count(scope, 200, perf_counter() - began)


def _make(key: str, bag: BagView, products: Mapping[int | None, ProductView] | None) -> _Ready:
    body = bags.body_of(bag, weights_of([bag], products) if products is not None else None)
    named = {**bags.headers_of(body), "Content-Type": "application/json", "Content-Length": str(len(body))}
    headers = [(name.lower().encode(), value.encode()) for name, value in named.items()]
    return _Ready(key, bag, products, headers, body)


def _has(scope: Scope, wanted: bytes) -> bool:
    return any(name == wanted for name, _ in scope["headers"])


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
