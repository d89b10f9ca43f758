"""The OpenAPI document and the page that shows it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from jsonschema_rs import Draft202012Validator

from tests.integration.app.v1.conftest import refused
from tracetrack_app.http import v1

METHODS = {"get", "post", "put", "patch", "delete"}


@pytest.fixture
async def document(anonymous: httpx.AsyncClient) -> Any:
    answer = await anonymous.get("/api/v1/openapi.json")
    assert answer.status_code == 200
    return answer.json()


def operations(document: Any) -> Iterator[tuple[str, str, Any]]:
    for path, item in document["paths"].items():
        for method in METHODS & set(item):
            yield path, method, item[method]


async def test_every_route_of_the_api_is_described(document: Any) -> None:
    described = {(path, method.upper()) for path, method, _ in operations(document)}
    hot = {
        (route.path, "POST" if "POST" in route.methods else "GET") for route in v1.ROUTES if hasattr(route, "methods")
    }
    cold = {(route.path, method) for router in v1.ROUTERS for route in router.routes for method in route.methods}
    assert described == (hot | cold) - {("/api/v1/docs", "GET")}
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(names) == len(set(names))


async def test_every_operation_says_who_may_and_what_may_go_wrong(document: Any) -> None:
    schemes = set(document["components"]["securitySchemes"])
    assert schemes == {"deviceKey", "personalToken", "session", "csrf"}
    for path, method, operation in operations(document):
        where = (method, path)
        assert operation["security"], where
        for way in operation["security"]:
            assert set(way) <= schemes, where
            assert ("session" in way and method != "get") == ("csrf" in way), where
        problems = {
            status: body
            for status, body in operation["responses"].items()
            if status not in ("304",) and status[0] not in "2"
        }
        assert {"401", "403"} <= set(problems), where
        for status, body in problems.items():
            assert set(body["content"]) == {"application/problem+json"}, (where, status)


def examples(document: Any) -> Iterator[tuple[str, Any, Any]]:
    """(where, schema, example) of everything in the document that has one."""
    for path, method, operation in operations(document):
        for media in operation.get("requestBody", {}).get("content", {}).values():
            for name, example in media.get("examples", {}).items():
                yield f"{method} {path} {name}", media["schema"], example["value"]
        for parameter in operation.get("parameters", []):
            named = [parameter["example"]] if "example" in parameter else []
            for example in [*parameter["schema"].get("examples", []), *named]:
                yield f"{method} {path} {parameter['name']}", parameter["schema"], example
    for name, schema in document["components"]["schemas"].items():
        for field, inner in schema.get("properties", {}).items():
            for example in inner.get("examples", []):
                yield f"{name}.{field}", inner, example


async def test_the_examples_are_valid(document: Any) -> None:
    found = list(examples(document))
    assert len(found) > 20
    for where, schema, example in found:
        validator = Draft202012Validator({**schema, "components": document["components"]})
        assert validator.is_valid(example), where


async def test_the_page_needs_nobody_else(anonymous: httpx.AsyncClient) -> None:
    page = await anonymous.get("/api/v1/docs")
    assert page.status_code == 200
    addresses = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(addresses) == 4
    assert "<script>" not in page.text
    for address in addresses:
        if address != "data:,":
            assert address.startswith("/")
            found = await anonymous.get(address)
            assert (found.status_code, len(found.content) > 100) == (200, True), address
    refused(await anonymous.get("/api/v1/docs/other"), 404, "not-found")
