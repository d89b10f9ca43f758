"""The v1 API for devices and new clients."""

from fastapi import APIRouter

from tracetrack_app.http.v1.scans import ROUTES, describe

ROUTERS: list[APIRouter] = []

__all__ = ["ROUTERS", "ROUTES", "describe"]
