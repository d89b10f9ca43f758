"""People of every role, and bags made the way that stations make them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.integration.app.process import PASSWORD, AppProcess
from tracetrack_app.http.auth.passwords import hash_password


@pytest.fixture(scope="session")
def password_hash() -> str:
    return asyncio.run(hash_password(PASSWORD))


async def _person(app: AppProcess, sql: Any, password_hash: str, role: str, area: str | None) -> Any:
    name = f"{role}-{area or 'all'}"
    await sql.execute(
        "INSERT INTO users (username, password_hash, role, area) VALUES ($1, $2, $3, $4)",
        name,
        password_hash,
        role,
        area,
    )
    return app.logged_in(name, PASSWORD)


@pytest.fixture
async def dispatcher(app: AppProcess, sql: Any, password_hash: str) -> AsyncIterator[httpx.AsyncClient]:
    """Someone who works in Lucknow and sees nothing else."""
    async with await _person(app, sql, password_hash, "dispatcher", "lucknow") as client:
        yield client


@pytest.fixture
async def biller(app: AppProcess, sql: Any, password_hash: str) -> AsyncIterator[httpx.AsyncClient]:
    async with await _person(app, sql, password_hash, "biller", None) as client:
        yield client
