"""Accounts: managing them, what ends them and their sessions, the last admin, the existing system's hashes."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import httpx
import pytest

from tests.integration.app.accounts import JSON, STRONG, logged_in, make_user
from tests.integration.app.http import http_client
from tests.integration.app.process import AppProcess
from tracetrack_app.store.accounts import Accounts
from tracetrack_app.store.audit import SYSTEM, Audit

# "correct Horse 1!" as werkzeug 3.1 hashes it.
SCRYPT = (
    "scrypt:32768:8:1$smHEIpj7y0duOKHP$e5f321249e650eb7dbfb1d58b7886a06fc0ba25b240b1ea"
    "33002a6f5e6a227071d8d3718c0d5f8bd28fef302e4d92955f0bce62132461eaba553025c535a2ef5"
)
PBKDF2 = "pbkdf2:sha256:260000$a2vhzQADHwjvokOZ$4370e12fece9f1e739e9609a126379fb132d268fda0d5fa8e179a44f4814e747"
WERKZEUG_PASSWORD = "correct Horse 1!"


async def test_an_admin_makes_changes_and_deletes_accounts(app: AppProcess, worker: httpx.AsyncClient) -> None:
    made = await make_user(worker, "ravi", email="ravi@example.com")
    assert {name: made[name] for name in ("username", "role", "dispatch_area", "active")} == {
        "username": "ravi",
        "role": "dispatcher",
        "dispatch_area": "lucknow",
        "active": True,
    }
    path = f"/admin/users/{made['id']}"
    listed = (await worker.get("/user_management", headers=JSON)).json()
    assert [user["username"] for user in listed["users"]] == ["admin", "ravi"]
    for url in ("/api/users", "/api/v2/users"):
        short = (await worker.get(url)).json()
        assert short["total"] == 2
        assert short["users"][1] == {"id": made["id"], "username": "ravi", "role": "dispatcher"}
    edited = (await worker.post(f"{path}/edit", json={"email": "new@example.com", "dispatch_area": "Indore"})).json()
    assert (edited["user"]["email"], edited["user"]["dispatch_area"]) == ("new@example.com", "indore")
    changed = (await worker.post(f"{path}/change-role", json={"role": "biller"})).json()
    assert (changed["user"]["role"], changed["user"]["dispatch_area"]) == ("biller", None)
    assert (await worker.post(f"{path}/promote", json={})).json()["user"]["role"] == "admin"
    assert (await worker.post(f"{path}/demote", json={})).json()["user"]["role"] == "biller"
    async with logged_in(app, "ravi") as ravi:
        await ravi.post("/api/fast_parent_scan", data={"qr_code": "SB00001"})
        await ravi.post("/process_child_scan_fast", data={"qr_code": "CHILD1"})
        gone = (await worker.post(f"{path}/delete")).json()
        assert gone.pop("message")
        assert gone == {"success": True, "preserved_scans": 2, "preserved_bills": 0}
        assert (await ravi.get("/api/stats")).status_code == 401
    scans = (await worker.get("/api/scans")).json()["scans"]
    assert {scan["username"] for scan in scans} == {"ravi"}
    assert (await worker.post(f"{path}/delete")).status_code == 404
    again = await make_user(worker, "Ravi", email="new@example.com")
    assert again["id"] != made["id"]


async def test_the_page_of_users_makes_them_by_form(worker: httpx.AsyncClient) -> None:
    page = await worker.get("/user_management", headers={"Accept": "text/html"})
    assert page.status_code == 200
    assert 'action="/create_user"' in page.text
    form = {"username": "asha", "password": "weak", "role": "biller"}
    refused = await worker.post("/create_user", data=form)
    assert refused.status_code == 200
    assert "The password needs at least 8 characters, an upper-case letter, a digit and a special" in refused.text
    assert 'value="asha"' in refused.text
    assert "weak" not in refused.text
    made = await worker.post("/create_user", data=form | {"password": STRONG})
    assert (made.status_code, made.headers["location"].partition("?")[0]) == (302, "/user_management")
    assert "asha" in (await worker.get(made.headers["location"])).text


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"password": "Sh0rt!"}, "password", "at least 8 characters"),
        ({"password": "alllower1!"}, "password", "an upper-case letter"),
        ({"password": "NoDigits!!"}, "password", "a digit"),
        ({"password": "NoSpecial11"}, "password", "a special character"),
        ({"username": "Str0ng!pass", "password": "Str0ng!pass"}, "username", "letters, digits"),
        ({"username": "Abc.12345", "password": "abC.12345"}, "password", "must not be the user name"),
        ({"username": "ADMIN"}, "username", "taken"),
        ({"role": "boss"}, "role", "admin, biller, dispatcher"),
        ({"role": "dispatcher", "dispatch_area": ""}, "area", "choose one"),
        ({"role": "dispatcher", "dispatch_area": "atlantis"}, "area", "no such area"),
        ({"email": "nobody"}, "email", "e-mail address"),
    ],
)
async def test_what_is_wrong_with_an_account_is_named(
    worker: httpx.AsyncClient, fields: dict[str, str], field: str, words: str
) -> None:
    body = {"username": "somebody", "password": STRONG, "role": "biller", **fields}
    answer = await worker.post("/create_user", json=body)
    assert answer.status_code == 200
    refusal = answer.json()
    assert (refusal["success"], refusal["field"]) == (False, field)
    assert words in refusal["message"]
    assert body["password"] not in answer.text or body["password"] == body["username"]


async def test_only_admins_manage_accounts(app: AppProcess, worker: httpx.AsyncClient) -> None:
    user = await make_user(worker, "ravi")
    async with logged_in(app, "ravi") as ravi:
        for path in ("/user_management", "/api/users", "/api/v2/users", "/admin/promotions"):
            assert (await ravi.get(path)).status_code == 403, path
        calls = ["/create_user", "/admin/promotion_request/1"]
        calls += [
            f"/admin/users/{user['id']}/{verb}" for verb in ("edit", "change-role", "promote", "demote", "delete")
        ]
        for path in calls:
            assert (await ravi.post(path, json={"role": "admin"})).status_code == 403, path
        assert (await ravi.get("/profile", headers=JSON)).json()["user"]["role"] == "dispatcher"
        del ravi.headers["X-CSRFToken"]
        assert (await ravi.post("/profile/edit", json={"email": "x@example.com"})).status_code == 400


async def test_the_last_admin_stays(app: AppProcess, worker: httpx.AsyncClient, sql: Any) -> None:
    admin = await sql.fetchval("SELECT id FROM users WHERE username = 'admin'")
    for verb, body in (("demote", {}), ("change-role", {"role": "biller"}), ("edit", {"active": "false"})):
        refused = (await worker.post(f"/admin/users/{admin}/{verb}", json=body)).json()
        assert (refused["success"], refused["error_type"]) == (False, "last_admin"), verb
    assert (await worker.post(f"/admin/users/{admin}/delete")).json()["error_type"] == "own_account"
    assert (await worker.get("/api/users")).status_code == 200
    with pytest.raises(asyncpg.IntegrityConstraintViolationError, match="last admin"):
        await sql.execute("DELETE FROM users WHERE id = $1", admin)


@pytest.mark.parametrize("isolation", ["read_committed", "repeatable_read", "serializable"])
async def test_two_admins_cannot_step_down_at_once(database: str, isolation: str) -> None:
    setup = await asyncpg.connect(database)
    count = 6
    for number in range(count):
        await setup.execute("INSERT INTO users (username, password_hash, role) VALUES ($1, 'x', 'admin')", f"a{number}")
    connections = [await asyncpg.connect(database) for _ in range(count)]
    changes = (
        "UPDATE users SET role = 'biller' WHERE username = $1",
        "UPDATE users SET active = false WHERE username = $1",
        "DELETE FROM users WHERE username = $1",
    )

    async def step_down(number: int) -> bool:
        try:
            async with connections[number].transaction(isolation=isolation):
                # A snapshot in which everybody is an admin still.
                await connections[number].fetchval("SELECT count(*) FROM users")
                await connections[number].execute(changes[number % 3], f"a{number}")
                await asyncio.sleep(0.02)
        except (asyncpg.IntegrityConstraintViolationError, asyncpg.SerializationError, asyncpg.DeadlockDetectedError):
            return False
        return True

    done = await asyncio.gather(*[step_down(number) for number in range(count)])
    left = await setup.fetchval("SELECT count(*) FROM users WHERE role = 'admin' AND active")
    assert left == count - sum(done)
    assert left >= 1
    if isolation == "read_committed":
        assert left == 1
    for connection in (setup, *connections):
        await connection.close()


async def test_what_ends_all_sessions(app: AppProcess, worker: httpx.AsyncClient) -> None:
    user = await make_user(worker, "ravi", "biller")
    path = f"/admin/users/{user['id']}"
    ends = {
        "a step down": (f"{path}/change-role", {"role": "dispatcher", "dispatch_area": "lucknow"}),
        "a new password": (f"{path}/edit", {"password": STRONG}),
        "deactivation": (f"{path}/edit", {"active": "false"}),
    }
    for name, (url, body) in ends.items():
        async with logged_in(app, "ravi") as one, logged_in(app, "ravi") as two:
            assert (await one.get("/api/stats")).status_code == 200
            answer = (await worker.post(url, json=body)).json()
            assert answer["success"], answer
            assert [(await each.get("/api/stats")).status_code for each in (one, two)] == [401, 401], name
            assert (await one.get("/dashboard")).headers["location"] == "/login"
    refused = await app_login(app, "ravi")
    assert "deactivated" in refused.json()["message"]
    await worker.post(f"{path}/edit", json={"active": "true"})
    async with logged_in(app, "ravi") as one, logged_in(app, "ravi") as two:
        await worker.post(f"{path}/promote", json={})
        assert (await one.get("/api/users")).status_code == 200
        assert (await one.post("/profile/logout_everywhere", json={})).json()["success"]
        assert [(await each.get("/api/stats")).status_code for each in (one, two)] == [401, 401]


async def app_login(app: AppProcess, username: str, password: str = STRONG) -> httpx.Response:
    async with http_client(base_url=app.url, timeout=20) as client:
        return await client.post("/api/v2/login", json={"username": username, "password": password})


async def test_a_new_password_of_ones_own_keeps_this_session_and_ends_the_others(
    app: AppProcess, worker: httpx.AsyncClient
) -> None:
    await make_user(worker, "ravi")
    async with logged_in(app, "ravi") as here, logged_in(app, "ravi") as there:
        await here.post("/api/fast_parent_scan", data={"qr_code": "SB00001"})
        for body, field in (
            ({"current_password": "wrong", "new_password": "An0ther!one"}, "current_password"),
            ({"current_password": STRONG, "new_password": "weak"}, "password"),
            ({"current_password": STRONG, "new_password": STRONG}, "new_password"),
        ):
            assert (await here.post("/profile/edit", json=body)).json()["field"] == field
        body = {"current_password": STRONG, "new_password": "An0ther!one", "email": "ravi@example.com"}
        assert (await here.post("/profile/edit", json=body)).json()["success"]
        assert (await here.post("/process_child_scan_fast", json={"qr_code": "CHILD1"})).json()["success"]
        assert (await here.get("/profile", headers=JSON)).json()["user"]["email"] == "ravi@example.com"
        assert (await there.get("/api/stats")).status_code == 401
    assert (await app_login(app, "ravi")).status_code == 401
    assert (await app_login(app, "ravi", "An0ther!one")).json()["success"]


async def test_who_must_change_his_password_can_do_nothing_else(app: AppProcess, worker: httpx.AsyncClient) -> None:
    await make_user(worker, "ravi", must_change_password="1")
    async with logged_in(app, "ravi") as ravi:
        refused = await ravi.get("/api/stats")
        assert (refused.status_code, refused.json()["error_code"]) == (403, "password_change_required")
        scan = await ravi.post("/api/fast_parent_scan", data={"qr_code": "SB00001"})
        assert scan.status_code == 403
        assert (await ravi.get("/dashboard")).headers["location"] == "/profile/edit"
        assert "Choose a password of your own" in (await ravi.get("/profile/edit")).text
        body = {"current_password": STRONG, "new_password": "An0ther!one"}
        assert (await ravi.post("/profile/edit", json=body)).json()["success"]
        assert (await ravi.get("/api/stats")).status_code == 200


async def test_registration_waits_for_an_admin(app: AppProcess, worker: httpx.AsyncClient, anonymous: Any) -> None:
    from tests.integration.app.accounts import token

    csrf = await token(anonymous, "/register")
    form = {"username": "newcomer", "email": "n@example.com", "password": STRONG, "dispatch_area": "jaipur"}
    waits = await anonymous.post("/register", data=form | {"csrf_token": csrf})
    assert "waits for an admin" in waits.text
    refused = await app_login(app, "newcomer")
    assert (refused.status_code, refused.json()["error_type"]) == (401, "unapproved")
    assert "not approved" not in (await app_login(app, "newcomer", "wrong")).text
    notices = (await worker.get("/profile", headers=JSON)).json()["notifications"]
    assert "newcomer" in notices[0]["title"]
    users = (await worker.get("/user_management", headers=JSON)).json()["users"]
    newcomer = next(user for user in users if user["username"] == "newcomer")
    assert (newcomer["role"], newcomer["verified"]) == ("dispatcher", False)
    await worker.post(f"/admin/users/{newcomer['id']}/edit", data={"approved": "1"})
    assert (await app_login(app, "newcomer")).json()["user"]["dispatch_area"] == "jaipur"


async def test_one_may_ask_to_become_an_admin(app: AppProcess, worker: httpx.AsyncClient) -> None:
    for name in ("ravi", "asha"):
        await make_user(worker, name)
    async with logged_in(app, "ravi") as ravi, logged_in(app, "asha") as asha:
        assert (await ravi.post("/request_promotion", json={"reason": "short"})).json()["field"] == "reason"
        body = {"reason": "I run the night shift alone."}
        assert (await ravi.post("/request_promotion", json=body)).json()["success"]
        assert (await ravi.post("/request_promotion", json=body)).json()["error_type"] == "already_requested"
        assert (await asha.post("/request_promotion", json=body)).json()["success"]
        waiting = (await worker.get("/admin/promotions", headers=JSON)).json()["requests"]
        assert [each["username"] for each in waiting] == ["asha", "ravi"]
        page = await worker.get("/admin/promotions", headers={"Accept": "text/html"})
        assert "I run the night shift alone." in page.text
        numbers = {each["username"]: each["id"] for each in waiting}
        for name, action in (("ravi", "approve"), ("asha", "reject")):
            path = f"/admin/promotion_request/{numbers[name]}"
            answer = await worker.post(path, json={"action": action, "admin_notes": "we talked"})
            assert answer.json()["success"], answer.text
            assert (await worker.post(path, json={"action": action})).status_code == 404
        assert (await ravi.get("/api/users")).status_code == 200
        assert (await asha.get("/api/users")).status_code == 403
        notice = (await asha.get("/profile", headers=JSON)).json()["notifications"][0]
        assert (notice["kind"], notice["message"], notice["read_at"]) == ("promotion", "we talked", None)
        assert (await asha.post(f"/profile/notifications/{notice['id']}/read", json={})).json()["success"]
        assert (await ravi.post(f"/profile/notifications/{notice['id']}/read", json={})).status_code == 404


async def test_the_session_says_how_long_it_lasts(app: AppProcess, worker: httpx.AsyncClient, anonymous: Any) -> None:
    body = (await worker.get("/api/session/status")).json()
    assert (body["authenticated"], body["show_warning"]) == (True, False)
    assert 1700 < body["time_remaining_seconds"] <= 1800
    assert body["session_info"]["username"] == "admin"
    body = (await anonymous.get("/api/session/status")).json()
    assert (body["success"], body["authenticated"], body["time_remaining_seconds"]) == (True, False, 0)


async def test_log_in_by_json_needs_json(anonymous: httpx.AsyncClient) -> None:
    from tests.integration.app.process import ADMIN, PASSWORD

    fields = {"username": ADMIN, "password": PASSWORD}
    assert (await anonymous.post("/api/v2/login", data=fields)).status_code == 415
    answer = (await anonymous.post("/api/v2/login", json=fields)).json()
    assert (answer["success"], answer["user"]["role"]) == (True, "admin")
    scan = await anonymous.post(
        "/api/fast_parent_scan", data={"qr_code": "SB00001", "csrf_token": answer["csrf_token"]}
    )
    assert scan.json()["success"]


@pytest.mark.parametrize("hashed", [SCRYPT, PBKDF2])
async def test_the_existing_systems_hashes_are_good_once_and_made_anew(app: AppProcess, sql: Any, hashed: str) -> None:
    await sql.execute("INSERT INTO users (username, password_hash, role) VALUES ('old', $1, 'biller')", hashed)
    assert (await app_login(app, "old", "wrong Horse 1!")).status_code == 401
    assert await sql.fetchval("SELECT password_hash FROM users WHERE username = 'old'") == hashed
    assert (await app_login(app, "old", WERKZEUG_PASSWORD)).json()["success"]
    assert (await sql.fetchval("SELECT password_hash FROM users WHERE username = 'old'")).startswith("$argon2id$")
    assert (await app_login(app, "old", WERKZEUG_PASSWORD)).json()["success"]


async def test_personal_tokens_scan_and_read_within_their_scopes(database: str) -> None:
    """Of the store: a token's text is told once, kept as a hash, and dies with its account."""
    from tracetrack_app.domain.people import Permission
    from tracetrack_app.store.credentials import Credentials

    pool = await asyncpg.create_pool(database, min_size=1, max_size=2)

    async def changed(_: Any) -> None:
        pass

    audit = Audit(pool, [b"0" * 32])
    accounts = Accounts(pool, audit, changed)
    credentials = Credentials(pool, accounts, audit)
    for name in ("root", "gone"):
        assert await pool.fetchval(
            "INSERT INTO users (username, password_hash, role) VALUES ($1, 'x', 'admin') RETURNING id", name
        )
    user_id = await pool.fetchval("SELECT id FROM users WHERE username = 'gone'")
    _, text = await credentials.create_token(SYSTEM, user_id, "script", [Permission.SCAN], None)
    assert text.split(".")[2] not in str(await pool.fetch("SELECT * FROM personal_tokens"))
    him = await credentials.bearer(text)
    assert him is not None
    assert (him.may(Permission.SCAN), him.may(Permission.USERS)) == (True, False)
    for wrong in (text[:-1] + ("A" if text[-1] != "A" else "B"), "ttp1.99.x", "ttp1.x.y", "ttp1..", text + "."):
        assert await credentials.bearer(wrong) is None
    await accounts.delete(SYSTEM, user_id)
    assert await credentials.bearer(text) is None
    await pool.close()
