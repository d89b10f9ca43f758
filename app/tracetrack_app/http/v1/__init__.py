"""The v1 API for devices, scripts and new clients."""

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter
from starlette.routing import Mount, Route, WebSocketRoute

from tracetrack_app.http.v1 import (
    audit,
    bag_changes,
    bags,
    bills,
    bulk,
    catalogue,
    events,
    history,
    openapi,
    profile,
    returns,
    scans,
    settings,
    users,
)

ROUTES: list[Route | WebSocketRoute | Mount] = [
    *scans.ROUTES,
    *bulk.ROUTES,
    *bags.ROUTES,
    *events.ROUTES,
    *openapi.ROUTES,
]
ROUTERS: list[APIRouter] = [
    bag_changes.router,
    bills.router,
    returns.router,
    catalogue.products,
    catalogue.areas,
    settings.router,
    history.router,
    users.router,
    profile.router,
    audit.router,
]

DESCRIBED: dict[str, Callable[[], dict[str, Any]]] = {
    "/api/v1/scans": scans.describe,
    "/api/v1/scans/bulk": bulk.describe_bulk,
    "/api/v1/scans/undo": bulk.describe_undo,
    "/api/v1/bags/{code}": bags.describe,
}
"""The OpenAPI path items of the routes that FastAPI does not know of."""

BODY_LIMITS = {"/api/v1/scans/bulk": bulk.MAX_BULK_BODY}
"""In bytes; every other address takes MAX_BODY."""


def complete(document: dict[str, Any]) -> dict[str, Any]:
    """The OpenAPI document that FastAPI made, with all that it does not know of."""
    return openapi.complete(document, ROUTERS, DESCRIBED)


__all__ = ["BODY_LIMITS", "DESCRIBED", "ROUTERS", "ROUTES", "complete"]
