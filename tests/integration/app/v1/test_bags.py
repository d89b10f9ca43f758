"""Bags: lists, children, and the changes that are no scans."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.integration.app.v1.conftest import bill_of, denied, fill, pages_of, refused

BAGS = "/api/v1/bags"


async def test_a_bag_is_registered_once(admin: httpx.AsyncClient, sql: Any) -> None:
    made = await admin.post(BAGS, json={"code": "sb00001", "name": " Wheat\u200b "})
    assert (made.status_code, made.headers["location"]) == (201, f"{BAGS}/SB00001")
    assert made.json() | {"created_at": "", "updated_at": ""} == {
        "code": "SB00001",
        "kind": "parent",
        "name": "Wheat",
        "status": "pending",
        "area": None,
        "child_count": 0,
        "expected_count": 30,
        "created_at": "",
        "updated_at": "",
    }
    child = (await admin.post(BAGS, json={"code": "CHILD001"})).json()
    assert (child["kind"], child["child_count"], child["expected_count"]) == ("child", None, None)
    assert refused(await admin.post(BAGS, json={"code": "SB00001"}), 409, "bag-exists")["code"] == "SB00001"
    assert await sql.fetchval("SELECT array_agg(outcome ORDER BY id) FROM scan_ledger") == ["bag_registered"] * 2


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, ["code"]),
        ({"code": "???"}, ["code"]),
        ({"code": 7, "name": "x" * 101, "colour": "red"}, ["code", "name", "colour"]),
        ([], ["body"]),
    ],
)
async def test_every_wrong_field_is_named(admin: httpx.AsyncClient, body: Any, fields: list[str]) -> None:
    problem = refused(await admin.post(BAGS, json=body), 422, "malformed")
    assert sorted(each["field"] for each in problem["errors"]) == sorted(fields)
    for field in fields:
        assert field in problem["detail"]


async def test_pages_are_stable_while_bags_are_added(admin: httpx.AsyncClient) -> None:
    for number in range(7):
        await admin.post(BAGS, json={"code": f"SB0000{number}"})
    seen: list[str] = []
    async for items in pages_of(admin, BAGS, limit=3):
        seen += [item["code"] for item in items]
        await admin.post(BAGS, json={"code": f"SB1000{len(seen)}"})
    assert seen == [f"SB0000{number}" for number in reversed(range(7))]


async def test_lists_are_filtered(admin: httpx.AsyncClient, lucknow: httpx.AsyncClient, sql: Any) -> None:
    await fill(admin, "SB00001", "CHILD001")
    await fill(admin, "SB00002")
    await fill(lucknow, "M444-00001", "CHILD002")

    async def codes(**query: Any) -> list[str]:
        return [item["code"] for item in (await admin.get(BAGS, params=query)).json()["items"]]

    assert sorted(await codes(kind="parent")) == ["M444-00001", "SB00001", "SB00002"]
    assert await codes(kind="parent", status="pending") == ["SB00002"]
    assert await codes(area="lucknow") == ["CHILD002", "M444-00001"]
    assert await codes(q="sb0") == ["SB00001", "SB00002"]
    assert await codes(q="00002") == ["SB00002"]
    seen = [[item["code"] for item in items] async for items in pages_of(admin, BAGS, q="sb", limit=1)]
    assert seen == [["SB00001"], ["SB00002"]]
    for query in ({"limit": 0}, {"limit": 201}, {"kind": "box"}, {"status": "lost"}, {"after": "?"}, {"after": "SB1"}):
        refused(await admin.get(BAGS, params=query), 422, "malformed")


async def test_an_area_hides_everything_else(
    admin: httpx.AsyncClient, lucknow: httpx.AsyncClient, jaipur: httpx.AsyncClient
) -> None:
    await fill(lucknow, "SB00001", "CHILD001")
    await admin.post(BAGS, json={"code": "SB00002"})
    assert [item["code"] for item in (await lucknow.get(BAGS)).json()["items"]] == ["CHILD001", "SB00001"]
    assert (await jaipur.get(BAGS)).json() == {"items": [], "next": None}
    assert (await jaipur.get(BAGS, params={"area": "lucknow"})).json()["items"] == []
    for method, path in [("GET", ""), ("GET", "/children"), ("POST", "/complete"), ("POST", "/reopen")]:
        refused(await jaipur.request(method, f"{BAGS}/SB00001{path}"), 404, "bag-not-found")
    assert (await lucknow.get(f"{BAGS}/SB00001/children")).status_code == 200
    assert (await lucknow.post(BAGS, json={"code": "SB00003"})).json()["area"] == "lucknow"


async def test_children_are_listed_in_the_order_of_the_scans(admin: httpx.AsyncClient) -> None:
    await fill(admin, "SB00001", "CHILD002", "CHILD001")
    body = (await admin.get(f"{BAGS}/sb00001/children")).json()
    assert (body["parent"], body["child_count"], body["expected_count"]) == ("SB00001", 2, 30)
    assert [(child["code"], child["linked_by"]) for child in body["children"]] == [
        ("CHILD002", "root"),
        ("CHILD001", "root"),
    ]
    refused(await admin.get(f"{BAGS}/CHILD001/children"), 409, "wrong-bag-type")
    refused(await admin.get(f"{BAGS}/SB00009/children"), 404, "bag-not-found")
    refused(await admin.get(f"{BAGS}/SB00009"), 404, "bag-not-found")
    refused(await admin.get(f"{BAGS}/%3F%3F/children"), 422, "malformed")


async def test_children_are_set_all_or_none(admin: httpx.AsyncClient, biller: httpx.AsyncClient, sql: Any) -> None:
    await fill(admin, "SB00001", "CHILD001", "CHILD002")
    await fill(admin, "SB00002", "CHILD009")
    path = f"{BAGS}/SB00001/children"
    done = await admin.put(path, json={"children": ["child002", "CHILD003"]})
    assert (done.status_code, done.json()) == (
        200,
        {"parent": "SB00001", "child_count": 2, "linked": ["CHILD003"], "unlinked": ["CHILD001"]},
    )
    problem = refused(await admin.put(path, json={"children": ["CHILD004", "CHILD009"]}), 409, "children-refused")
    assert [(each["code"], each["reason"]) for each in problem["refused"]] == [("CHILD009", "duplicate_child")]
    assert await sql.fetchval("SELECT child_count FROM bags WHERE code = 'SB00001'") == 2
    assert await sql.fetchval("SELECT count(*) FROM bags WHERE code = 'CHILD004'") == 0
    refused(
        await admin.put(path, json={"children": [f"C{number:05d}" for number in range(31)]}), 409, "children-refused"
    )
    refused(await admin.put(f"{BAGS}/CHILD002/children", json={"children": []}), 409, "wrong-bag-type")
    refused(await admin.put(f"{BAGS}/SB00007/children", json={"children": []}), 404, "bag-not-found")
    refused(await admin.put(path, json={"children": ["no code"]}), 422, "malformed")
    await denied(biller, "PUT", path, "edit_children", json={"children": []})


async def test_a_bag_gets_name_area_and_product(admin: httpx.AsyncClient, biller: httpx.AsyncClient, sql: Any) -> None:
    await fill(admin, "SB00001", "CHILD001")
    small = {"name": "Small", "capacity": 1}
    assert (await admin.post("/api/v1/products", json=small)).status_code == 201
    path = f"{BAGS}/SB00001"
    changed = (await admin.patch(path, json={"name": "Rice", "area": "jaipur", "product": "small"})).json()
    assert (changed["name"], changed["area"], changed["expected_count"]) == ("Rice", "jaipur", 1)
    assert changed["status"] == "completed"
    assert await sql.fetchval("SELECT area FROM bags WHERE code = 'CHILD001'") == "jaipur"
    changed = (await admin.patch(path, json={"area": None, "product": None})).json()
    assert (changed["name"], changed["area"], changed["expected_count"]) == ("Rice", None, 30)
    refused(await admin.patch(path, json={"area": "atlantis"}), 404, "area-not-found")
    refused(await admin.patch(path, json={"product": "Gold"}), 404, "product-not-found")
    refused(await admin.patch(f"{BAGS}/CHILD001", json={"product": "small"}), 409, "wrong-bag-type")
    refused(await admin.patch(f"{BAGS}/CHILD001", json={"area": "jaipur"}), 409, "bag-in-use")
    refused(await admin.patch(f"{BAGS}/SB00009", json={"name": "x"}), 404, "bag-not-found")
    await fill(admin, "SB00001", "CHILD002")
    refused(await admin.patch(path, json={"product": "small"}), 409, "capacity-below-content")
    await denied(biller, "PATCH", path, "edit_children", json={"name": "x"})


async def test_a_parent_is_finished_and_reopened(lucknow: httpx.AsyncClient, sql: Any) -> None:
    await fill(lucknow, "SB00001")
    path = f"{BAGS}/SB00001"
    refused(await lucknow.post(f"{path}/complete"), 409, "parent-empty")
    refused(await lucknow.post(f"{path}/reopen"), 409, "parent-open")
    await fill(lucknow, "SB00001", "CHILD001")
    short = refused(await lucknow.post(f"{path}/complete"), 409, "parent-short")
    assert (short["child_count"], short["expected_count"]) == (1, 30)
    done = await lucknow.post(f"{path}/complete", json={"short": True})
    entry = await sql.fetchval("SELECT id FROM scan_ledger WHERE outcome = 'parent_completed'")
    assert (done.status_code, done.json()) == (
        200,
        {"code": "SB00001", "child_count": 1, "expected_count": 30, "completed": True, "entry_id": entry},
    )
    refused(await lucknow.post(f"{path}/complete", json={"short": True}), 409, "parent-completed")
    assert (await lucknow.post(f"{path}/reopen")).json()["completed"] is False
    refused(await lucknow.post(f"{BAGS}/CHILD001/complete"), 409, "wrong-bag-type")
    refused(await lucknow.post(f"{BAGS}/SB00009/complete"), 404, "bag-not-found")
    refused(await lucknow.post(f"{path}/complete", json={"short": "perhaps"}), 422, "malformed")


async def test_a_bag_is_deleted_when_nothing_holds_it(
    biller: httpx.AsyncClient, lucknow: httpx.AsyncClient, sql: Any
) -> None:
    await fill(biller, "SB00001", "CHILD001")
    await fill(biller, "SB00002")
    await bill_of(biller, "B-1", "SB00002")
    assert refused(await biller.delete(f"{BAGS}/CHILD001"), 409, "bag-in-use")["holder"] == "SB00001"
    refused(await biller.delete(f"{BAGS}/SB00001"), 409, "bag-in-use")
    assert refused(await biller.delete(f"{BAGS}/SB00002"), 409, "bag-in-use")["holder"] == "B-1"
    await biller.delete("/api/v1/bills/B-1/bags/SB00002")
    refused(await biller.delete(f"{BAGS}/SB00002"), 409, "bag-has-history")
    await biller.post(BAGS, json={"code": "SB00003"})
    gone = await biller.delete(f"{BAGS}/SB00003")
    assert (gone.status_code, gone.content) == (204, b"")
    refused(await biller.delete(f"{BAGS}/SB00003"), 404, "bag-not-found")
    assert await sql.fetchval("SELECT count(*) FROM scan_ledger WHERE outcome = 'bag_deleted'") == 1
    await denied(lucknow, "DELETE", f"{BAGS}/SB00003", "delete_bag")


async def test_a_device_may_register_and_finish_but_not_edit(device: httpx.AsyncClient) -> None:
    assert (await device.post(BAGS, json={"code": "SB00001"})).status_code == 201
    await fill(device, "SB00001", "CHILD001")
    assert (await device.post(f"{BAGS}/SB00001/complete", json={"short": True})).status_code == 200
    await denied(device, "DELETE", f"{BAGS}/SB00001", "delete_bag")
    await denied(device, "PATCH", f"{BAGS}/SB00001", "edit_children", json={})
