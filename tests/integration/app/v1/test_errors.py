"""Errors of the whole API: one shape, whoever refuses."""

from __future__ import annotations

import time
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.integration.app.http import http_client
from tests.integration.app.process import AppProcess, scan_body
from tests.integration.app.v1.conftest import Hire, denied, fill, refused
from tracetrack_app.domain.people import Permission, Role
from tracetrack_app.http.auth.sessions import Session, Sessions


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("DELETE", "/api/v1/bags", "GET, POST"),
        ("PUT", "/api/v1/bags/SB00001", "GET, HEAD, PATCH, DELETE"),
        ("GET", "/api/v1/scans", "POST"),
        ("PATCH", "/api/v1/bills/a%2Fb/bags/SB00001", "DELETE"),
        ("POST", "/api/v1/openapi.json", "GET, HEAD"),
    ],
)
async def test_another_method_is_405_with_all_that_are_allowed(
    admin: httpx.AsyncClient, method: str, path: str, allow: str
) -> None:
    answer = await admin.request(method, path)
    problem = refused(answer, 405, "method-not-allowed")
    assert answer.headers["allow"] == allow
    assert allow in problem["detail"]


async def test_no_such_address_is_404(admin: httpx.AsyncClient) -> None:
    for path in ("/api/v1/", "/api/v1/bag", "/api/v1/bags/SB00001/x", "/api/v1/bills/a/b"):
        assert path in refused(await admin.get(path), 404, "not-found")["detail"]


async def test_bodies_are_json_of_limited_size(admin: httpx.AsyncClient, sql: Any) -> None:
    path = "/api/v1/bags"
    form = refused(await admin.post(path, data={"code": "SB00001"}), 415, "unsupported-media-type")
    assert "application/json" in form["detail"]
    for content in (b"{", b"\xff\xfe", b"", b"null"):
        answer = await admin.post(path, content=content, headers={"Content-Type": "application/json"})
        assert refused(answer, 422, "malformed")["errors"]
    large = b'{"code": "SB00001", "name": "' + b"x" * 70_000 + b'"}'
    answer = await admin.post(path, content=large, headers={"Content-Type": "application/json"})
    assert "65536" in refused(answer, 413, "too-large")["detail"]

    async def trickle() -> Any:
        for _ in range(100):
            yield b" " * 1000

    answer = await admin.post(path, content=trickle(), headers={"Content-Type": "application/json"})
    refused(answer, 413, "too-large")
    refused(await admin.post("/api/v1/scans", content=large), 413, "too-large")
    assert await sql.fetchval("SELECT count(*) FROM bags") == 0


async def test_a_session_needs_its_token_for_changes(worker: httpx.AsyncClient) -> None:
    assert (await worker.post("/api/v1/bags", json={"code": "SB00001"})).status_code == 201
    del worker.headers["X-CSRFToken"]
    refused(await worker.post("/api/v1/bags", json={"code": "SB00002"}), 403, "csrf")
    assert (await worker.get("/api/v1/bags")).status_code == 200


async def test_a_session_lasts_while_the_api_is_used(app: AppProcess, worker: httpx.AsyncClient, sql: Any) -> None:
    sessions = Sessions(b"session-secret-for-tests-0123456789", lambda _: False)
    user = await sql.fetchval("SELECT id FROM users WHERE username = 'admin'")
    now = time.time()
    quiet = Session("quiet", user, "admin", "admin", now - 1700, now - 1700)
    calls: list[tuple[str, str, Any]] = [
        ("GET", "/api/v1/products", None),
        ("POST", "/api/v1/bags", {"code": "SB00001"}),
        ("POST", "/api/v1/scans", scan_body("SB00001")),
        ("POST", "/api/v1/scans/bulk", {"scans": [scan_body("SB00001")]}),
        ("POST", "/api/v1/scans/undo", {"scan_id": str(uuid4()), "parent": "SB00001"}),
    ]
    headers = {"X-CSRFToken": sessions.csrf_token(quiet), "Cookie": f"session={sessions.seal(quiet)}"}
    for method, path, body in calls:
        async with http_client(base_url=app.url, headers=headers) as client:
            answer = await client.request(method, path, json=body)
            assert answer.status_code in (200, 201, 207, 409), answer.text
            assert answer.cookies["session"] != sessions.seal(quiet)


async def test_a_token_may_no_more_than_its_scopes(hire: Hire) -> None:
    reader = await hire("reader", Role.ADMIN, scopes=frozenset({Permission.LOOKUP}))
    assert (await reader.get("/api/v1/bags")).status_code == 200
    await denied(reader, "POST", "/api/v1/bags", "scan", json={"code": "SB00001"})
    await denied(reader, "GET", "/api/v1/bills", "bills")


async def test_no_secret_comes_back(admin: httpx.AsyncClient, anonymous: httpx.AsyncClient) -> None:
    token = admin.headers["authorization"].partition(" ")[2]
    for answer in (
        await admin.post("/api/v1/bags", json={"code": token}),
        await anonymous.get("/api/v1/bags", headers={"Authorization": f"Bearer {token}x"}),
        await anonymous.get("/api/v1/bags", headers={"Authorization": f"Basic {token}"}),
    ):
        assert answer.status_code in (401, 422)
        assert token.rpartition(".")[2] not in answer.text


async def test_hostile_text_is_stored_clean_or_refused(admin: httpx.AsyncClient) -> None:
    await fill(admin, "SB00001")
    path = "/api/v1/bags/SB00001"
    cleaned = await admin.patch(path, json={"name": "a\u0000b\u202ec\u2028"})
    assert (cleaned.status_code, cleaned.json()["name"]) == (200, "abc")
    lone = await admin.patch(path, content=b'{"name": "\\ud800"}', headers={"Content-Type": "application/json"})
    refused(lone, 422, "malformed")
    for query in ("%00", "%ff%fe", "' OR 1=1 --", "%25", "_" * 50):
        assert (await admin.get(f"/api/v1/bags?q={query}")).status_code == 200
        assert (await admin.get(f"/api/v1/bills?q={query}")).status_code == 200
        assert (await admin.get(f"/api/v1/lookup?q=x{query[:30]}")).status_code == 200
    assert (await admin.get("/api/v1/bills/%00")).status_code == 404
    refused(await admin.get("/api/v1/bills/%ff"), 422, "malformed")
