"""A FastAPI application with asyncpg's pool, as both SQL baselines have it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from fastapi import FastAPI


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    app.state.pool = await asyncpg.create_pool(os.environ["DATABASE_URL"], min_size=8, max_size=8)
    yield
    await app.state.pool.close()


def application() -> FastAPI:
    """With GET /ready; the pool is `app.state.pool`."""
    app = FastAPI(openapi_url=None, lifespan=_lifespan)

    @app.get("/ready")
    async def ready() -> Any:
        return await app.state.pool.fetchval("SELECT 1")

    return app
