"""Bills, from making to deleting."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.integration.app.process import scan_body
from tests.integration.app.v1.conftest import bill_of, denied, fill, pages_of, refused

BILLS = "/api/v1/bills"


async def test_a_bill_is_made_once_in_any_case(biller: httpx.AsyncClient) -> None:
    body = {"code": " Truck 7\u200b", "destination": "Jaipur", "vehicle_number": "RJ14", "capacity": 2}
    made = await biller.post(BILLS, json=body)
    assert (made.status_code, made.headers["location"]) == (201, f"{BILLS}/Truck%207")
    assert made.json() | {"created_at": "", "updated_at": ""} == {
        "code": "Truck 7",
        "destination": "Jaipur",
        "vehicle_number": "RJ14",
        "description": "",
        "status": "new",
        "capacity": 2,
        "bag_count": 0,
        "creator": "bill",
        "created_at": "",
        "updated_at": "",
        "completed_at": None,
    }
    assert (
        refused(await biller.post(BILLS, json=body | {"code": "TRUCK 7", "capacity": 2.0}), 409, "bill-exists")["bill"]
        == "TRUCK 7"
    )
    assert (await biller.get(made.headers["location"])).status_code == 200


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, ["code", "capacity"]),
        ({"code": "B", "capacity": 0}, ["capacity"]),
        ({"code": "B", "capacity": 501}, ["capacity"]),
        ({"code": "B", "capacity": "5"}, ["capacity"]),
        ({"code": "B", "capacity": 5.5}, ["capacity"]),
        ({"code": "B" * 51, "capacity": "many"}, ["code", "capacity"]),
        ({"code": "\u200b\u0000 ", "capacity": 5}, ["code"]),
        ({"code": "..", "capacity": 5}, ["code"]),
    ],
)
async def test_every_wrong_field_is_named(biller: httpx.AsyncClient, body: Any, fields: list[str]) -> None:
    problem = refused(await biller.post(BILLS, json=body), 422, "malformed")
    assert [each["field"] for each in problem["errors"]] == fields


@pytest.mark.parametrize("code", ["a/b", "50% off", "x?y#z", "बिल 7", "%2F", "SB00001/bags/SB00001"])
async def test_an_id_may_be_any_text(biller: httpx.AsyncClient, code: str) -> None:
    await fill(biller, "SB00001")
    await bill_of(biller, code, "SB00001")
    path = f"{BILLS}/{quote(code, safe='')}"
    assert (await biller.get(path)).json()["code"] == code
    assert (await biller.delete(f"{path}/bags/SB00001")).json()["bag_count"] == 0
    assert (await biller.patch(path, json={"capacity": 9})).json()["capacity"] == 9


async def test_the_whole_life_of_a_bill(
    admin: httpx.AsyncClient, biller: httpx.AsyncClient, lucknow: httpx.AsyncClient, sql: Any
) -> None:
    await fill(biller, "SB00001", "CHILD001", "CHILD002")
    await bill_of(biller, "B-1")
    path = f"{BILLS}/b-1"
    refused(await biller.post(f"{path}/complete"), 409, "bill-empty")
    refused(await biller.post(f"{path}/reopen"), 409, "bill-open")
    await biller.post("/api/v1/scans", json=scan_body("SB00001", bill="B-1"))
    body = (await biller.get(path)).json()
    assert (body["status"], body["bag_count"], body["children"]) == ("processing", 1, 2)
    assert (body["actual_kg"], body["expected_kg"]) == (2.0, 30.0)
    [parent] = body["parents"]
    assert parent | {"linked_at": ""} == {
        "code": "SB00001",
        "child_count": 2,
        "expected_count": 30,
        "status": "in_progress",
        "actual_kg": 2.0,
        "expected_kg": 30.0,
        "linked_at": "",
    }
    done = (await biller.post(f"{path}/complete")).json()
    assert (done["status"], done["completed_at"] is not None) == ("completed", True)
    refused(await biller.post(f"{path}/complete"), 409, "bill-closed")
    refused(await biller.delete(f"{path}/bags/SB00001"), 409, "bill-closed")
    assert (await biller.post(f"{path}/reopen")).json()["status"] == "processing"
    taken = await biller.delete(f"{path}/bags/sb00001")
    assert (taken.status_code, taken.json()["bag_count"]) == (200, 0)
    refused(await biller.delete(f"{path}/bags/SB00001"), 409, "not-on-bill")
    refused(await biller.delete(f"{path}/bags/SB00009"), 404, "bag-not-found")
    refused(await biller.delete(f"{path}/bags/CHILD001"), 409, "wrong-bag-type")
    await denied(biller, "DELETE", path, "delete_bill")
    assert (await admin.delete(path)).status_code == 204
    refused(await admin.delete(path), 404, "bill-not-found")
    for method, more in [("GET", ""), ("PATCH", ""), ("POST", "/complete"), ("POST", "/reopen")]:
        body = {"json": {}} if method == "PATCH" else {}
        refused(await biller.request(method, path + more, **body), 404, "bill-not-found")
    outcomes = await sql.fetchval("SELECT array_agg(outcome ORDER BY id) FROM scan_ledger WHERE code = 'SB00001'")
    assert outcomes == ["parent_created", "bill_linked", "bill_unlinked"]


async def test_the_etag_changes_with_what_is_on_the_bill(biller: httpx.AsyncClient) -> None:
    await fill(biller, "SB00001")
    await bill_of(biller, "B-1", "SB00001")
    path = f"{BILLS}/B-1"
    first = await biller.get(path)
    tag = first.headers["etag"]
    for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        same = await biller.get(path, headers={"If-None-Match": known})
        assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", tag)
    await fill(biller, "SB00001", "CHILD001")
    changed = await biller.get(path, headers={"If-None-Match": tag})
    assert (changed.status_code, changed.json()["children"]) == (200, 1)
    assert changed.headers["etag"] != tag


async def test_a_change_of_someone_else_is_not_overwritten(biller: httpx.AsyncClient) -> None:
    await bill_of(biller, "B-1")
    path = f"{BILLS}/B-1"
    tag = (await biller.get(path)).headers["etag"]
    first = await biller.patch(path, json={"destination": "Jaipur"}, headers={"If-Match": tag})
    assert (first.status_code, first.json()["destination"]) == (200, "Jaipur")
    assert first.headers["etag"] == (await biller.get(path)).headers["etag"] != tag
    refused(await biller.patch(path, json={"destination": "Agra"}, headers={"If-Match": tag}), 412, "stale")
    assert (await biller.get(path)).json()["destination"] == "Jaipur"
    newest = first.headers["etag"]
    assert (await biller.patch(path, json={"destination": "Agra"}, headers={"If-Match": newest})).status_code == 200
    assert (await biller.patch(path, json={"capacity": 3})).json() | {"destination": "Agra", "capacity": 3} == (
        await biller.get(path)
    ).json()
    assert (await biller.patch(path, json={}, headers={"If-Match": "*"})).status_code == 200


async def test_capacity_never_falls_below_what_is_on_the_bill(biller: httpx.AsyncClient) -> None:
    for parent in ("SB00001", "SB00002"):
        await fill(biller, parent)
    await bill_of(biller, "B-1", "SB00001", "SB00002")
    problem = refused(await biller.patch(f"{BILLS}/B-1", json={"capacity": 1}), 409, "capacity-below-content")
    assert (problem["bill"], problem["bill_count"]) == ("B-1", 2)
    refused(await biller.patch(f"{BILLS}/B-1", json={"capacity": 501}), 422, "malformed")


async def test_lists_are_filtered_and_stable(biller: httpx.AsyncClient, admin: httpx.AsyncClient, sql: Any) -> None:
    await fill(biller, "SB00001", "CHILD001")
    for number in range(5):
        await bill_of(biller, f"B-{number}")
    await bill_of(admin, "C-1", "SB00001")
    seen: list[str] = []
    async for items in pages_of(biller, BILLS, limit=2):
        seen += [item["code"] for item in items]
        await bill_of(biller, f"NEW-{len(seen)}")
    assert seen == ["C-1", "B-4", "B-3", "B-2", "B-1", "B-0"]

    async def codes(**query: Any) -> list[str]:
        return [item["code"] for item in (await biller.get(BILLS, params=query)).json()["items"]]

    assert await codes(status="processing") == ["C-1"]
    assert await codes(q="c-") == ["C-1"]
    assert await codes(creator=await sql.fetchval("SELECT id FROM users WHERE username = 'root'")) == ["C-1"]
    await sql.execute("UPDATE bills SET created_at = '2026-01-05T00:10+05:30' WHERE code = 'B-0'")
    assert await codes(created_from="2026-01-05", created_to="2026-01-05") == ["B-0"]
    assert await codes(created_to="2026-01-04") == []
    today = (datetime.now(UTC) - timedelta(days=1)).date().isoformat()
    assert "B-0" not in await codes(created_from=today)
    [line] = (await biller.get(BILLS, params={"q": "C-1"})).json()["items"]
    assert (line["bag_count"], line["children"], line["actual_kg"], line["expected_kg"]) == (1, 1, 1.0, 30.0)
    for query in ({"status": "lost"}, {"created_from": "yesterday"}, {"creator": "me"}, {"after": "0"}, {"limit": 999}):
        refused(await biller.get(BILLS, params=query), 422, "malformed")


async def test_bills_are_not_for_dispatchers_nor_devices(
    biller: httpx.AsyncClient, lucknow: httpx.AsyncClient, device: httpx.AsyncClient, anonymous: httpx.AsyncClient
) -> None:
    await fill(lucknow, "SB00001")
    await bill_of(biller, "B-1")
    calls: list[tuple[str, str, dict[str, Any]]] = [
        ("GET", BILLS, {}),
        ("POST", BILLS, {"json": {"code": "B-2", "capacity": 1}}),
        ("GET", f"{BILLS}/B-1", {}),
        ("PATCH", f"{BILLS}/B-1", {"json": {}}),
        ("POST", f"{BILLS}/B-1/complete", {}),
        ("POST", f"{BILLS}/B-1/reopen", {}),
        ("DELETE", f"{BILLS}/B-1/bags/SB00001", {}),
    ]
    for method, path, more in calls:
        for client in (lucknow, device):
            await denied(client, method, path, "bills", **more)
        refused(await anonymous.request(method, path, **more), 401, "unauthorized")
    problem = refused(await lucknow.post("/api/v1/scans", json=scan_body("SB00001", bill="B-1")), 403, "forbidden")
    assert problem["permission"] == "bills"
    assert (await device.post("/api/v1/scans", json=scan_body("SB00001", bill="B-1"))).status_code == 201
