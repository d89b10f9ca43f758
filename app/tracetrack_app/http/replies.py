"""Bodies in and out, shared by the old contract and the pages."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl
from uuid import uuid4

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from tracetrack_app.service import Service

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode
MAX_BODY = 64 * 1024
MAX_FIELDS = 1200
"""As many as the largest parent has children, and then some."""
CODES = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    409: "conflict",
    413: "too_large",
}
"""The `error_code` of a status, where the error itself says none."""


class Refused(Exception):
    """Ends a request of the old contract with this status and `{success: false, message, …}`."""

    def __init__(self, status: int, message: str, **fields: Any) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"success": False, "message": message, **fields}


class ProblemError(Exception):
    """Ends a v1 request with this problem (see http/v1/problems.py); `fields` are its further members."""

    def __init__(
        self, status: int, name: str, title: str, detail: str, *, headers: dict[str, str] | None = None, **fields: Any
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.name = name
        self.title = title
        self.headers = headers
        self.fields = fields


def service_of(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


def reply(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """JSON."""
    return Response(_encode(body), status, headers, "application/json")


def refusal(refused: Refused) -> Response:
    """The reply to a refused request; a real error status has the code and the id that framework errors have."""
    if refused.status < 400:
        return reply(refused.body, refused.status)
    body = {"error_code": CODES.get(refused.status, "error"), **refused.body, "request_id": uuid4().hex}
    return reply(body, refused.status)


def error_reply(
    status: int, message: str, code: str, headers: dict[str, str] | None = None, *, number: str | None = None
) -> Response:
    """A framework error as the old clients know it; `number` is the request_id that a log names."""
    body = {"success": False, "message": message, "error_code": code, "request_id": number or uuid4().hex}
    return reply(body, status, headers)


async def fields_of(request: Request) -> dict[str, str]:
    """The fields of a JSON object or a form; other values than text and numbers are left out. Raises Refused."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        form = await request.form(max_files=0, max_fields=MAX_FIELDS)
        return {name: value for name, value in form.items() if isinstance(value, str)}
    body = await request.body()
    if kind == "application/x-www-form-urlencoded":
        try:
            return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=MAX_FIELDS))
        except ValueError:
            words = f"The form has more than {MAX_FIELDS} fields."
            raise Refused(400, words, error_code="bad_request") from None
    if not body.strip():
        return {}
    try:
        data = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Refused(400, "The body is not valid JSON.", error_code="bad_request") from None
    if not isinstance(data, dict):
        raise Refused(400, "The body must be a JSON object or a form.", error_code="bad_request")
    numbers = (int, float)
    return {
        name: value if isinstance(value, str) else str(value)
        for name, value in data.items()
        if isinstance(value, str) or (isinstance(value, numbers) and not isinstance(value, bool))
    }
