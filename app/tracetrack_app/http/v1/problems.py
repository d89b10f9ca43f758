"""Errors of the v1 API: application/problem+json (RFC 9457) with types that never change."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
from starlette.responses import Response

_encode = msgspec.json.Encoder().encode


class FieldError(msgspec.Struct, frozen=True):
    """A field of the request that will not do, and why."""

    field: str
    message: str


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What went wrong. `holder` is the parent or bill that holds the bag already."""

    type: str
    title: str
    status: int
    detail: str
    scan_id: UUID | None = None
    entry_id: int | None = None
    code: str | None = None
    parent: str | None = None
    holder: str | None = None
    child_count: int | None = None
    expected_count: int | None = None
    errors: list[FieldError] | None = None


def problem_type(name: str) -> str:
    """The URN of a kind of problem, e.g. urn:tracetrack:problem:duplicate-child."""
    return f"urn:tracetrack:problem:{name.replace('_', '-')}"


def problem(
    status: int, name: str, title: str, detail: str, *, headers: dict[str, str] | None = None, **fields: Any
) -> Response:
    body = Problem(type=problem_type(name), title=title, status=status, detail=detail, **fields)
    return Response(_encode(body), status, headers, "application/problem+json")
