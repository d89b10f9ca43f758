"""Log-in, sessions, and what happens to them when Redis goes away."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import httpx

from tests.backing import RedisServer
from tests.integration.app.conftest import device_key
from tests.integration.app.http import http_client
from tests.integration.app.process import ADMIN, PASSWORD, AppProcess, scan_body, token_of
from tracetrack_app.http.auth.sessions import Session, Sessions

SECRET = "session-secret-for-tests-0123456789"


async def log_in(client: httpx.AsyncClient, username: str, password: str) -> httpx.Response:
    token = token_of((await client.get("/login")).text)
    return await client.post("/login", data={"username": username, "password": password, "csrf_token": token})


async def test_log_in_by_form_and_by_json(anonymous: httpx.AsyncClient) -> None:
    page = await anonymous.get("/login")
    assert "script-src 'self'" in page.headers["content-security-policy"]
    body = {"username": ADMIN, "password": PASSWORD, "csrf_token": token_of(page.text)}
    answer = await anonymous.post("/login", json=body)
    assert (answer.status_code, answer.headers["location"]) == (302, "/dashboard")
    cookie = next(value for value in answer.headers.get_list("set-cookie") if value.startswith("session="))
    assert "httponly" in cookie.lower()
    assert "samesite=lax" in cookie.lower()
    assert "secure" not in cookie.lower()
    assert (await anonymous.get("/dashboard")).status_code == 200
    assert (await anonymous.get("/login")).headers["location"] == "/dashboard"


async def test_behind_tls_the_cookie_is_secure(anonymous: httpx.AsyncClient) -> None:
    answer = await anonymous.get("/login", headers={"X-Forwarded-Proto": "https"})
    assert "secure" in answer.headers["set-cookie"].lower()


async def test_log_in_needs_the_token_of_its_page(anonymous: httpx.AsyncClient) -> None:
    fields = {"username": ADMIN, "password": PASSWORD}
    assert (await anonymous.post("/login", data=fields)).status_code == 400
    token = token_of((await anonymous.get("/login")).text)
    anonymous.cookies.clear()
    assert (await anonymous.post("/login", data=fields | {"csrf_token": token})).status_code == 400


async def test_a_wrong_password_is_the_page_again(anonymous: httpx.AsyncClient) -> None:
    for username in (ADMIN, "nobody"):
        answer = await log_in(anonymous, username, "wrong")
        assert answer.status_code == 200
        assert "Wrong username or password." in answer.text
    assert (await anonymous.get("/dashboard")).headers["location"] == "/login"


async def test_five_failures_lock_the_account_for_a_quarter_of_an_hour(anonymous: httpx.AsyncClient, sql: Any) -> None:
    for _ in range(5):
        assert "Wrong username" in (await log_in(anonymous, "ADMIN", "wrong")).text
    assert "locked for 15 minutes" in (await log_in(anonymous, ADMIN, PASSWORD)).text
    left = await sql.fetchval("SELECT extract(epoch FROM locked_until - now()) FROM users WHERE username = 'admin'")
    assert 14 * 60 < left <= 15 * 60
    await sql.execute("UPDATE users SET locked_until = now() - interval '1 second'")
    assert (await log_in(anonymous, ADMIN, PASSWORD)).status_code == 302
    assert await sql.fetchval("SELECT failed_logins FROM users WHERE username = 'admin'") == 0


async def test_guesses_made_at_once_do_not_pass_the_lock_together(anonymous: httpx.AsyncClient, sql: Any) -> None:
    token = token_of((await anonymous.get("/login")).text)
    form = {"username": ADMIN, "password": "wrong", "csrf_token": token}
    answers = await asyncio.gather(*[anonymous.post("/login", data=form) for _ in range(9)])
    assert sum("Wrong username" in answer.text for answer in answers) == 5
    assert sum("locked" in answer.text for answer in answers) == 4


async def test_more_than_ten_attempts_a_minute_are_429(anonymous: httpx.AsyncClient) -> None:
    answers = [await log_in(anonymous, "somebody", "wrong") for _ in range(12)]
    assert [answer.status_code for answer in answers] == [200] * 10 + [429] * 2
    assert answers[-1].headers["retry-after"] == "60"


async def test_log_out_ends_the_session_on_every_replica(
    environment: dict[str, str], redis_server: RedisServer, tmp_path: Path
) -> None:
    with AppProcess(environment, tmp_path) as first, AppProcess(environment, tmp_path) as second:
        first.wait_ready()
        second.wait_ready()
        async with first.logged_in() as client, http_client(base_url=second.url) as other:
            await client.post("/api/fast_parent_scan", data={"qr_code": "SB00001"})
            other.cookies = httpx.Cookies(client.cookies)
            other.headers["X-CSRFToken"] = client.headers["X-CSRFToken"]
            there = await other.post("/process_child_scan_fast", data={"qr_code": "CHILD1"})
            assert (there.json()["success"], there.json()["parent_qr"]) == (True, "SB00001")
            assert (await client.post("/logout")).headers["location"] == "/login"
            async with asyncio.timeout(3):
                while (await other.get("/api/stats")).status_code != 401:
                    await asyncio.sleep(0.05)


async def test_work_goes_on_while_redis_is_away_and_log_in_waits(environment: dict[str, str], tmp_path: Path) -> None:
    with RedisServer() as own, AppProcess(environment | {"REDIS_URL": own.url}, tmp_path) as app:
        app.wait_ready()
        async with app.logged_in() as client, http_client(base_url=app.url) as newcomer:
            own.kill()
            assert (await client.post("/api/fast_parent_scan", data={"qr_code": "SB00001"})).status_code == 200
            assert (await client.post("/process_child_scan_fast", data={"qr_code": "CHILD1"})).json()["success"]
            headers = {"Authorization": f"Bearer {device_key()}"}
            scan = await newcomer.post("/api/v1/scans", json=scan_body("CHILD2", "SB00001"), headers=headers)
            assert scan.status_code == 201
            assert app.status("/ready") == 200
            refused = await log_in(newcomer, ADMIN, PASSWORD)
            assert refused.status_code == 503
            assert (await client.post("/logout")).status_code == 302
            assert (await client.get("/api/stats")).status_code == 401
            own.start()
            async with asyncio.timeout(10):
                while (await log_in(newcomer, ADMIN, PASSWORD)).status_code != 302:
                    await asyncio.sleep(0.2)


async def test_cookies_that_are_forged_expired_or_idle_are_refused(app: AppProcess) -> None:
    ours = Sessions(SECRET.encode(), lambda _: False)
    theirs = Sessions(b"another secret, of the same length!", lambda _: False)
    now = time.time()
    cases = {
        "good": (ours, Session("a", 1, "admin", "admin", now, now), 200),
        "forged": (theirs, Session("b", 1, "admin", "admin", now, now), 401),
        "absolute": (ours, Session("c", 1, "admin", "admin", now - 3601, now), 401),
        "idle": (ours, Session("d", 1, "admin", "admin", now - 1900, now - 1801), 401),
        "not logged in": (ours, Session("e", None, "", "", now, now), 401),
    }
    for name, (sessions, session, status) in cases.items():
        async with http_client(base_url=app.url, cookies={"session": sessions.seal(session)}) as client:
            assert (await client.get("/api/stats")).status_code == status, name
    async with http_client(base_url=app.url, cookies={"session": "x.y"}) as client:
        assert (await client.get("/api/stats")).status_code == 401


async def test_a_session_in_use_is_not_idle(app: AppProcess) -> None:
    ours = Sessions(SECRET.encode(), lambda _: False)
    now = time.time()
    cookie = ours.seal(Session("f", 1, "admin", "admin", now - 1700, now - 1700))
    async with http_client(base_url=app.url, cookies={"session": cookie}) as client:
        renewed = (await client.get("/api/stats")).cookies.get("session")
        assert renewed
        assert renewed != cookie


async def test_the_scanning_page_has_no_inline_script_and_no_foreign_asset(worker: httpx.AsyncClient) -> None:
    assert (await worker.get("/scan/child")).headers["location"] == "/scan/parent"
    await worker.post("/api/fast_parent_scan", data={"qr_code": "SB00001"})
    for path in ("/scan/parent", "/scan_parent", "/scan/child", "/scan_child", "/dashboard"):
        page = await worker.get(path)
        assert page.status_code == 200, path
        assert "<script>" not in page.text
        assert "http" not in page.text.replace("http-equiv", "")
        assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "SB00001" in (await worker.get("/scan/child")).text
    for asset in ("/static/app.js", "/static/app.css"):
        assert (await worker.get(asset)).status_code == 200
