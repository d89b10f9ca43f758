"""Counts and times every request, and parts with clients before a stop; plain ASGI, a few microseconds a request."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tracetrack_app import metrics
from tracetrack_app.http.auth.trail import request_id
from tracetrack_app.http.replies import error_reply
from tracetrack_app.http.v1.problems import problem

_log = logging.getLogger(__name__)


class Observe:
    """ASGI middleware around the whole application."""

    def __init__(
        self,
        app: ASGIApp,
        leaving: Callable[[], bool],
        paths: frozenset[str] = frozenset(),
        patterns: Mapping[Any, str] | None = None,
    ) -> None:
        """`paths` are those served as they stand, `patterns` those of Starlette's routes, which say only the endpoint.

        Any other address is counted by its FastAPI route's pattern, or as one.

        While `leaving`, each answer closes its connection: a client that keeps one open would otherwise send its next
        request into the moment in which the server ends.
        """
        self._app = app
        self._leaving = leaving
        self._paths = paths
        self._patterns = patterns or {}
        self._latency: dict[str, Any] = {}
        self._requests: dict[tuple[str, str, int], Any] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 0

        async def observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if self._leaving():
                    message = {**message, "headers": [*message.get("headers", ()), (b"connection", b"close")]}
            await send(message)

        began = time.perf_counter()
        metrics.IN_FLIGHT.inc()
        try:
            await self._app(scope, receive, observed)
        except Exception:
            number = request_id(Request(scope))
            _log.exception("%s %s failed, request_id %s", scope["method"], scope["path"], number)
            if status == 0:
                response = failed(scope["path"], number)
                await response(scope, receive, observed)
        finally:
            metrics.IN_FLIGHT.dec()
            self._count(scope, status, time.perf_counter() - began)

    def _count(self, scope: Scope, status: int, seconds: float) -> None:
        path = scope["path"]
        route = path if path in self._paths else self._pattern(scope)
        latency = self._latency.get(route)
        if latency is None:
            latency = self._latency[route] = metrics.LATENCY.labels(route)
        latency.observe(seconds)
        key = (scope["method"], route, status)
        requests = self._requests.get(key)
        if requests is None:
            method = key[0] if key[0] in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS") else "other"
            child = metrics.REQUESTS.labels(method, route, str(status))
            if len(self._requests) < 10_000:
                self._requests[key] = child
            requests = child
        requests.inc()

    def _pattern(self, scope: Scope) -> str:
        found = self._patterns.get(scope.get("endpoint")) or getattr(scope.get("route"), "path", "(other)")
        return str(found)


def failed(path: str, number: str) -> Response:
    """The answer to a request that failed here; `number` is the request_id that the log names."""
    words = "Something went wrong here. Try again."
    if path.startswith("/api/v1/"):
        return problem(500, "server_error", "Something went wrong here", words, request_id=number)
    return error_reply(500, words, "server_error", number=number)
