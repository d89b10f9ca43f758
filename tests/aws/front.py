"""The one endpoint: decodes, checks, counts and spoils each call, and hands it to moto or ministack."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

from aiohttp import ClientConnectionError, ClientSession, web
from cryptography import x509
from yarl import URL

from tests.aws import pages, protocol, validation
from tests.aws.faults import Fault, Faults, Journal, Quotas, Record, is_hidden
from tests.aws.holds import HeldCall, Holds, Moment
from tests.aws.rights import Rights
from tests.aws.settings import CALLER

MINISTACK_SERVICES = ("iot", "iot-data")
UNSUPPORTED_HEADER = "x-tracetrack-unsupported"
_HOP_HEADERS = {"transfer-encoding", "connection", "keep-alive", "content-length", "host", "server", "date"}
LONGEST_LIST = 50
_PAGES = ("PaginationToken", "nextToken")
_THROTTLE = {
    "rds": "Throttling",
    "elasticache": "Throttling",
    "sts": "Throttling",
    "resourcegroupstaggingapi": "ThrottledException",
}
_INTERNAL = {"iot": "InternalFailureException", "secretsmanager": "InternalServiceError"}

Answer = tuple[int, dict[str, str], bytes]


class Front:
    """`upstreams` maps "moto" and "ministack" to base URLs; `quotas`, `faults` and `journal` are what tests steer."""

    def __init__(self, upstreams: dict[str, str], quotas: Quotas, session: Callable[[], ClientSession]) -> None:
        self.upstreams = upstreams
        self.quotas = quotas
        self.faults = Faults()
        self.holds = Holds()
        self.journal = Journal()
        self.rights = Rights()
        self._session = session

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        url = f"{request.scheme}://{request.host}{request.raw_path}"
        began = time.time()
        call = protocol.decode(request.method, url, headers, body)
        params = _told(call)
        caller = protocol.caller(headers)
        record = Record(call.service, call.operation, call.region, caller, began, params=_shown(params))
        self.journal.calls.append(record)
        frozen = self.faults.freezing(caller, params)
        fault = frozen or self.faults.pick(call.service, call.operation, caller, params)
        held: HeldCall | None = None
        try:
            if fault and (frozen or fault.kind == "hold-before"):
                record.fault = "hold-before"
                held = self._hold(fault, frozen is None, "before", record)
                if not await held.decision:
                    record.status, record.error = 499, "Dropped"
                    return _cut_off(request)
            held_to = call.model is not None and caller == CALLER
            needed = self.rights.needed(call) if held_to else []
            status, answer_headers, answer = await self._answer(call, fault, request.method, url, headers, body)
            if status < 300:
                self.rights.taken(needed)
            record.duration = round(time.time() - began, 4)
            record.status = status
            record.error = _error_code(status, answer_headers, answer)
            record.fault = record.fault or (fault.kind if fault else None)
            if fault and fault.kind == "hold-after" and not frozen:
                held = self._hold(fault, True, "after", record)
                if not await held.decision:
                    return _cut_off(request)
            if fault and fault.kind == "lost":
                return _cut_off(request)
            response = web.Response(status=status, headers=answer_headers, body=answer)
            if held:
                # Whoever lets it go on is told when the answer has gone out.
                await _send(request, response)
            return response
        finally:
            if held:
                self.holds.end(held)

    def _hold(self, fault: Fault, first: bool, moment: Moment, record: Record) -> HeldCall:
        return self.holds.begin(fault.id, first, moment, record.service, record.operation, record.params)

    async def _answer(
        self, call: protocol.Call, fault: Fault | None, method: str, url: str, headers: dict[str, str], body: bytes
    ) -> Answer:
        if call.model is None:
            return self._unsupported(call, "no such service or operation is known to botocore")
        if fault and fault.kind == "latency":
            await asyncio.sleep(fault.seconds or 0)
        if fault and fault.kind == "throttle":
            return self._throttle(call, fault.code)
        if fault and fault.kind == "error":
            code = fault.code or _INTERNAL.get(call.service, "InternalFailure")
            return protocol.error(call, code, "An internal error occurred.", fault.status or 500)
        if self.quotas.exceeded(call.service, call.operation):
            return self._throttle(call, None)
        refused = validation.refusal(call)
        if refused:
            return protocol.error(call, *refused, status=400)
        try:
            page = pages.plan(call)
        except pages.InvalidTokenError:
            return protocol.error(call, "InvalidRequestException", "Invalid token", 400)
        upstream = "ministack" if call.service in MINISTACK_SERVICES else "moto"
        status, answer_headers, answer = await self._forward(
            upstream, method, pages.without_page(url) if page else url, headers, body
        )
        reason = _unsupported_reason(status, answer_headers, answer)
        if reason:
            return self._unsupported(call, reason)
        if page and status == 200:
            answer = json.dumps(page.cut(json.loads(answer))).encode()
        return status, answer_headers, answer

    async def _forward(self, upstream: str, method: str, url: str, headers: dict[str, str], body: bytes) -> Answer:
        path = url.split("/", 3)[3] if url.count("/") >= 3 else ""
        sent = {name: value for name, value in headers.items() if name not in _HOP_HEADERS}
        target = URL(f"{self.upstreams[upstream]}/{path}", encoded=True)
        async with self._session().request(method, target, headers=sent, data=body, allow_redirects=False) as answer:
            kept = {name: value for name, value in answer.headers.items() if name.lower() not in _HOP_HEADERS}
            return answer.status, kept, await answer.read()

    def _throttle(self, call: protocol.Call, code: str | None) -> Answer:
        return protocol.error(call, code or _THROTTLE.get(call.service, "ThrottlingException"), "Rate exceeded", 400)

    def _unsupported(self, call: protocol.Call, reason: str) -> Answer:
        self.journal.unsupported.append({"service": call.service, "operation": call.operation, "reason": reason})
        message = f"{call.service}:{call.operation} is not supported by the emulated AWS: {reason}"
        return protocol.error(call, "UnsupportedByEmulator", message, 400)


async def _send(request: web.Request, response: web.Response) -> None:
    try:
        await response.prepare(request)
        await response.write_eof()
    except (ClientConnectionError, ConnectionError):
        # The caller is gone: nobody is told.
        pass


def _cut_off(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=499)


def _told(call: protocol.Call) -> dict[str, Any]:
    """The parameters, and `subject`: the common name in a certificate signing request, which says whom it is for."""
    request = call.params.get("certificateSigningRequest")
    if not isinstance(request, str):
        return call.params
    try:
        subject = x509.load_pem_x509_csr(request.encode()).subject
    except ValueError:
        return call.params
    names = subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return {**call.params, **({"subject": str(names[0].value)} if names else {})}


def _shown(params: dict[str, Any]) -> dict[str, Any]:
    shown = {name: _short(value) for name, value in params.items() if name in _PAGES or not is_hidden(name)}
    return {name: value for name, value in shown.items() if value is not None}


def _short(value: Any) -> Any:
    """None for what would make a journal long."""
    if isinstance(value, list):
        members = [_short(each) for each in value[: LONGEST_LIST + 1]]
        return members if len(members) <= LONGEST_LIST and None not in members else None
    if isinstance(value, dict):
        return value if set(value) == {"Key", "Value"} else _shown(value)
    short = isinstance(value, bool | int | float) or (isinstance(value, str) and len(value) <= 200)
    return value if short else None


def _error_code(status: int, headers: dict[str, str], body: bytes) -> str | None:
    if status < 400:
        return None
    named = {name.lower(): value for name, value in headers.items()}.get("x-amzn-errortype")
    if named:
        return named.split(":")[0].split("#")[-1]
    text = body.decode(errors="replace")
    if "<Code>" in text:
        return text.split("<Code>")[1].split("</Code>")[0]
    try:
        return str(json.loads(text).get("__type", "")).split("#")[-1] or None
    except ValueError:
        return None


def _unsupported_reason(status: int, headers: dict[str, str], body: bytes) -> str | None:
    named = headers.get(UNSUPPORTED_HEADER)
    if named:
        return named
    text = body.decode(errors="replace")
    if status >= 500:
        return f"the emulator failed with HTTP {status}: {text[-500:]}"
    if status == 400 and any(f"Unsupported {what}" in text for what in ("IoT path", "method:", "policy path")):
        return text[:300]
    return None
