"""Real servers for the app's tests: one PostgreSQL and one Redis a session, a fresh database a test."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from tests.backing import PostgresServer, RedisServer
from tests.integration.app.caches import forget_caches
from tests.integration.app.http import http_client
from tests.integration.app.process import ADMIN, PASSWORD, AppProcess
from tracetrack_app.domain.devicekeys import derive
from tracetrack_app.store.migrate import migrate, migrations

EMPTIED = (
    "return_ticket_bags",
    "return_tickets",
    "links",
    "bill_bags",
    "bags",
    "bills",
    "scan_ledger",
    "daily_counts",
    "settings",
    "personal_tokens",
    "password_resets",
    "recovery_codes",
    "promotion_requests",
    "notifications",
    "audit_log",
)
SIGNING_SECRET = b"0123456789abcdef0123456789abcdef"
FLEET = {
    "fleet": "lucknow",
    "signingKeys": [{"id": "1", "secret": base64.b64encode(SIGNING_SECRET).decode()}],
    "scanners": {"prefix": "lucknow-", "digits": 4, "count": 200},
    "generations": {"default": 1},
}


def device_key(index: int = 1, generation: int = 1) -> str:
    return derive(SIGNING_SECRET, "lucknow", f"lucknow-{index:04d}", generation)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    with PostgresServer() as server:
        # The app's role is no superuser, as on a managed database: what is revoked from it is refused to it.
        server.sql("create role app login password 'app-password'")
        server.sql("create database template_app owner app")
        dsn = _as_app(server, "template_app")
        asyncio.run(_migrate(dsn))
        yield server


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


def _as_app(server: PostgresServer, database: str) -> str:
    return f"postgresql://app:app-password@{server.host}:{server.port}/{database}"


def _copy(server: PostgresServer, name: str) -> None:
    server.sql(f'create database "{name}" template template_app owner app strategy file_copy', "postgres")


async def _migrate(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    await migrate(connection, migrations())
    await connection.close()


@pytest.fixture
def empty_database(postgres: PostgresServer) -> str:
    """DSN of a database without a schema."""
    name = f"t_{uuid4().hex}"
    postgres.sql(f'create database "{name}" owner app', "postgres")
    return _as_app(postgres, name)


@pytest.fixture
def database(postgres: PostgresServer) -> str:
    """DSN of a database with the schema and nothing in it; it goes with the server."""
    name = f"t_{uuid4().hex}"
    _copy(postgres, name)
    return _as_app(postgres, name)


@pytest.fixture
def fleets(tmp_path: Path) -> Path:
    return _fleets(tmp_path)


def _fleets(folder: Path) -> Path:
    path = folder / "fleets"
    path.mkdir(exist_ok=True)
    (path / "lucknow.json").write_text(json.dumps(FLEET))
    return path


def _environment(dsn: str, redis_server: RedisServer, fleets: Path) -> dict[str, str]:
    return {
        "DATABASE_URL": dsn,
        "REDIS_URL": redis_server.url,
        "SESSION_SECRET": "session-secret-for-tests-0123456789",
        "ADMIN_USER": ADMIN,
        "ADMIN_PASSWORD": PASSWORD,
        "FLEETS_DIR": str(fleets),
    }


@pytest.fixture
def environment(database: str, redis_server: RedisServer, fleets: Path) -> dict[str, str]:
    """What an app of the test's own needs: a database, Redis, an admin and a fleet."""
    redis_server.command("FLUSHALL")
    return _environment(database, redis_server, fleets)


@dataclass(frozen=True)
class _Stage:
    process: AppProcess
    dsn: str
    superuser_dsn: str
    fleets: Path


@pytest.fixture(scope="session")
def stage(
    postgres: PostgresServer, redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[_Stage]:
    folder = tmp_path_factory.mktemp("app")
    _copy(postgres, "shared")
    dsn = _as_app(postgres, "shared")
    fleets = _fleets(folder)
    with AppProcess(_environment(dsn, redis_server, fleets), folder) as process:
        process.wait_ready()
        yield _Stage(process, dsn, postgres.dsn_for("shared"), fleets)


@pytest.fixture
async def app(stage: _Stage, redis_server: RedisServer) -> AppProcess:
    """A running app that the tests share, over a database emptied for this one."""
    redis_server.command("FLUSHALL")
    connection = await asyncpg.connect(stage.superuser_dsn)
    try:
        await connection.execute("SET session_replication_role = replica")
        for table in EMPTIED:
            await connection.execute(f"DELETE FROM {table}")
        await connection.execute("DELETE FROM products WHERE NOT is_default")
        await connection.execute("DELETE FROM users WHERE username <> $1", ADMIN)
        await connection.execute(
            "UPDATE users SET failed_logins = 0, locked_until = NULL, totp_enabled = false, totp_secret = NULL,"
            " totp_step = NULL, must_change_password = false, email = NULL, session_epoch = 0"
        )
        await connection.execute("UPDATE audit_head SET seq = 0, hash = NULL, key_id = '', seal = ''")
        await forget_caches(connection, redis_server.url)
    finally:
        await connection.close()
    return stage.process


@pytest.fixture
async def sql(app: AppProcess, stage: _Stage) -> AsyncIterator[Any]:
    """A connection of the app's role to the shared app's database."""
    connection = await asyncpg.connect(stage.dsn)
    yield connection
    await connection.close()


@pytest.fixture
async def anonymous(app: AppProcess) -> AsyncIterator[httpx.AsyncClient]:
    async with http_client(base_url=app.url, timeout=20) as client:
        yield client


@pytest.fixture
async def device(app: AppProcess) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": f"Bearer {device_key()}"}
    async with http_client(base_url=app.url, headers=headers, timeout=20) as client:
        yield client


@pytest.fixture
async def worker(app: AppProcess) -> AsyncIterator[httpx.AsyncClient]:
    """Someone logged in, with the CSRF token in every request."""
    async with app.logged_in() as client:
        yield client


def eventually(what: Any, seconds: float = 10.0) -> Any:
    """The first true value of `what()`; fails when none comes within `seconds`."""
    deadline = time.monotonic() + seconds
    while not (value := what()):
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.05)
    return value
