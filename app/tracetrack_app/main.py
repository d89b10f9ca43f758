"""The ASGI application, put together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from tracetrack_app import __version__
from tracetrack_app.http import health, legacy, pages, v1
from tracetrack_app.http.errors import HANDLERS
from tracetrack_app.http.express import STATE
from tracetrack_app.http.observe import Observe
from tracetrack_app.http.ownchanges import OwnChanges
from tracetrack_app.http.pages.templates import STATIC
from tracetrack_app.http.toolarge import TooLarge
from tracetrack_app.http.v1.bodies import Bodies
from tracetrack_app.http.v1.hot import HotCalls
from tracetrack_app.service import Service
from tracetrack_app.settings import Settings


class Application(FastAPI):
    """FastAPI with what it does not know of the API added to its OpenAPI document."""

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            self.openapi_schema = v1.complete(super().openapi())
        return self.openapi_schema


def create_app(settings: Settings) -> Application:
    """The application; connects when its lifespan begins, drains when that ends."""
    service = Service(settings)
    routes: list[Any] = [*v1.ROUTES, *legacy.ROUTES, *health.ROUTES, *pages.ROUTES]

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, Any]]:
        await service.start()
        try:
            yield {STATE: HotCalls(service)}
        finally:
            await service.stop()

    patterns = {route.endpoint: route.path for route in routes if isinstance(route, Route) and route.param_convertors}
    app = Application(
        title="TraceTrack",
        version=__version__,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/v1/openapi.json",
        generate_unique_id_function=lambda route: route.name,
        middleware=[
            Middleware(
                Observe,
                leaving=lambda: service.draining,
                paths=frozenset(route.path for route in routes),
                patterns=patterns,
            ),
            Middleware(OwnChanges, standby=service.standby),
            Middleware(TooLarge),
            Middleware(Bodies, limits=v1.BODY_LIMITS),
        ],
        exception_handlers=HANDLERS,
    )
    app.state.service = service
    app.router.routes[:0] = routes
    for router in v1.ROUTERS:
        app.include_router(router)
    app.router.routes.append(Mount("/static", StaticFiles(directory=STATIC), name="static"))
    return app
