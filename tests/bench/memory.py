"""What Redis spends on a bag."""

from __future__ import annotations

import asyncio

from redis.asyncio import Redis

from tests.bench.world import World


def redis_bytes(world: World) -> int:
    """Memory that Redis uses for data, in bytes."""

    async def ask() -> int:
        async with Redis.from_url(world.redis.url) as redis:
            found = await redis.info("memory")
            return int(found["used_memory_dataset"])

    return asyncio.run(ask())
