"""`tracetrack`: what is done to an installation from a shell. One module a command."""

from tracetrack_app.cli.main import main

__all__ = ["main"]
