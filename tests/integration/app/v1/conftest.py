"""People of every role, each with a personal token that holds all his role may."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest

from tests.integration.app.http import http_client
from tests.integration.app.process import AppProcess, scan_body
from tracetrack_app.domain.people import PERMISSIONS, Permission, Role
from tracetrack_app.store.credentials import TOKEN_PREFIX, fingerprint

Hire = Callable[..., Awaitable[httpx.AsyncClient]]
_INSERT_USER = (
    "INSERT INTO users (username, password_hash, role, area) VALUES ($1, 'none', $2, $3)"
    " ON CONFLICT (lower(username)) WHERE deleted_at IS NULL DO UPDATE SET role = $2 RETURNING id"
)
_INSERT_TOKEN = (
    "INSERT INTO personal_tokens (user_id, name, secret_hash, scopes) VALUES ($1, 'test', $2, $3) RETURNING id"
)


async def token_of(
    sql: Any, username: str, role: Role, area: str | None = None, scopes: frozenset[Permission] | None = None
) -> str:
    """A personal token of this user, who is made if there is none."""
    secret = secrets.token_urlsafe(32)
    user = await sql.fetchval(_INSERT_USER, username, role.value, area)
    granted = sorted(scopes if scopes is not None else PERMISSIONS[role])
    number = await sql.fetchval(_INSERT_TOKEN, user, fingerprint(secret), [scope.value for scope in granted])
    return f"{TOKEN_PREFIX}.{number}.{secret}"


@pytest.fixture
async def hire(app: AppProcess, sql: Any) -> AsyncIterator[Hire]:
    """Makes a user: `await hire("name", Role.BILLER, area=None, scopes=None)` is his client."""
    async with AsyncExitStack() as stack:

        async def hired(username: str, role: Role, **more: Any) -> httpx.AsyncClient:
            headers = {"Authorization": f"Bearer {await token_of(sql, username, role, **more)}"}
            return await stack.enter_async_context(http_client(base_url=app.url, headers=headers, timeout=20))

        yield hired


@pytest.fixture
async def admin(hire: Hire) -> httpx.AsyncClient:
    return await hire("root", Role.ADMIN)


@pytest.fixture
async def biller(hire: Hire) -> httpx.AsyncClient:
    return await hire("bill", Role.BILLER)


@pytest.fixture
async def lucknow(hire: Hire) -> httpx.AsyncClient:
    """A dispatcher of Lucknow."""
    return await hire("lakshmi", Role.DISPATCHER, area="lucknow")


@pytest.fixture
async def jaipur(hire: Hire) -> httpx.AsyncClient:
    """A dispatcher of Jaipur."""
    return await hire("jai", Role.DISPATCHER, area="jaipur")


async def fill(client: httpx.AsyncClient, parent: str, *children: str) -> None:
    """Scan a parent and children into it."""
    for code, into in [(parent, None), *((child, parent) for child in children)]:
        answer = await client.post("/api/v1/scans", json=scan_body(code, into))
        assert answer.status_code == 201, answer.text


async def bill_of(client: httpx.AsyncClient, code: str, *parents: str, capacity: int = 10) -> None:
    """Make a bill and put these parents on it."""
    made = await client.post("/api/v1/bills", json={"code": code, "capacity": capacity})
    assert made.status_code == 201, made.text
    for parent in parents:
        answer = await client.post("/api/v1/scans", json=scan_body(parent, bill=code))
        assert answer.status_code == 201, answer.text


def refused(answer: httpx.Response, status: int, name: str) -> dict[str, Any]:
    """The problem in the answer, which must be of this status and type."""
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    body: dict[str, Any] = answer.json()
    assert (body["status"], body["type"]) == (status, f"urn:tracetrack:problem:{name}"), body
    assert body["title"]
    assert body["detail"]
    return body


async def pages_of(client: httpx.AsyncClient, path: str, **query: Any) -> AsyncIterator[list[dict[str, Any]]]:
    """The pages of a list, by the Link header, which must agree with `next`."""
    answer = await client.get(path, params=query)
    while True:
        assert answer.status_code == 200, answer.text
        body = answer.json()
        yield body["items"]
        link = answer.links.get("next")
        assert (link is None) == (body["next"] is None)
        if link is None:
            return
        answer = await client.get(link["url"])


async def denied(client: httpx.AsyncClient, method: str, path: str, permission: str, **more: Any) -> None:
    """The caller lacks this permission for the call."""
    body = refused(await client.request(method, path, **more), 403, "forbidden")
    assert body["permission"] == permission
    assert permission in body["detail"]
