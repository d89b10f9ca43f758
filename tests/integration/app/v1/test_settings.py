"""What an admin sets while the service runs."""

from __future__ import annotations

from typing import Any

import asyncpg
import httpx
import pytest

from tests.integration.app.accounts import JSON, token
from tests.integration.app.process import scan_body
from tests.integration.app.v1.conftest import denied, fill, refused

PATH = "/api/v1/settings"
DEFAULTS = {
    "parent_capacity": 30,
    "undo_window_minutes": 60,
    "registration": "approval",
    "require_admin_totp": False,
}


def named(answer: httpx.Response) -> dict[str, dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    return {each["name"]: each for each in answer.json()["settings"]}


async def test_people_read_what_holds(lucknow: httpx.AsyncClient, device: httpx.AsyncClient) -> None:
    answer = await lucknow.get(PATH)
    found = named(answer)
    assert {name: each["value"] for name, each in found.items()} == DEFAULTS
    assert {(each["source"], each["changed_by"], each["changed_at"]) for each in found.values()} == {
        ("default", None, None)
    }
    assert all(each["description"] for each in found.values())
    body = answer.json()
    del body["settings"]
    assert body == {
        "timezone": "Asia/Kolkata",
        "parent_capacity": 30,
        "session_seconds": 3600,
        "session_idle_seconds": 1800,
        "bulk_scans": 500,
    }
    again = await lucknow.get(PATH, headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.headers["etag"]) == (304, answer.headers["etag"])
    await denied(device, "GET", PATH, "dashboard")


async def test_a_change_holds_says_who_made_it_and_can_be_taken_back(admin: httpx.AsyncClient, sql: Any) -> None:
    answer = await admin.patch(PATH, json={"parent_capacity": 2, "undo_window_minutes": 5})
    found = named(answer)
    assert answer.json()["parent_capacity"] == 2
    for name, value in (("parent_capacity", 2), ("undo_window_minutes", 5)):
        one = found[name]
        assert (one["value"], one["source"], one["default"]) == (value, "set", DEFAULTS[name])
        assert (one["changed_by"], bool(one["changed_at"])) == ("root", True)
    assert found["registration"]["source"] == "default"
    assert named(await admin.get(PATH)) == found
    assert named(await admin.patch(PATH, json={})) == found

    await fill(admin, "SB00001", "CHILD1", "CHILD2")
    full = refused(await admin.post("/api/v1/scans", json=scan_body("CHILD3", "SB00001")), 409, "capacity-reached")
    assert full["expected_count"] == 2
    made = await admin.post("/api/v1/bags", json={"code": "SB00002"})
    assert made.status_code == 201, made.text
    assert await sql.fetchval("SELECT capacity FROM bags WHERE code = 'SB00002'") == 2
    assert (await admin.get("/api/v1/products")).json()[0]["capacity"] == 2

    back = named(await admin.patch(PATH, json={"parent_capacity": None}))
    assert (back["parent_capacity"]["value"], back["parent_capacity"]["source"]) == (30, "default")
    assert back["undo_window_minutes"]["value"] == 5
    await fill(admin, "SB00003", "CHILD5")
    assert await sql.fetchval("SELECT capacity FROM bags WHERE code = 'SB00003'") == 30

    rows = await sql.fetch(
        "SELECT username, entity_id, before::text, after::text FROM audit_log WHERE action = 'setting.update'"
        " ORDER BY seq"
    )
    default, two, five = (
        f'{{"source": "{source}", "value": {value}}}' for source, value in (("default", 30), ("set", 2), ("set", 5))
    )
    assert [tuple(row) for row in rows] == [
        ("root", "parent_capacity", default, two),
        ("root", "undo_window_minutes", default.replace("30", "60"), five),
        ("root", "parent_capacity", two, default),
    ]


async def test_the_undo_window_is_the_one_that_was_set(admin: httpx.AsyncClient, stage: Any) -> None:
    await fill(admin, "SB00001", "CHILD1")
    connection = await asyncpg.connect(stage.superuser_dsn)
    await connection.execute("SET session_replication_role = replica")
    await connection.execute("UPDATE scan_ledger SET recorded_at = recorded_at - interval '90 minutes'")
    await connection.close()

    async def undone() -> httpx.Response:
        return await admin.post("/api/v1/scans/undo", json={"scan_id": scan_body("x")["scan_id"], "parent": "SB00001"})

    assert "name the child" in refused(await undone(), 409, "nothing-to-undo")["detail"]
    await admin.patch(PATH, json={"undo_window_minutes": 120})
    answer = await undone()
    assert (answer.status_code, answer.json()["entry"]["code"]) == (201, "CHILD1")


@pytest.mark.parametrize(
    ("body", "field", "remedy"),
    [
        ({"parent_capacity": 0}, "parent_capacity", "give a whole number from 1 to 1000, or null"),
        ({"parent_capacity": "40"}, "parent_capacity", "give a whole number from 1 to 1000, or null"),
        ({"undo_window_minutes": 1441}, "undo_window_minutes", "give a whole number from 1 to 1440, or null"),
        ({"registration": "maybe"}, "registration", "give one of approval, open, off, or null"),
        ({"require_admin_totp": "yes"}, "require_admin_totp", "give true or false, or null"),
        ({"timezone": "UTC"}, "timezone", "Extra inputs are not permitted"),
    ],
)
async def test_what_is_refused_names_the_field_and_what_to_give(
    admin: httpx.AsyncClient, sql: Any, body: dict[str, Any], field: str, remedy: str
) -> None:
    problem = refused(await admin.patch(PATH, json={"parent_capacity": 40} | body), 422, "malformed")
    assert problem["errors"] == [{"field": field, "message": remedy}]
    assert await sql.fetchval("SELECT count(*) FROM settings") == 0


async def test_nobodys_change_in_between_is_overwritten(admin: httpx.AsyncClient) -> None:
    tag = (await admin.get(PATH)).headers["etag"]
    first = await admin.patch(PATH, json={"parent_capacity": 20}, headers={"If-Match": tag})
    late = await admin.patch(PATH, json={"parent_capacity": 10}, headers={"If-Match": tag})
    assert "get them again" in refused(late, 412, "stale")["detail"]
    assert first.headers["etag"] != tag
    again = await admin.patch(PATH, json={"parent_capacity": 10}, headers={"If-Match": first.headers["etag"]})
    assert named(again)["parent_capacity"]["value"] == 10


async def test_only_an_admin_changes_them(
    biller: httpx.AsyncClient, lucknow: httpx.AsyncClient, device: httpx.AsyncClient, sql: Any
) -> None:
    for client in (biller, lucknow, device):
        await denied(client, "PATCH", PATH, "settings", json={"parent_capacity": 40})
    assert await sql.fetchval("SELECT count(*) FROM settings") == 0


async def test_registration_is_closed_and_opened(admin: httpx.AsyncClient, anonymous: httpx.AsyncClient) -> None:
    assert "/register" in (await anonymous.get("/login")).text
    await admin.patch(PATH, json={"registration": "off"})
    assert (await anonymous.get("/register")).status_code == 403
    assert "/register" not in (await anonymous.get("/login")).text
    await admin.patch(PATH, json={"registration": "open"})
    form = {"username": "newcomer", "password": "Str0ng!pass", "dispatch_area": "lucknow", "email": "n@example.com"}
    form["csrf_token"] = await token(anonymous, "/register")
    answer = await anonymous.post("/register", data=form, headers=JSON)
    assert answer.json()["approved"] is True, answer.text


async def test_admins_need_a_second_factor_from_the_moment_it_is_set(
    admin: httpx.AsyncClient, worker: httpx.AsyncClient, sql: Any
) -> None:
    assert (await worker.get("/api/users")).status_code == 200
    assert (await admin.patch(PATH, json={"require_admin_totp": True})).status_code == 200
    assert (await worker.get("/api/users")).json()["error_code"] == "totp_setup_required"
    assert (await worker.get("/dashboard")).headers["location"] == "/2fa/setup"
    refused(await admin.patch(PATH, json={"require_admin_totp": None}), 403, "totp-setup-required")
    await sql.execute("UPDATE users SET totp_secret = 'x', totp_enabled = true WHERE username = 'root'")
    assert (await admin.patch(PATH, json={"require_admin_totp": None})).status_code == 200
    assert (await worker.get("/api/users")).status_code == 200


async def test_the_database_refuses_what_would_stop_all_work(sql: Any) -> None:
    for name, value in (
        ("parent_capacity", '"thirty"'),
        ("parent_capacity", "0"),
        ("parent_capacity", "1001"),
        ("parent_capacity", "30.5"),
        ("undo_window_minutes", "null"),
        ("undo_window_minutes", "1441"),
    ):
        with pytest.raises(asyncpg.CheckViolationError, match="settings_in_bounds"):
            await sql.execute("INSERT INTO settings (name, value) VALUES ($1, $2)", name, value)
