"""People for the tests of accounts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from tests.integration.app.http import http_client
from tests.integration.app.process import AppProcess, token_of

JSON = {"Accept": "application/json"}
STRONG = "Str0ng!pass"


async def make_user(admin: httpx.AsyncClient, username: str, role: str = "dispatcher", **fields: Any) -> dict[str, Any]:
    """An account made by an admin; as the reply shows it."""
    area = "lucknow" if role == "dispatcher" else ""
    body = {"username": username, "password": STRONG, "role": role, "dispatch_area": area, **fields}
    answer = await admin.post("/create_user", json=body)
    assert answer.json()["success"], answer.text
    user: dict[str, Any] = answer.json()["user"]
    return user


@asynccontextmanager
async def logged_in(app: AppProcess, username: str, password: str = STRONG) -> AsyncIterator[httpx.AsyncClient]:
    """Logged in by JSON, whatever page would come first."""
    async with http_client(base_url=app.url, timeout=20) as client:
        answer = (await client.post("/api/v2/login", json={"username": username, "password": password})).json()
        assert answer["success"], answer
        client.headers["X-CSRFToken"] = answer["csrf_token"]
        yield client


async def token(client: httpx.AsyncClient, path: str = "/login") -> str:
    """The CSRF token of a page."""
    return token_of((await client.get(path)).text)
