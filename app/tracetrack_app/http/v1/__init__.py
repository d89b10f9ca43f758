"""The v1 API for devices and new clients."""

from tracetrack_app.http.v1.scans import ROUTES, describe

__all__ = ["ROUTES", "describe"]
