"""The pages people see."""

from tracetrack_app.http.pages.routes import ROUTES

__all__ = ["ROUTES"]
