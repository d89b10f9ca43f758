"""How people prove who they are: second factors, resets by mail, old cookies, limits, a rotated secret."""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from email import message_from_bytes
from email.message import Message
from pathlib import Path
from typing import Any

import httpx
import pyotp
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword
from itsdangerous import URLSafeTimedSerializer
from redis.exceptions import RedisError

from tests.backing import RedisServer, free_port
from tests.integration.app.accounts import JSON, logged_in, make_user, token
from tests.integration.app.conftest import device_key
from tests.integration.app.http import http_client
from tests.integration.app.process import ADMIN, PASSWORD, AppProcess, scan_body

# The mail server of the tests asks for a password without TLS, and says that it should not.
pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
OLD_SECRET = "the-old-systems-secret-key"
MAIL_USER, MAIL_PASSWORD = "tracetrack", "mail-password"


async def _turn_on(client: httpx.AsyncClient) -> tuple[pyotp.TOTP, list[str], int]:
    """(the app's part, the recovery codes, the time step that was used)."""
    told = (await client.get("/2fa/setup", headers=JSON)).json()
    totp = pyotp.TOTP(told["secret"])
    assert told["uri"].startswith("otpauth://totp/TraceTrack:")
    step = int(time.time()) // 30
    answer = (await client.post("/2fa/enable", json={"code": totp.at(step * 30)})).json()
    assert answer["success"], answer
    return totp, answer["recovery_codes"], step


def _following(totp: pyotp.TOTP, step: int) -> str:
    """A code that is right now and of a later step than the one used."""
    return totp.at(max(step + 1, int(time.time()) // 30) * 30)


async def _password_step(client: httpx.AsyncClient, username: str = ADMIN, password: str = PASSWORD) -> None:
    answer = (await client.post("/api/v2/login", json={"username": username, "password": password})).json()
    assert (answer["success"], answer["totp_required"]) == (False, True)
    client.headers["X-CSRFToken"] = answer["csrf_token"]


async def test_a_second_factor_is_set_up_asked_for_and_turned_off(
    app: AppProcess, worker: httpx.AsyncClient, anonymous: httpx.AsyncClient, sql: Any
) -> None:
    page = await worker.get("/2fa/setup", headers={"Accept": "text/html"})
    assert 'src="data:image/svg+xml' in page.text
    wrong = await worker.post("/2fa/enable", json={"code": "000000"})
    assert wrong.json()["error_type"] == "wrong_code"
    totp, recovery, step = await _turn_on(worker)
    assert len(recovery) == len(set(recovery)) == 10
    stored = await sql.fetchrow("SELECT totp_secret, totp_step FROM users WHERE username = 'admin'")
    assert totp.secret.encode() not in stored["totp_secret"]
    assert recovery[0] not in str(await sql.fetch("SELECT * FROM recovery_codes"))

    await _password_step(anonymous)
    # The password alone opens nothing.
    for path in ("/api/stats", "/api/users", "/profile", "/api/v1/openapi.json"):
        expected = 200 if path.endswith("openapi.json") else 401
        assert (await anonymous.get(path, headers=JSON)).status_code == expected, path
    assert (await anonymous.get("/dashboard")).headers["location"] == "/login"
    assert (await anonymous.post("/2fa/disable", json={"password": PASSWORD, "code": "1"})).status_code == 401
    # A code is good once: not the one that turned it on, not the one that logged in.
    used = await anonymous.post("/2fa/verify", json={"code": totp.at(step * 30)})
    assert used.json()["error_type"] == "wrong_code"
    following = _following(totp, step)
    done = (await anonymous.post("/2fa/verify", json={"code": f"{following[:3]} {following[3:]}"})).json()
    assert (done["success"], done["user"]["role"]) == (True, "admin")
    assert (await anonymous.get("/api/users")).status_code == 200
    async with http_client(base_url=app.url) as other:
        await _password_step(other)
        replayed = await other.post("/2fa/verify", json={"code": following})
        assert replayed.json()["error_type"] == "wrong_code"
        assert (await other.post("/2fa/verify", json={"code": recovery[0].lower()})).json()["success"]
        assert (await other.get("/api/users")).status_code == 200
    await sql.execute("UPDATE users SET totp_step = NULL")
    refused = await worker.post("/2fa/disable", json={"password": "wrong", "code": totp.now()})
    assert refused.json()["error_type"] == "wrong_password"
    off = await worker.post("/2fa/disable", json={"password": PASSWORD, "code": recovery[1]})
    assert off.json()["success"], off.text
    answer = await anonymous.post("/api/v2/login", json={"username": ADMIN, "password": PASSWORD})
    assert answer.json()["success"]


async def test_the_second_step_by_the_pages(worker: httpx.AsyncClient, anonymous: httpx.AsyncClient) -> None:
    totp, recovery, step = await _turn_on(worker)
    form = {"username": ADMIN, "password": PASSWORD, "csrf_token": await token(anonymous)}
    assert (await anonymous.post("/login", data=form)).headers["location"] == "/2fa/verify"
    csrf = await token(anonymous, "/2fa/verify")
    refused = await anonymous.post("/2fa/verify", data={"code": "123", "csrf_token": csrf})
    assert "This code is wrong" in refused.text
    code = _following(totp, step)
    done = await anonymous.post("/2fa/verify", data={"code": code, "csrf_token": csrf})
    assert done.headers["location"] == "/dashboard"
    assert (await anonymous.get("/dashboard")).status_code == 200
    again = await anonymous.get("/2fa/verify")
    assert again.headers["location"] == "/login"
    assert recovery


async def test_codes_cannot_be_guessed_and_recovery_codes_are_used_once_at_once(
    app: AppProcess, worker: httpx.AsyncClient, redis_server: RedisServer
) -> None:
    _, recovery, _ = await _turn_on(worker)
    redis_server.command("FLUSHALL")
    clients = [http_client(base_url=app.url) for _ in range(4)]
    for client in clients:
        await _password_step(client)
    answers = await asyncio.gather(*[client.post("/2fa/verify", json={"code": recovery[2]}) for client in clients])
    assert sorted(answer.json()["success"] for answer in answers) == [False, False, False, True]
    loser = next(client for client, answer in zip(clients, answers, strict=True) if not answer.json()["success"])
    redis_server.command("FLUSHALL")
    statuses = [(await loser.post("/2fa/verify", json={"code": "000000"})).status_code for _ in range(7)]
    assert statuses == [200] * 5 + [429] * 2
    right = await loser.post("/2fa/verify", json={"code": recovery[3]})
    assert (right.status_code, right.headers["retry-after"]) == (429, "900")
    for client in clients:
        await client.aclose()


async def test_an_admin_who_needs_a_second_factor_reaches_nothing_else(
    environment: dict[str, str], tmp_path: Path
) -> None:
    own = environment | {"TRACETRACK_REQUIRE_ADMIN_TOTP": "true"}
    with AppProcess(own, tmp_path) as app:
        app.wait_ready()
        async with logged_in(app, ADMIN, PASSWORD) as admin:
            refused = await admin.get("/api/users")
            assert (refused.status_code, refused.json()["error_code"]) == (403, "totp_setup_required")
            assert (await admin.get("/dashboard")).headers["location"] == "/2fa/setup"
            assert (await admin.get("/api/v1/audit")).status_code == 403
            totp, recovery, _ = await _turn_on(admin)
            assert (await admin.get("/api/users")).status_code == 200
            stays = await admin.post("/2fa/disable", json={"password": PASSWORD, "code": recovery[0]})
            assert stays.json()["error_type"] == "totp_required"
            assert totp


@dataclass
class _Sink:
    """A real SMTP server that keeps what it is handed, from those who log in."""

    port: int
    mails: list[Message]

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        assert session.authenticated
        self.mails.append(message_from_bytes(envelope.content))
        return "250 kept"


@pytest.fixture
def sink() -> Iterator[_Sink]:
    found = _Sink(free_port(), [])

    def check(server: Any, session: Any, envelope: Any, mechanism: str, data: LoginPassword) -> AuthResult:
        right = (data.login, data.password) == (MAIL_USER.encode(), MAIL_PASSWORD.encode())
        return AuthResult(success=right, handled=False)

    controller = Controller(
        found,
        hostname="127.0.0.1",
        port=found.port,
        authenticator=check,
        auth_require_tls=False,
        auth_required=True,
    )
    controller.start()
    yield found
    controller.stop()


@pytest.fixture
async def mailing(environment: dict[str, str], sink: _Sink, tmp_path: Path) -> AsyncIterator[AppProcess]:
    """An app with a mail server, given by a binding, and the old system's secret."""
    binding = tmp_path / "bindings" / "smtp"
    binding.mkdir(parents=True)
    values = {"host": "127.0.0.1", "port": str(sink.port), "tls": "none", "from": "TraceTrack <no-reply@example.com>"}
    for name, value in (values | {"username": MAIL_USER, "password": MAIL_PASSWORD}).items():
        (binding / name).write_text(value)
    own = environment | {
        "SERVICE_BINDING_ROOT": str(binding.parent),
        "TRACETRACK_PUBLIC_URL": "https://trace.example.com",
        "LEGACY_SESSION_SECRET": OLD_SECRET,
        "TRACETRACK_SCAN_LIMIT": "20",
        "TRACETRACK_RESET_LIMIT": "6",
    }
    with AppProcess(own, tmp_path) as app:
        app.wait_ready()
        yield app


async def _mail(sink: _Sink, count: int) -> Message:
    async with asyncio.timeout(10):
        while len(sink.mails) < count:
            await asyncio.sleep(0.02)
    return sink.mails[count - 1]


def _text(mail: Message) -> str:
    payload = mail.get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload.decode()


async def test_a_forgotten_password_is_reset_by_mail_once(mailing: AppProcess, sink: _Sink, database: str) -> None:
    async with logged_in(mailing, ADMIN, PASSWORD) as admin, http_client(base_url=mailing.url) as anyone:
        await make_user(admin, "ravi", email="ravi@example.com")
        csrf = await token(anyone, "/forgot_password")
        answers = []
        for name in ("ravi", "nobody", "RAVI@example.com"):
            answers.append(await anyone.post("/forgot_password", data={"email": name, "csrf_token": csrf}))
        assert len({answer.text for answer in answers}) == 1
        assert {answer.status_code for answer in answers} == {200}
        first, second = await _mail(sink, 1), await _mail(sink, 2)
        assert first["To"] == "ravi@example.com"
        links = [
            re.search(r"https://trace\.example\.com(/reset_password/\S+)", _text(mail)) for mail in (first, second)
        ]
        paths = [link[1] for link in links if link]
        assert len(set(paths)) == 2
        import asyncpg

        connection = await asyncpg.connect(database)
        stored = str(await connection.fetch("SELECT * FROM password_resets"))
        assert not any(path.rpartition("/")[2] in stored for path in paths)
        assert "New password for ravi" in (await anyone.get(paths[0])).text
        async with logged_in(mailing, "ravi") as ravi:
            weak = await anyone.post(paths[0], data={"password": "weak", "csrf_token": csrf})
            assert "at least 8 characters" in weak.text
            body = {"password": "An0ther!one", "csrf_token": csrf}
            done = await anyone.post(paths[0], json=body)
            assert done.json()["success"], done.text
            assert (await ravi.get("/api/stats")).status_code == 401
        # The link is spent, and with it the other one.
        for path in paths:
            assert (await anyone.post(path, json=body)).json()["error_type"] == "link_spent"
        async with logged_in(mailing, "ravi", "An0ther!one"):
            pass
        await anyone.post("/forgot_password", data={"email": "ravi", "csrf_token": csrf})
        late = re.search(r"(/reset_password/\S+)", _text(await _mail(sink, 3)))
        assert late
        await connection.execute("UPDATE password_resets SET expires_at = now() - interval '1 second'")
        assert (await anyone.post(late[1], json=body)).json()["error_type"] == "link_spent"
        await connection.close()
        statuses = [
            (await anyone.post("/forgot_password", data={"email": "x", "csrf_token": csrf})).status_code
            for _ in range(4)
        ]
        assert statuses[-1] == 429
        assert len(sink.mails) == 3
    assert "An0ther" not in mailing.log
    assert not any(path.rpartition("/")[2] in mailing.log for path in paths)


def _flask_cookie(secret: str, **values: Any) -> str:
    signer = {"key_derivation": "hmac", "digest_method": hashlib.sha1}
    cookie = URLSafeTimedSerializer(secret, salt="cookie-session", signer_kwargs=signer).dumps(values)
    return cookie if isinstance(cookie, str) else cookie.decode()


async def test_who_is_logged_in_at_the_existing_system_is_logged_in_here(mailing: AppProcess) -> None:
    now = time.time()
    async with logged_in(mailing, ADMIN, PASSWORD) as admin:
        ravi = await make_user(admin, "ravi")
        async with logged_in(mailing, "ravi") as him:
            await him.post("/api/fast_parent_scan", data={"qr_code": "SB00001"})
        values = {"user_id": ravi["id"], "login_time": now - 100, "last_activity": now - 90}
        good = _flask_cookie(OLD_SECRET, **values, current_parent_qr="SB00001")
        bad = {
            "forged": _flask_cookie("another-secret", **values),
            "idle": _flask_cookie(OLD_SECRET, **values | {"login_time": now - 2000, "last_activity": now - 1900}),
            "absolute": _flask_cookie(OLD_SECRET, **values | {"login_time": now - 3700}),
            "nobody": _flask_cookie(OLD_SECRET, login_time=now),
            "future": _flask_cookie(OLD_SECRET, **values | {"last_activity": now + 9000}),
        }
        for name, cookie in bad.items():
            async with http_client(base_url=mailing.url, cookies={"session": cookie}) as client:
                assert (await client.get("/api/stats")).status_code == 401, name
        async with http_client(base_url=mailing.url) as client:
            client.cookies.set("session", good, domain="127.0.0.1", path="/")
            page = await client.get("/dashboard")
            assert page.status_code == 200
            assert "Log out ravi" in page.text
            assert client.cookies["session"] != good
            client.headers["X-CSRFToken"] = await token(client, "/dashboard")
            child = (await client.post("/process_child_scan_fast", data={"qr_code": "CHILD1"})).json()
            assert (child["success"], child["parent_qr"]) == (True, "SB00001")
            assert (await client.post("/logout")).headers["location"] == "/login"
        async with http_client(base_url=mailing.url, cookies={"session": good}) as client:
            assert (await client.get("/api/stats")).status_code == 401


async def test_scans_have_a_limit_for_each_device_and_user(mailing: AppProcess) -> None:
    # One window holds all of them: begin early in a minute.
    while time.time() % 60 > 45:
        await asyncio.sleep(0.5)
    async with http_client(base_url=mailing.url) as client:
        keys = [{"Authorization": f"Bearer {device_key(number)}"} for number in (1, 2)]
        statuses = [
            (await client.post("/api/v1/scans", json=scan_body(f"SB{number:05d}"), headers=keys[0])).status_code
            for number in range(22)
        ]
        assert statuses == [201] * 20 + [429] * 2
        limited = await client.post("/api/v1/scans", json=scan_body("SB00030"), headers=keys[0])
        assert 0 < int(limited.headers["retry-after"]) <= 60
        assert limited.json()["type"] == "urn:tracetrack:problem:too-many"
        other = await client.post("/api/v1/scans", json=scan_body("SB00030"), headers=keys[1])
        assert other.status_code == 201
    async with logged_in(mailing, ADMIN, PASSWORD) as admin:
        codes = [
            (await admin.post("/api/fast_parent_scan", data={"qr_code": "SB00031"})).status_code for _ in range(21)
        ]
        assert codes == [200] * 20 + [429]


async def test_the_scan_limit_is_shared_and_open_without_redis() -> None:
    from tracetrack_app.domain.scans import Actor
    from tracetrack_app.http.auth.limits import ScanLimit
    from tracetrack_app.settings import CacheSettings
    from tracetrack_app.store.shared import Shared

    actor = Actor(user_id=1)
    with RedisServer() as server:
        pair = [Shared(lambda: CacheSettings(server.url)) for _ in range(2)]
        one, two = (ScanLimit(each, 100, lambda: 1_000_020.0) for each in pair)
        for each in (one, two):
            assert each.allows(actor, 50)
            await each.sync()
        await one.sync()
        assert two.allows(actor, 1) is False
        # One has not heard of it yet; what it counts now tells it.
        assert one.allows(actor, 1)
        await one.sync()
        assert one.allows(actor, 1) is False
        server.kill()
        assert two.allows(Actor(user_id=2), 100)
        with pytest.raises(RedisError):
            await two.sync()
        assert two.allows(Actor(user_id=2), 1) is False
        for each in pair:
            await each.close()


async def test_a_rotated_secret_keeps_sessions_and_second_factors(environment: dict[str, str], tmp_path: Path) -> None:
    with AppProcess(environment, tmp_path) as app:
        app.wait_ready()
        async with logged_in(app, ADMIN, PASSWORD) as admin:
            totp, _, step = await _turn_on(admin)
            cookies, csrf = httpx.Cookies(admin.cookies), admin.headers["X-CSRFToken"]
    rotated = environment | {
        "SESSION_SECRET": "another-session-secret-0123456789abc",
        "SESSION_SECRET_PREVIOUS": environment["SESSION_SECRET"],
    }
    with AppProcess(rotated, tmp_path) as app:
        app.wait_ready()
        async with http_client(base_url=app.url, cookies=cookies, headers={"X-CSRFToken": csrf}) as admin:
            assert (await admin.post("/create_user", json={})).json()["field"] == "username"
        async with http_client(base_url=app.url) as admin:
            await _password_step(admin)
            assert (await admin.post("/2fa/verify", json={"code": _following(totp, step)})).json()["success"]
