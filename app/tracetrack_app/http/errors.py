"""What an exception becomes: a problem for API v1, the old framework's error for everything else."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import asyncpg
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from tracetrack_app.domain.accounts import AccountError
from tracetrack_app.domain.rules import RuleError
from tracetrack_app.http.auth.limits import LimitedError
from tracetrack_app.http.replies import ProblemError, Refused, error_reply, reply, service_of
from tracetrack_app.http.v1.problems import FieldError, http_problem, problem, rule_problem
from tracetrack_app.store.database import LOST, connection_lost
from tracetrack_app.store.writer import UnavailableError

_CODES = {400: "bad_request", 401: "unauthorized", 403: "forbidden", 404: "not_found", 405: "method_not_allowed"}
Handler = Callable[[Request, Any], Coroutine[Any, Any, Response]]


def _is_v1(request: Request) -> bool:
    return request.url.path.startswith("/api/v1/")


async def _http_error(request: Request, error: HTTPException) -> Response:
    if _is_v1(request):
        return http_problem(request, error)
    headers = dict(error.headers) if error.headers else None
    words = str(error.detail)
    code = _CODES.get(error.status_code, "too_large" if error.status_code == 413 else "error")
    return error_reply(error.status_code, words, code, headers)


async def _problem(request: Request, error: ProblemError) -> Response:
    return problem(error.status, error.name, error.title, str(error), headers=error.headers, **error.fields)


async def _rule(request: Request, error: RuleError) -> Response:
    """Of API v1; the old contract answers its own (see http/legacy/common.py)."""
    return rule_problem(error)


async def _refused(request: Request, error: Refused) -> Response:
    if _is_v1(request):
        code = str(error.body.get("error_code", "refused"))
        return problem(error.status, code, "Refused", str(error))
    return reply(error.body, error.status)


async def _invalid(request: Request, error: RequestValidationError) -> Response:
    """422 that names each field; what was sent is not told again, it may be secret."""
    errors = [
        FieldError(".".join(str(part) for part in each["loc"] if part != "body") or "body", str(each["msg"]))
        for each in error.errors()
    ]
    words = "; ".join(f"{each.field}: {each.message}" for each in errors)
    if _is_v1(request):
        return problem(422, "malformed", "The request is malformed", words, errors=errors)
    return error_reply(400, words, "bad_request")


async def _unavailable(request: Request, error: UnavailableError) -> Response:
    headers = {"Retry-After": str(error.retry_after)}
    if _is_v1(request):
        return problem(503, "unavailable", "Not possible now", f"{error} Try again.", headers=headers)
    return error_reply(503, f"{error} Try again.", "unavailable", headers)


async def _limited(request: Request, error: LimitedError) -> Response:
    headers = {"Retry-After": str(error.retry_after)}
    if _is_v1(request):
        return problem(429, "too_many", "Too many", str(error), headers=headers)
    return error_reply(429, str(error), "too_many", headers)


async def _unusable(request: Request, error: Exception) -> Response:
    """A character that PostgreSQL or UTF-8 cannot hold: NUL, half of a surrogate pair."""
    words = "The request holds a character that is none, such as NUL: take it out."
    if _is_v1(request):
        return problem(422, "malformed", "The request is malformed", words)
    return error_reply(400, words, "bad_request")


async def _lost(request: Request, error: Exception) -> Response:
    if not connection_lost(error):
        return await _unusable(request, error)
    return await _unavailable(request, UnavailableError(f"{service_of(request).connector.explain(error)}."))


async def _account(request: Request, error: AccountError) -> Response:
    status = 404 if error.code == "not_found" else 409
    if _is_v1(request):
        errors = [FieldError(error.field, str(error))] if error.field else None
        return problem(status, error.code, "The account cannot be changed so", str(error), errors=errors)
    return error_reply(status, str(error), error.code)


HANDLERS: dict[Any, Handler] = {
    HTTPException: _http_error,
    ProblemError: _problem,
    RuleError: _rule,
    Refused: _refused,
    RequestValidationError: _invalid,
    UnavailableError: _unavailable,
    LimitedError: _limited,
    AccountError: _account,
    **dict.fromkeys(LOST, _lost),
    asyncpg.DataError: _unusable,
    UnicodeEncodeError: _unusable,
}
