"""The OpenAPI document, and a page to read it on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib.resources import files
from typing import Any

from fastapi import APIRouter
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from tracetrack_app.domain.people import Permission
from tracetrack_app.http.auth.caller import DEVICE_PERMISSIONS

_SCHEMES = {
    "deviceKey": {"type": "http", "scheme": "bearer", "description": "A scanner's key, ttk1.…"},
    "personalToken": {"type": "http", "scheme": "bearer", "description": "A person's token, ttp1.…"},
    "session": {"type": "apiKey", "in": "cookie", "name": "session", "description": "Of someone logged in."},
    "csrf": {
        "type": "apiKey",
        "in": "header",
        "name": "X-CSRFToken",
        "description": "With a session, for every method but GET: the token in the pages' meta tag csrf-token.",
    },
}
_INFO = """
Bags in warehouses: children go into parents, parents on bills. Errors are `application/problem+json`; their `type`
never changes. Lists are pages: `next`, and the header `Link`, lead to the following one.

Scans carry a `scan_id` made by the client and may be sent again: they are recorded once. Calls that make something
else answer 409 when it is there already, so they may be sent again too.
"""
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>TraceTrack API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/api/v1/docs/assets/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="/api/v1/docs/assets/swagger-ui-bundle.js"></script>
<script src="/static/apidocs.js"></script>
</body>
</html>
"""


def complete(
    document: dict[str, Any], routers: list[APIRouter], described: Mapping[str, Callable[[], dict[str, Any]]]
) -> dict[str, Any]:
    """The document that FastAPI made of the routers, with the routes that it does not know, and who may call what."""
    document["info"]["description"] = _INFO.strip()
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    document["components"]["securitySchemes"] = _SCHEMES
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    for path, describe in described.items():
        item = describe()
        document["paths"].setdefault(path, {}).update(item["path"])
        schemas.update(item["schemas"])
    needed = {
        (route.path_format, method.lower()): sorted(set(_permissions(route.dependant)))
        for router in routers
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    }
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if {"bearer": []} in operation.get("security", ()):
                _guard(operation, method, needed.get((path, method)))
    return document


def _guard(operation: dict[str, Any], method: str, permissions: list[Permission] | None) -> None:
    """Say who may call it. `permissions` is None for a route that is not FastAPI's: it says so itself."""
    ways: list[dict[str, list[str]]] = [{"personalToken": []}]
    ways.append({"session": []} if method == "get" else {"session": [], "csrf": []})
    if permissions is None or (permissions and DEVICE_PERMISSIONS.issuperset(permissions)):
        ways.insert(0, {"deviceKey": []})
    operation["security"] = ways
    if permissions:
        words = " and ".join(f"`{permission}`" for permission in permissions)
        operation["description"] = f"{operation.get('description', '')}\n\nNeeds the permission {words}.".strip()


def _permissions(dependant: Dependant) -> Iterator[Permission]:
    found = getattr(dependant.call, "permission", None)
    if isinstance(found, Permission):
        yield found
    for each in dependant.dependencies:
        yield from _permissions(each)


async def read(request: Request) -> Response:
    """The handler of the page."""
    return HTMLResponse(_PAGE)


ROUTES: list[Route | Mount] = [
    Route("/api/v1/docs", read, methods=["GET"]),
    Mount("/api/v1/docs/assets", StaticFiles(directory=str(files("fastapi_offline") / "static"))),
]
