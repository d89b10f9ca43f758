"""Errors of the v1 API: application/problem+json (RFC 9457) with types that never change."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match

from tracetrack_app.domain.rules import NOT_FOUND, Rule, RuleError

_encode = msgspec.json.Encoder().encode
_NAMES = {
    400: ("bad_request", "The request cannot be understood"),
    404: ("not_found", "Not found"),
    405: ("method_not_allowed", "The address does not take this method"),
    413: ("too_large", "The body is too large"),
}
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


class FieldError(msgspec.Struct, frozen=True):
    """One field that is missing or wrong. `field` is its path, such as capacity or query.limit."""

    field: str
    message: str


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What went wrong (RFC 9457). Rules add facts of their own, such as `bill` or `ticket`."""

    type: Annotated[str, Meta(pattern="^urn:tracetrack:problem:", description="Names the problem; never changes.")]
    title: str
    status: int
    detail: Annotated[str, Meta(description="Names the field or the thing, and the remedy.")]
    errors: Annotated[list[FieldError] | None, Meta(description="Every field that is missing or wrong (422).")] = None
    permission: Annotated[str | None, Meta(description="What the caller would have to be allowed (403).")] = None
    scan_id: UUID | None = None
    entry_id: int | None = None
    code: str | None = None
    parent: str | None = None
    holder: Annotated[str | None, Meta(description="The parent or bill that holds the bag already.")] = None
    child_count: int | None = None
    expected_count: int | None = None


def problem_type(name: str) -> str:
    """The URN of a kind of problem, e.g. urn:tracetrack:problem:duplicate-child."""
    return f"urn:tracetrack:problem:{name.replace('_', '-')}"


def problem(
    status: int, name: str, title: str, detail: str, *, headers: dict[str, str] | None = None, **fields: Any
) -> Response:
    """The response; `fields` are further facts."""
    return reply_problem(facts(status, name, title, detail, **fields), headers)


def reply_problem(body: dict[str, Any], headers: dict[str, str] | None = None) -> Response:
    """The response of the members that `facts` made."""
    return Response(_encode(body), body["status"], headers, "application/problem+json")


def facts(status: int, name: str, title: str, detail: str, **fields: Any) -> dict[str, Any]:
    """The members of a problem; a field that is None is left out."""
    known = {name: value for name, value in fields.items() if value is not None}
    return {"type": problem_type(name), "title": title, "status": status, "detail": detail, **known}


def rule_problem(error: RuleError) -> Response:
    """404 for what is not there, 409 for any other rule."""
    status = 404 if error.rule in NOT_FOUND else 409
    return problem(status, error.rule, error.rule.replace("_", " ").capitalize(), str(error), **error.fields)


def http_problem(request: Request, error: HTTPException) -> Response:
    """What the framework refuses: no such address, another method, a body that is too large."""
    status = error.status_code
    headers = dict(error.headers) if error.headers else {}
    detail = str(error.detail)
    name, title = _NAMES.get(status, ("error", detail))
    if status == 404:
        detail = f"There is nothing at {request.url.path}: see GET /api/v1/openapi.json for what there is."
    elif status == 405:
        headers["Allow"] = ", ".join(allowed_methods(request))
        detail = f"{request.method} is not possible here, but {headers['Allow']}."
    return problem(status, name, title, detail, headers=headers)


def allowed_methods(request: Request) -> list[str]:
    """What the address takes, over all routes that match it."""
    routes = request.app.router.routes
    return [
        method
        for method in _METHODS
        if any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in routes)
    ]


_MEANT = {
    "401": "No valid key, token or session",
    "403": "Not allowed: the permission or the CSRF token is missing, or something else comes first",
    "404": "There is no such thing",
    "409": "A rule forbids it",
    "412": "It is not as at that ETag",
    "422": "Malformed; `errors` names the fields",
    "429": "Too many: wait Retry-After seconds",
    "503": "Not now: try again after Retry-After seconds",
    "default": "Any other error",
}
_ALWAYS = ("401", "403", "422", "503", "default")


def described(*statuses: int, **texts: str) -> dict[int | str, dict[str, Any]]:
    """The problems that a route may answer with, for its OpenAPI description; 401, 403, 422 and 503 always.

    `texts` are those that say more than is usual: s409="…".
    """
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    said = {name.removeprefix("s"): text for name, text in texts.items()}
    return {
        name if name == "default" else int(name): {"description": said.get(name, _MEANT[name]), "content": content}
        for name in sorted({*_ALWAYS, *said, *map(str, statuses)})
    }


def documented(rules: Iterable[Rule] = (), *statuses: int) -> dict[int | str, dict[str, Any]]:
    """As `described`, with the rules that the call may break."""
    texts = {}
    named = sorted(rules)
    for name, missing in (("s404", True), ("s409", False)):
        types = [problem_type(rule) for rule in named if (rule in NOT_FOUND) == missing]
        if types:
            texts[name] = f"type is {' or '.join(types)}"
    return described(*statuses, **texts)
