"""GET /api/v1/bags/{code}: one bag, from the cache."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tracetrack_app.domain import codes
from tracetrack_app.domain.people import Permission
from tracetrack_app.domain.rules import Rule
from tracetrack_app.http.auth.caller import identify, require
from tracetrack_app.http.replies import service_of
from tracetrack_app.http.v1.problems import Problem, problem
from tracetrack_app.store.bagview import BagView
from tracetrack_app.store.guarded import guarded
from tracetrack_app.store.views import Weights

_encode = msgspec.json.Encoder().encode


class BagOut(msgspec.Struct, frozen=True, kw_only=True):
    """A bag. A parent has `children`, the newest scan last, and weights in kilograms; a child has a `parent`."""

    id: int
    code: str
    kind: str
    status: str
    name: str
    area: str | None
    parent: str | None
    bill: str | None
    child_count: int
    expected_count: int
    children: tuple[str, ...]
    actual_weight_kg: float | None
    expected_weight_kg: float | None
    created_at: datetime
    updated_at: datetime


def etag_of(body: bytes) -> str:
    """A strong entity tag of exactly this body."""
    return f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'


def matches(request: Request, etag: str) -> bool:
    """Whether If-None-Match names this tag."""
    given = request.headers.get("if-none-match")
    if given is None:
        return False
    return any(each.strip().removeprefix("W/") in (etag, "*") for each in given.split(","))


def visible(bag: BagView | None, scope: str | None) -> BagView | None:
    """The bag if one who is limited to this area may see it."""
    return bag if bag is not None and (scope is None or bag.area == scope) else None


async def read(request: Request) -> Response:
    """The handler."""
    caller = await identify(request)
    await require(request, caller, Permission.LOOKUP)
    service = service_of(request)
    given = request.path_params["code"]
    try:
        code = codes.parse(given).text
    except codes.MalformedCodeError as error:
        # A bag may have been registered under a code that scanners do not read; there is no other way to make sure.
        code = error.text[:64]
    async with guarded(service.connector):
        bag = visible(await service.views.bag(code), caller.scope)
        if bag is None:
            words = f"There is no bag {code} that you may see."
            return problem(404, Rule.BAG_NOT_FOUND, "Bag not found", words, code=code)
        weights = await service.views.weights([bag]) if bag.kind == codes.Kind.PARENT else None
    body = body_of(bag, weights)
    headers = headers_of(body)
    if matches(request, headers["ETag"]):
        return Response(None, 304, headers)
    return Response(body, 200, headers, "application/json")


def headers_of(body: bytes) -> dict[str, str]:
    return {"ETag": etag_of(body), "Cache-Control": "private, no-cache"}


def body_of(bag: BagView, weights: Weights | None) -> bytes:
    """The JSON of a bag; `weights` are a parent's."""
    return _encode(
        BagOut(
            id=bag.id,
            code=bag.code,
            kind=bag.kind,
            status=bag.status,
            name=bag.name,
            area=bag.area,
            parent=bag.parent,
            bill=bag.bill,
            child_count=bag.child_count,
            expected_count=bag.capacity,
            children=bag.children,
            actual_weight_kg=weights.actual_kg if weights is not None else None,
            expected_weight_kg=weights.expected_kg if weights is not None else None,
            created_at=bag.created_at,
            updated_at=bag.updated_at,
        )
    )


def describe() -> dict[str, Any]:
    """The OpenAPI path item and the component schemas of this call."""
    (bag, refused), components = msgspec.json.schema_components(
        [BagOut, Problem], ref_template="#/components/schemas/{name}"
    )
    problem_of = {"application/problem+json": {"schema": refused}}
    etag = {"ETag": {"description": "Changes whenever the body does", "schema": {"type": "string"}}}
    operation = {
        "summary": "Look up one bag",
        "description": "Never older than the last change that was answered, whichever replica answers. One who is"
        " limited to an area sees the bags of that area only.",
        "operationId": "get_bag",
        "tags": ["bags"],
        "security": [{"bearer": []}, {"session": []}],
        "parameters": [
            {
                "name": "code",
                "in": "path",
                "required": True,
                "description": "In any case; a child's label (LABEL NO.…) too",
                "schema": {"type": "string", "minLength": 1, "maxLength": 200},
                "example": "SB00001",
            },
            {
                "name": "If-None-Match",
                "in": "header",
                "required": False,
                "description": "The ETag of the body at hand",
                "schema": {"type": "string"},
            },
        ],
        "responses": {
            "200": {"description": "The bag", "content": {"application/json": {"schema": bag}}, "headers": etag},
            "304": {"description": "The body at hand is the newest", "headers": etag},
            "401": {"description": "No valid key, token or session", "content": problem_of},
            "403": {"description": "Without the permission `lookup`", "content": problem_of},
            "404": {"description": "No such bag, or none that the caller may see", "content": problem_of},
            "503": {"description": "Not now: try again after Retry-After seconds", "content": problem_of},
        },
    }
    return {"path": {"get": operation}, "schemas": components}


ROUTES = [Route("/api/v1/bags/{code}", read, methods=["GET"])]
