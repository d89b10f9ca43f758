"""A database that is away, told as something to try again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tracetrack_app.store.database import Connector, connection_lost
from tracetrack_app.store.writer import UnavailableError


@asynccontextmanager
async def guarded(connector: Connector) -> AsyncIterator[None]:
    """Turns the loss of the connection into UnavailableError, in words."""
    try:
        yield
    except Exception as error:
        if connection_lost(error):
            raise UnavailableError(f"{connector.explain(error)}.") from error
        raise
