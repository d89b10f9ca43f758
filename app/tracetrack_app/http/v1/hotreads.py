"""The look-up of a bag that is kept in this process, by a device: answered by the server's protocol itself.

Anything else goes on to the framework, which has the same route.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from time import perf_counter

import msgspec

from tracetrack_app import metrics
from tracetrack_app.domain.codes import Kind, MalformedCodeError, parse
from tracetrack_app.http.express import Answer, Headers
from tracetrack_app.http.v1 import bags
from tracetrack_app.http.v1.hotscans import device_of
from tracetrack_app.service import Service
from tracetrack_app.store.bagview import BagView
from tracetrack_app.store.views import ProductView, weights_of

_ROUTE = bags.ROUTES[0].path
_TARGET = _ROUTE.partition("{")[0].encode()
_OTHERS = frozenset({b"if-none-match", b"content-length", b"transfer-encoding"})
_MOST_READY = 10_000


class _Ready(msgspec.Struct, frozen=True):
    """An answer, and what it was made of."""

    key: str
    bag: BagView
    products: Mapping[int | None, ProductView] | None
    answer: Answer


class HotReads:
    """Answers what it can."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._ready: OrderedDict[bytes, _Ready] = OrderedDict()
        self._latency = metrics.LATENCY.labels(_ROUTE)
        self._requests = metrics.REQUESTS.labels("GET", _ROUTE, "200")

    def get(self, target: bytes, headers: Headers) -> Answer | None:
        """As ExpressProtocol asks for it."""
        if not target.startswith(_TARGET):
            return None
        began = perf_counter()
        # No area limits a device; it may look up whatever it may scan.
        if device_of(self._service, headers) is None or any(name in _OTHERS for name, _ in headers):
            return None
        ready = self._kept(target)
        if ready is None:
            return None
        self._latency.observe(perf_counter() - began)
        self._requests.inc()
        return ready.answer

    def _kept(self, target: bytes) -> _Ready | None:
        """The answer for a bag that is kept in this process with all that belongs to it."""
        cache = self._service.cache
        ready = self._ready.get(target)
        key = ready.key if ready is not None else _key(target)
        bag: BagView | None = cache.peek(key) if key is not None else None
        if key is None or bag is None:
            return None
        # Values are never changed but replaced: while the same ones are kept, the answer is the same.
        if (
            ready is not None
            and bag is ready.bag
            and (ready.products is None or cache.holds("products", ready.products))
        ):
            return ready
        products: Mapping[int | None, ProductView] | None = None
        if bag.kind == Kind.PARENT and (products := cache.peek("products")) is None:
            return None
        ready = self._ready[target] = _make(key, bag, products)
        if len(self._ready) > _MOST_READY:
            self._ready.popitem(last=False)
        return ready


def _key(target: bytes) -> str | None:
    """The cache's key of the bag. Escaped or followed by a query it is no code: the framework reads such a target."""
    try:
        return f"bag:{parse(target[len(_TARGET) :].decode('ascii')).text}"
    except (MalformedCodeError, UnicodeDecodeError):
        return None


def _make(key: str, bag: BagView, products: Mapping[int | None, ProductView] | None) -> _Ready:
    body = bags.body_of(bag, weights_of([bag], products) if products is not None else None)
    named = {**bags.headers_of(body), "Content-Type": "application/json", "Content-Length": str(len(body))}
    lines = "".join(f"{name.lower()}: {value}\r\n" for name, value in named.items())
    return _Ready(key, bag, products, (200, f"{lines}\r\n".encode() + body))
