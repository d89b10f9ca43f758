"""A bag read as most would cache it: FastAPI, a dependency that authenticates, one GET of redis-py a request."""

from __future__ import annotations

import os
from typing import Annotated

from fastapi import Depends, FastAPI, Path, Response
from redis.asyncio import BlockingConnectionPool, Redis

from tests.bench.baselines.models import authenticated
from tracetrack_app.domain.devicekeys import Device

app = FastAPI(openapi_url=None)
# redis-py's default pool opens a connection for each request in flight and fails past a limit.
_redis = Redis(connection_pool=BlockingConnectionPool.from_url(os.environ["REDIS_URL"], max_connections=50, timeout=20))


@app.get("/api/v1/bags/{code}")
async def bag(code: Annotated[str, Path(max_length=200)], _: Annotated[Device, Depends(authenticated)]) -> Response:
    found = await _redis.get(f"baseline:{code.upper()}")
    if found is None:
        return Response(status_code=404)
    return Response(found, media_type="application/json")


@app.get("/ready")
async def ready() -> None:
    await _redis.ping()
