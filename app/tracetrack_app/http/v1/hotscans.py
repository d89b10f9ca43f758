"""POST /api/v1/scans by a known device within its limit, on the short way: the framework's costs more than the scan.

Anything else goes on to the framework, which has the same route.
"""

from __future__ import annotations

import logging
from time import perf_counter
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from tracetrack_app import metrics
from tracetrack_app.domain.devicekeys import DeviceKeyError
from tracetrack_app.domain.scans import Actor
from tracetrack_app.http.auth.trail import request_id
from tracetrack_app.http.express import Answer, Handler, Headers
from tracetrack_app.http.observe import failed
from tracetrack_app.http.replies import MAX_BODY
from tracetrack_app.http.v1 import scans
from tracetrack_app.service import Service

_log = logging.getLogger(__name__)
_encode = msgspec.json.Encoder().encode
_ROUTE = scans.ROUTES[0].path
_TARGET = _ROUTE.encode()


class HotScans:
    """Takes what it can."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._latency = metrics.LATENCY.labels(_ROUTE)
        self._requests: dict[int, Any] = {}

    def post(self, target: bytes, headers: Headers) -> Handler | None:
        """As ExpressProtocol asks for it."""
        if target != _TARGET or not _short(headers):
            return None
        actor = device_of(self._service, headers)
        if actor is None or not self._service.scan_limit.allows(actor):
            return None

        async def record(body: bytes) -> Answer:
            return await self._record(actor, headers, body)

        return record

    async def _record(self, actor: Actor, headers: Headers, body: bytes) -> Answer:
        began = perf_counter()
        metrics.IN_FLIGHT.inc()
        try:
            found = await scans.answered(self._service.writer, body, actor)
            answer = _of_response(found) if isinstance(found, Response) else _of_scan(*found)
        except Exception:
            number = request_id(Request({"type": "http", "headers": headers}))
            _log.exception("POST %s failed, request_id %s", _ROUTE, number)
            answer = _of_response(failed(_ROUTE, number))
        finally:
            metrics.IN_FLIGHT.dec()
        self._latency.observe(perf_counter() - began)
        requests = self._requests.get(answer[0])
        if requests is None:
            requests = self._requests[answer[0]] = metrics.REQUESTS.labels("POST", _ROUTE, str(answer[0]))
        requests.inc()
        return answer


def device_of(service: Service, headers: Headers) -> Actor | None:
    """The device whose valid key is among the headers."""
    for name, value in headers:
        if name == b"authorization":
            scheme, _, key = value.decode("latin-1").partition(" ")
            if scheme.lower() != "bearer":
                return None
            try:
                device = service.fleets.device(key.strip())
            except DeviceKeyError:
                return None
            return Actor(fleet=device.fleet, scanner=device.scanner)
    return None


def _short(headers: Headers) -> bool:
    """Whether a body of at most MAX_BODY bytes is announced."""
    length = None
    for name, value in headers:
        if name == b"content-length":
            length = value
        elif name == b"transfer-encoding":
            return False
    return length is not None and length.isdigit() and int(length) <= MAX_BODY


def _of_scan(out: scans.ScanOut, status: int) -> Answer:
    body = _encode(out)
    return status, b"content-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)


def _of_response(response: Response) -> Answer:
    lines = b"".join(b"%b: %b\r\n" % header for header in response.raw_headers)
    return response.status_code, b"%b\r\n%b" % (lines, bytes(response.body))
