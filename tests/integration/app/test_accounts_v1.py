"""Accounts in API v1: who calls, users, one's own profile and tokens, problems."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.integration.app.accounts import STRONG, logged_in, make_user
from tests.integration.app.conftest import device_key
from tests.integration.app.http import http_client
from tests.integration.app.process import ADMIN, AppProcess, scan_body

USERS, PROFILE, TOKENS = "/api/v1/users", "/api/v1/profile", "/api/v1/profile/tokens"


async def _token(client: httpx.AsyncClient, *scopes: str, **more: Any) -> str:
    answer = await client.post(TOKENS, json={"name": "script", "scopes": list(scopes), **more})
    assert answer.status_code == 201, answer.text
    text: str = answer.json()["token"]
    return text


def _bearer(app: AppProcess, text: str) -> httpx.AsyncClient:
    return http_client(base_url=app.url, headers={"Authorization": f"Bearer {text}"}, timeout=20)


async def test_users_from_first_to_last(worker: httpx.AsyncClient) -> None:
    body = {"username": "ravi", "password": STRONG, "role": "dispatcher", "area": "jaipur", "email": "r@example.com"}
    made = await worker.post(USERS, json=body)
    user = made.json()
    assert (made.status_code, made.headers["location"]) == (201, f"{USERS}/{user['id']}")
    assert "password" not in made.text.replace("must_change_password", "")
    assert (await worker.get(made.headers["location"])).json() == user
    path = f"{USERS}/{user['id']}"
    changed = await worker.patch(path, json={"role": "biller", "email": None})
    assert {**user, "role": "biller", "area": None, "email": None} == changed.json()
    assert (await worker.put(f"{path}/password", json={"password": "An0ther!one"})).status_code == 204
    assert (await worker.get(path)).json()["must_change_password"] is True
    for part in ("sessions", "lock", "totp"):
        assert (await worker.delete(f"{path}/{part}")).status_code == 204, part
    names = []
    for number in range(4):
        await make_user(worker, f"worker {number}", "biller")
    url = f"{USERS}?limit=2"
    while url:
        page = await worker.get(url)
        names += [each["username"] for each in page.json()["items"]]
        url = page.links.get("next", {}).get("url", "")
    assert names == ["worker 3", "worker 2", "worker 1", "worker 0", "ravi", "admin"]
    found = (await worker.get(USERS, params={"search": "KER 2", "role": "biller"})).json()
    assert [each["username"] for each in found["items"]] == ["worker 2"]
    assert (await worker.delete(path)).json() == {"username": "ravi", "preserved_scans": 0, "preserved_bills": 0}
    gone = await worker.get(path)
    assert (gone.status_code, gone.json()["type"]) == (404, "urn:tracetrack:problem:not-found")


async def test_what_is_wrong_is_a_problem_that_names_the_field(worker: httpx.AsyncClient, sql: Any) -> None:
    cases: list[tuple[dict[str, Any], int, str, str]] = [
        ({"username": "x"}, 422, "malformed", "username"),
        ({"role": "boss"}, 422, "malformed", "role"),
        ({"extra": 1}, 422, "malformed", "extra"),
        ({"password": "feeble"}, 409, "weak-password", "password"),
        ({"username": ADMIN.upper()}, 409, "username-taken", "username"),
        ({"role": "dispatcher"}, 409, "area-required", "area"),
    ]
    for change, status, kind, field in cases:
        body = {"username": "somebody", "password": STRONG, "role": "biller", **change}
        answer = await worker.post(USERS, json=body)
        assert answer.headers["content-type"] == "application/problem+json"
        problem = answer.json()
        assert (answer.status_code, problem["type"]) == (status, f"urn:tracetrack:problem:{kind}"), answer.text
        assert [each["field"] for each in problem["errors"]] == [field]
        assert body["password"] not in answer.text
    admin = await sql.fetchval("SELECT id FROM users WHERE username = 'admin'")
    last = await worker.patch(f"{USERS}/{admin}", json={"active": False})
    assert (last.status_code, last.json()["type"]) == (409, "urn:tracetrack:problem:last-admin")
    for text in ("nul \x00 here", "half \ud800 pair"):
        hostile = await worker.post(
            USERS,
            content=b'{"username":"abc","role":"biller","password":"Str0ng!' + text.encode("unicode_escape") + b'"}',
        )
        assert hostile.status_code in (201, 409, 422), hostile.text
    assert (await worker.get(USERS, params={"search": "\x00"})).status_code == 422


async def test_every_kind_of_caller(app: AppProcess, worker: httpx.AsyncClient, anonymous: httpx.AsyncClient) -> None:
    nobody = await anonymous.get(PROFILE)
    assert (nobody.status_code, nobody.headers["www-authenticate"]) == (401, "Bearer")
    me = (await worker.get(PROFILE)).json()
    assert (me["username"], me["role"]) == ("admin", "admin")
    assert "audit" in me["permissions"]
    csrf = worker.headers.pop("X-CSRFToken")
    unsafe = await worker.post(USERS, json={})
    assert (unsafe.status_code, unsafe.json()["type"]) == (403, "urn:tracetrack:problem:csrf")
    worker.headers["X-CSRFToken"] = csrf
    async with _bearer(app, device_key()) as device:
        for path in (PROFILE, USERS, TOKENS, "/api/v1/audit", "/api/v1/notifications"):
            assert (await device.get(path)).status_code == 403, path
    for key in ("ttp1.1.x", "ttk1.lucknow.lucknow-0001.1.x", "nonsense", "."):
        async with http_client(base_url=app.url, headers={"Authorization": f"Bearer {key}"}) as client:
            assert (await client.get(PROFILE)).status_code == 401, key


async def test_a_personal_token_does_what_its_scopes_and_the_role_allow(
    app: AppProcess, worker: httpx.AsyncClient, sql: Any
) -> None:
    ravi = await make_user(worker, "ravi", "biller")
    async with logged_in(app, "ravi") as him:
        beyond = await him.post(TOKENS, json={"name": "x", "scopes": ["users"]})
        assert (beyond.status_code, beyond.json()["type"]) == (409, "urn:tracetrack:problem:scope-beyond-role")
        scanning, reading = await _token(him, "scan"), await _token(him, "lookup", expires_in_days=None)
        listed = (await him.get(TOKENS)).json()["items"]
        assert [each["scopes"] for each in listed] == [["lookup"], ["scan"]]
        assert listed[0]["expires_at"] is None
        async with _bearer(app, scanning) as script, _bearer(app, reading) as reader:
            done = await script.post("/api/v1/scans", json=scan_body("SB00001"))
            assert done.status_code == 201, done.text
            assert await sql.fetchval("SELECT user_id FROM scan_ledger") == ravi["id"]
            assert (await script.post("/api/v1/scans", json=scan_body("CHILD1", "SB00001"))).status_code == 201
            refused = await reader.post("/api/v1/scans", json=scan_body("SB00002"))
            assert (refused.status_code, refused.json()["type"]) == (403, "urn:tracetrack:problem:forbidden")
            assert (await script.get(PROFILE)).json()["permissions"] == ["scan"]
            # A token makes no tokens and changes no password.
            for call in (
                script.post(TOKENS, json={"name": "more", "scopes": ["scan"]}),
                script.patch(PROFILE, json={"current_password": STRONG, "new_password": "An0ther!one"}),
            ):
                assert (await call).json()["type"] == "urn:tracetrack:problem:session-required"
            used = {each["scopes"][0]: each["last_used_at"] for each in (await him.get(TOKENS)).json()["items"]}
            assert used["scan"]
            number = listed[1]["id"]
            assert (await him.delete(f"{TOKENS}/{number}")).status_code == 204
            assert (await him.delete(f"{TOKENS}/{number}")).status_code == 404
            assert (await script.get(PROFILE)).status_code == 401
            await sql.execute("UPDATE personal_tokens SET expires_at = now() - interval '1 second'")
            assert (await reader.get(PROFILE)).status_code == 401
            late = await _token(him, "scan")
            async with _bearer(app, late) as last:
                assert (await last.get(PROFILE)).status_code == 200
                await worker.patch(f"{USERS}/{ravi['id']}", json={"active": False})
                assert (await last.get(PROFILE)).status_code == 401


async def test_ones_own_password_by_v1(app: AppProcess, worker: httpx.AsyncClient) -> None:
    await make_user(worker, "ravi")
    async with logged_in(app, "ravi") as here, logged_in(app, "ravi") as there:
        wrong = await here.patch(PROFILE, json={"current_password": "x", "new_password": "An0ther!one"})
        assert wrong.json()["errors"][0]["field"] == "current_password"
        body = {"current_password": STRONG, "new_password": "An0ther!one", "email": "r@example.com"}
        assert (await here.patch(PROFILE, json=body)).json()["email"] == "r@example.com"
        assert [(await each.get(PROFILE)).status_code for each in (here, there)] == [200, 401]
        for _ in range(9):
            last = await here.patch(PROFILE, json={"current_password": "guess"})
        assert (last.status_code, last.json()["type"]) == (429, "urn:tracetrack:problem:too-many")


async def test_the_calls_are_described(worker: httpx.AsyncClient) -> None:
    document = (await worker.get("/api/v1/openapi.json")).json()
    for path, methods in {USERS: {"get", "post"}, TOKENS: {"get", "post"}, "/api/v1/audit": {"get"}}.items():
        assert methods <= document["paths"][path].keys()
        for method in methods:
            operation = document["paths"][path][method]
            session = {"session": []} | ({} if method == "get" else {"csrf": []})
            assert operation["security"] == [{"personalToken": []}, session]
            for status in ("401", "403", "422"):
                assert "application/problem+json" in operation["responses"][status]["content"]


@pytest.mark.parametrize("path", [USERS, "/api/v1/audit", "/api/v1/audit/rows"])
async def test_only_admins(app: AppProcess, worker: httpx.AsyncClient, path: str) -> None:
    await make_user(worker, "ravi", "biller")
    async with logged_in(app, "ravi") as him:
        assert (await him.get(path)).status_code == 403
    assert (await worker.get(path)).status_code == 200
