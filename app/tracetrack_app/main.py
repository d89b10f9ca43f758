"""The ASGI application, put together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from tracetrack_app import __version__
from tracetrack_app.http import health, legacy, pages, v1
from tracetrack_app.http.observe import Observe
from tracetrack_app.http.pages.templates import STATIC
from tracetrack_app.http.replies import error_reply
from tracetrack_app.http.v1.problems import problem
from tracetrack_app.service import Service
from tracetrack_app.settings import Settings

_CODES = {400: "bad_request", 401: "unauthorized", 403: "forbidden", 404: "not_found", 405: "method_not_allowed"}


class Application(FastAPI):
    """FastAPI with the hot routes, which it does not know of, added to its OpenAPI document."""

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            document = super().openapi()
            scan = v1.describe()
            document["paths"]["/api/v1/scans"] = scan["path"]
            components = document.setdefault("components", {})
            components.setdefault("schemas", {}).update(scan["schemas"])
            components["securitySchemes"] = {
                "deviceKey": {"type": "http", "scheme": "bearer", "description": "A scanner's key, ttk1.…"}
            }
            self.openapi_schema = document
        return self.openapi_schema


async def _http_error(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    headers = dict(error.headers) if isinstance(error, HTTPException) and error.headers else None
    words = str(error.detail) if isinstance(error, HTTPException) else "Something went wrong here."
    code = _CODES.get(status, "too_large" if status == 413 else "error")
    if request.url.path.startswith("/api/v1/"):
        return problem(status, code, words, words, headers=headers)
    return error_reply(status, words, code, headers)


def create_app(settings: Settings) -> Application:
    """The application; connects when its lifespan begins, drains when that ends."""
    service = Service(settings)
    routes = [*v1.ROUTES, *legacy.ROUTES, *health.ROUTES, *pages.ROUTES]

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await service.start()
        try:
            yield
        finally:
            await service.stop()

    app = Application(
        title="TraceTrack",
        version=__version__,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/v1/openapi.json",
        middleware=[
            Middleware(Observe, leaving=lambda: service.draining, paths=frozenset(route.path for route in routes))
        ],
        exception_handlers={HTTPException: _http_error},
    )
    app.state.service = service
    app.router.routes[:0] = routes
    app.router.routes.append(Mount("/static", StaticFiles(directory=STATIC), name="static"))
    return app
