"""What the benchmark runs on: PostgreSQL as durable as in production, Redis, a full warehouse, a fleet's keys."""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import asyncpg

from tests.backing import PostgresServer, RedisServer
from tests.bench import bags
from tests.bench.bags import Stock
from tests.bench.workload import Parents
from tests.cluster.run import step
from tracetrack_app.domain.devicekeys import derive
from tracetrack_app.store.migrate import migrate, migrations

SECRET = b"bench-signing-secret-of-32-bytes"
FLEET = {
    "fleet": "bench",
    "signingKeys": [{"id": "1", "secret": base64.b64encode(SECRET).decode()}],
    "scanners": {"prefix": "bench-", "digits": 4, "count": bags.SCANNERS},
    "generations": {"default": 1},
}
DATABASE = "bench"
ADMIN, PASSWORD = "admin", "Adm1n!-for-bench"
# No autovacuum and no timed checkpoint inside a round: they would fall on one side of a comparison by chance.
_POSTGRES = (
    "shared_buffers=1GB",
    "max_wal_size=16GB",
    "checkpoint_timeout=1h",
    "autovacuum=off",
    "synchronous_commit=on",
    "wal_compression=off",
    "shared_preload_libraries=auto_explain",
    "auto_explain.log_min_duration=-1",
)

T = TypeVar("T")


def credentials(scanners: int) -> list[str]:
    """The Authorization headers of the first scanners."""
    names = [f"bench-{number:04d}" for number in range(1, scanners + 1)]
    return [f"Bearer {derive(SECRET, 'bench', name, 1)}" for name in names]


@dataclass
class World:
    """`dsn` is the app's role, as on a managed database no superuser."""

    postgres: PostgresServer
    redis: RedisServer
    folder: Path
    stock: Stock
    dsn: str
    empty: Parents

    @property
    def superuser_dsn(self) -> str:
        return self.postgres.dsn_for(DATABASE)

    @property
    def environment(self) -> dict[str, str]:
        """What the app is told from outside."""
        return {
            "DATABASE_URL": self.dsn,
            "REDIS_URL": self.redis.url,
            "SESSION_SECRET": "session-secret-for-bench-0123456789",
            "ADMIN_USER": ADMIN,
            "ADMIN_PASSWORD": PASSWORD,
            "FLEETS_DIR": str(self.folder / "fleets"),
        }

    def ask(self, query: Callable[[Any], Awaitable[T]], *, superuser: bool = True) -> T:
        """What `query` makes of a connection of its own."""

        async def asked() -> T:
            connection = await asyncpg.connect(self.superuser_dsn if superuser else self.dsn)
            try:
                return await query(connection)
            finally:
                await connection.close()

        return asyncio.run(asked())

    def execute(self, script: str) -> None:
        """Run SQL as the superuser."""
        self.ask(lambda connection: connection.execute(script))


async def _migrate(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await migrate(connection, migrations())
    finally:
        await connection.close()


@contextmanager
def world(stock: Stock) -> Iterator[World]:
    """Made from nothing, gone at the end."""
    folder = Path(tempfile.mkdtemp(prefix="tracetrack-bench-"))
    (folder / "fleets").mkdir()
    (folder / "fleets" / "bench.json").write_text(json.dumps(FLEET))
    try:
        with PostgresServer(fast=False, settings=_POSTGRES) as postgres, RedisServer() as redis:
            postgres.sql("create role app login password 'app-password'")
            postgres.sql(f"create database {DATABASE} owner app")
            dsn = f"postgresql://app:app-password@{postgres.host}:{postgres.port}/{DATABASE}"
            asyncio.run(_migrate(dsn))
            with step(f"loading {stock.bags:,} bags with their ledger"):
                asyncio.run(bags.load(postgres.dsn_for(DATABASE), stock))
            yield World(postgres, redis, folder, stock, dsn, Parents(stock.filled))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
