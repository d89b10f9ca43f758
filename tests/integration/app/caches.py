"""What tests do with the caches of running apps."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import asyncpg
import msgspec
from redis.asyncio import Redis

from tests.integration.app.process import AppProcess


async def forget_caches(connection: Any, redis_url: str) -> None:
    """Have every app over this database drop what it has cached, as one that changed everything would.

    For a test that changes the database behind the app's back. `connection` needs the rights of the tables' owner.
    """
    try:
        row = await connection.fetchrow("UPDATE cache_space SET epoch = epoch + 1 RETURNING name, epoch")
    except asyncpg.UndefinedTableError:
        return
    if row is None:
        return
    name, epoch = row
    writer = uuid4().bytes
    async with Redis.from_url(redis_url) as redis, redis.pubsub() as answers:
        await answers.subscribe(f"tt:{name}:to:{writer.hex()}")
        while (await answers.get_message(timeout=5) or {}).get("type") != "subscribe":
            pass
        message = msgspec.msgpack.encode([writer, 1, epoch, None])
        waiting = await redis.publish(f"tt:{name}:changes", message)
        async with asyncio.timeout(10):
            while waiting:
                answer = await answers.get_message(ignore_subscribe_messages=True, timeout=1)
                waiting -= answer is not None


async def caching(*apps: AppProcess, seconds: float = 60.0) -> None:
    """Wait until these apps answer from their caches."""
    async with asyncio.timeout(seconds):
        for app in apps:
            while await metric(app, "tracetrack_cache_lease") != 1:
                await asyncio.sleep(0.05)


async def metric(app: AppProcess, name: str) -> float:
    """The value of a metric, with its labels as Prometheus writes them; 0 when there is none."""
    text = (await asyncio.to_thread(app.get, "/metrics")).text
    for line in text.splitlines():
        if line.startswith(name + " "):
            return float(line.rpartition(" ")[2])
    return 0.0
