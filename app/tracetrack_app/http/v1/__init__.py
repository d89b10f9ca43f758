"""The v1 API for devices and new clients."""

from fastapi import APIRouter

from tracetrack_app.http.v1 import bags, events, scans

ROUTERS: list[APIRouter] = []
ROUTES = [*scans.ROUTES, *bags.ROUTES, *events.ROUTES]
DESCRIBED = {"/api/v1/scans": scans.describe, "/api/v1/bags/{code}": bags.describe}
"""The OpenAPI path items of the routes that FastAPI does not know of."""

__all__ = ["DESCRIBED", "ROUTERS", "ROUTES"]
