"""Bags registered, listed, searched, linked, deleted and edited, row by row of the old contract."""

from __future__ import annotations

import asyncio
from itertools import product
from typing import Any

import httpx

from tests.integration.app.legacy.making import bill, parent, refused


async def make(client: httpx.AsyncClient, code: str, kind: str) -> int:
    answer = await client.post("/api/bags", json={"qr_id": code, "type": kind})
    assert answer.status_code == 201, answer.text
    return int(answer.json()["bag"]["id"])


async def codes(client: httpx.AsyncClient, path: str, **query: Any) -> list[str]:
    answer = await client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    return [bag["qr_id"] for bag in body.get("bags", body.get("data"))]


async def test_a_bag_is_registered_once(worker: httpx.AsyncClient, sql: Any) -> None:
    made = await worker.post("/api/bags", json={"qr_id": " sb00001\u200b", "type": "Parent", "name": "first"})
    assert made.status_code == 201
    bag = made.json()["bag"]
    assert (made.json()["success"], bag["qr_id"], bag["type"], bag["name"]) == (True, "SB00001", "parent", "first")
    assert (bag["status"], bag["child_count"], bag["expected_count"]) == ("pending", 0, 30)
    child = await worker.post("/api/bags", data={"qr_code": "LABEL NO.:778899", "type": "child"})
    assert (child.status_code, child.json()["bag"]["qr_id"]) == (201, "778899")
    assert (await worker.post("/api/bags", data={"qr_id": "child2"})).json()["bag"]["type"] == "child"
    again = await worker.post("/api/bags", json={"qr_id": "SB00001", "type": "parent"})
    assert (again.status_code, again.json()["error_code"], again.json()["success"]) == (409, "conflict", False)
    assert await sql.fetchval("SELECT count(*) FROM scan_ledger WHERE outcome = 'bag_registered'") == 3


async def test_a_bag_that_cannot_be_registered_says_why(worker: httpx.AsyncClient, sql: Any) -> None:
    cases: list[tuple[dict[str, Any], str]] = [
        ({"type": "parent"}, "qr_id is missing"),
        ({"qr_id": "?", "type": "child"}, "4 to 20 letters or digits"),
        ({"qr_id": "SB00001", "type": "child"}, "SB00001 is the code of a parent bag"),
        ({"qr_id": "CHILD1", "type": "parent"}, "CHILD1 is the code of a child bag"),
        ({"qr_id": "CHILD1", "type": "truck"}, "type must be parent, child or all"),
    ]
    for how, (fields, words) in product(("json", "data"), cases):
        answer = await worker.post("/api/bags", **{how: fields})
        body = answer.json()
        assert (answer.status_code, body["success"], body["error_code"]) == (400, False, "bad_request")
        assert words in body["message"]
        assert len(body["request_id"]) == 32
    assert await sql.fetchval("SELECT count(*) FROM bags") == 0


async def test_the_list_has_totals_pages_and_filters(worker: httpx.AsyncClient) -> None:
    assert (await worker.get("/api/bags")).json() == {
        "success": True,
        "total": 0,
        "limit": 50,
        "offset": 0,
        "count": 0,
        "bags": [],
        "after": None,
    }
    for number in range(3):
        await make(worker, f"SB0000{number}", "parent")
    for number in range(4):
        await make(worker, f"CHILD{number}", "child")
    body = (await worker.get("/api/bags", params={"limit": 2, "offset": 1})).json()
    assert {name: body[name] for name in ("total", "limit", "offset", "count")} == {
        "total": 7,
        "limit": 2,
        "offset": 1,
        "count": 2,
    }
    assert [bag["qr_id"] for bag in body["bags"]] == ["CHILD2", "CHILD1"]
    assert set(body["bags"][0]) >= {"id", "qr_id", "type", "created_at"}
    following = await codes(worker, "/api/bags", limit=2, after=body["after"])
    assert following == ["CHILD0", "SB00002"]
    assert await codes(worker, "/api/bags", type="parent", offset=1) == ["SB00001", "SB00000"]
    assert await codes(worker, "/api/bags", type="all", offset=7) == []
    # A search is by the beginning of the code, in any case, and by a parent's number.
    assert await codes(worker, "/api/bags", search="chi", limit=2) == ["CHILD0", "CHILD1"]
    assert await codes(worker, "/api/bags", search="CHI", limit=2, after="CHILD1") == ["CHILD2", "CHILD3"]
    assert await codes(worker, "/api/bags", search="00001", type="parent") == ["SB00001"]
    assert await codes(worker, "/api/bags", search="00001", type="child") == []
    assert (await worker.get("/api/bags", params={"search": "0000", "limit": 1})).json()["total"] == 3
    assert (await worker.get("/api/bags", params={"limit": 99999})).json()["limit"] == 1000


async def test_every_page_together_is_the_list(worker: httpx.AsyncClient, dispatcher: httpx.AsyncClient) -> None:
    await parent(dispatcher, "SB00001", *[f"CHILD{number}" for number in range(6)])
    await parent(dispatcher, "SB00002")
    for client in (worker, dispatcher):
        for search in ("", "CHILD"):
            whole = await codes(client, "/api/bags", search=search)
            by_offset = [
                code
                for offset in range(0, 9, 2)
                for code in await codes(client, "/api/bags", search=search, limit=2, offset=offset)
            ]
            by_cursor: list[str] = []
            after: str | None = ""
            while after is not None:
                page = (await client.get("/api/bags", params={"search": search, "limit": 2, "after": after})).json()
                by_cursor += [bag["qr_id"] for bag in page["bags"]]
                after = page["after"]
            assert len(whole) == (6 if search else 8)
            assert by_offset == by_cursor == whole


async def test_what_a_list_does_not_understand_is_named(worker: httpx.AsyncClient) -> None:
    cases = [
        ("/api/bags?limit=0", "limit"),
        ("/api/bags?limit=x", "limit"),
        ("/api/bags?offset=-1", "offset"),
        ("/api/bags?type=truck", "type"),
        ("/api/bags?after=x", "after"),
        ("/api/bags?status=lost", "status"),
        ("/api/bags/parent/list?page=0", "page"),
        ("/api/bags/parent/list?per_page=-3", "per_page"),
        ("/api/bags/search?q=x&limit=many", "limit"),
    ]
    for path, name in cases:
        answer = await worker.get(path)
        assert (answer.status_code, answer.json()["success"]) == (400, False), path
        assert answer.json()["message"].startswith(f"{name} must be")


async def test_a_search_finds_parents_children_and_bills_in_any_case(worker: httpx.AsyncClient) -> None:
    await parent(worker, "SB00012", "CHILD1", "CHILD2")
    await bill(worker, "Delhi/7-b", "SB00012")
    search = "/api/bags/search"
    assert (await worker.get(search)).json() | {"query": ""} == {
        "success": True,
        "query": "",
        "match": None,
        "bags": [],
        "bills": [],
        "count": 0,
        "did_you_mean": [],
    }
    found = (await worker.get(search, params={"q": " sb00012 "})).json()
    assert (found["match"], found["count"], found["did_you_mean"]) == ("SB00012", 1, [])
    assert set(found["bags"][0]) >= {"id", "qr_id", "name", "type", "dispatch_area", "status"}
    children = (await worker.get(search, params={"q": "child", "limit": 1})).json()
    assert (children["match"], [bag["qr_id"] for bag in children["bags"]]) == (None, ["CHILD1"])
    for word in ("DELHI/7-B", "7-b"):
        bills = (await worker.get(search, params={"q": word})).json()
        assert [each["bill_id"] for each in bills["bills"]] == ["Delhi/7-b"]
    assert (await worker.get(search, params={"q": "delhi/7-b"})).json()["match"] == "Delhi/7-b"
    for typed, meant in (("SBOOO12", "SB00012"), ("SB00021", "SB00012"), ("SB12", "SB00012"), ("CHLID2", "CHILD2")):
        assert meant in (await worker.get(search, params={"q": typed})).json()["did_you_mean"], typed
    assert "Delhi/7-b" in (await worker.get(search, params={"q": "delhi/8-b"})).json()["did_you_mean"]
    for odd in ("%", "_", "'; DROP TABLE bags; --", "\x00", "\ud7ff", "\U0010ffff", "x" * 5000):
        assert (await worker.get(search, params={"q": odd})).json()["bags"] == []


async def test_the_list_of_parents_is_paged_by_number(worker: httpx.AsyncClient) -> None:
    for number in range(5):
        await make(worker, f"SB0000{number}", "parent")
    await make(worker, "CHILD1", "child")
    body = (await worker.get("/api/bags/parent/list", params={"page": 2, "per_page": 2})).json()
    assert [bag["qr_id"] for bag in body["data"]] == ["SB00002", "SB00001"]
    assert body["pagination"] == {
        "page": 2,
        "per_page": 2,
        "total": 5,
        "pages": 3,
        "has_next": True,
        "has_prev": True,
    }
    last = (await worker.get("/api/bags/parent/list", params={"page": 3, "per_page": 2})).json()["pagination"]
    assert (last["has_next"], last["has_prev"]) == (False, True)
    found = (await worker.get("/api/bags/parent/list", params={"search": "sb00003"})).json()
    assert ([bag["qr_id"] for bag in found["data"]], found["pagination"]["pages"]) == (["SB00003"], 1)
    nothing = (await worker.get("/api/bags/parent/list", params={"search": "M444"})).json()["pagination"]
    assert (nothing["total"], nothing["pages"], nothing["has_next"]) == (0, 0, False)


async def test_the_children_of_a_bag_are_told_by_its_number(worker: httpx.AsyncClient, sql: Any) -> None:
    await parent(worker, "SB00001", "CHILD1", "CHILD2")
    number = await sql.fetchval("SELECT id FROM bags WHERE code = 'SB00001'")
    body = (await worker.get(f"/api/bags/{number}/children")).json()
    assert (body["success"], body["count"]) == (True, 2)
    assert [child["qr_id"] for child in body["children"]] == ["CHILD1", "CHILD2"]
    assert (await worker.get("/api/bags/999999999/children")).status_code == 404
    child = await sql.fetchval("SELECT id FROM bags WHERE code = 'CHILD1'")
    refused(await worker.get(f"/api/bags/{child}/children"), "wrong_bag_type", "child bag")


async def test_bags_are_linked_by_number_under_the_rules_of_scans(worker: httpx.AsyncClient, sql: Any) -> None:
    first, second = await make(worker, "SB00001", "parent"), await make(worker, "SB00002", "parent")
    child = await make(worker, "CHILD1", "child")
    linked = (await worker.post("/api/link", json={"parent_bag_id": first, "child_bag_id": child})).json()
    assert (linked["success"], linked["parent_qr"], linked["child_qr"], linked["child_count"]) == (
        True,
        "SB00001",
        "CHILD1",
        1,
    )
    twice = {"parent_bag_id": str(second), "child_bag_id": str(child)}
    refused(
        await worker.post("/api/link", data=twice), "duplicate_child", "DUPLICATE: CHILD1 is already linked to SB00001"
    )
    cases = [
        ({"parent_bag_id": first}, "missing_data", "child_bag_id is missing"),
        ({"child_bag_id": child}, "missing_data", "parent_bag_id is missing"),
        ({"parent_bag_id": 999999, "child_bag_id": child}, "bag_not_found", "999999"),
        ({"parent_bag_id": child, "child_bag_id": child}, "wrong_bag_type", "CHILD1 is a child bag"),
        ({"parent_bag_id": first, "child_bag_id": second}, "wrong_bag_type", "SB00002 is a parent bag"),
        ({"parent_bag_id": first, "child_bag_id": first}, "self_link", "itself"),
    ]
    for fields, error_type, words in cases:
        refused(await worker.post("/api/link", json=fields), error_type, words)
    by_code = {"parent_qr": "SB00002", "child_qr": "CHILD1"}
    refused(await worker.post("/api/link", json=by_code), "duplicate_child")
    assert await sql.fetchval("SELECT count(*) FROM links") == 1


async def test_a_bag_in_use_is_not_deleted(worker: httpx.AsyncClient, biller: httpx.AsyncClient, sql: Any) -> None:
    await parent(worker, "SB00001", "CHILD1")
    await parent(worker, "SB00002")
    await parent(worker, "SB00003")
    number = await bill(worker, "B-1", "SB00002")
    refused(await worker.post("/api/delete_bag", json={}), "missing_data", "missing")
    refused(await worker.post("/api/delete_bag", json={"qr_code": "SB00001"}), "bag_in_use", "holds 1 children")
    refused(await worker.post("/api/delete_bag", data={"qr_id": "child1"}), "bag_in_use", "linked to SB00001")
    refused(await worker.post("/api/delete_bag", json={"qr_code": "SB00002"}), "bag_in_use", "on bill B-1")
    refused(await worker.post("/api/delete_bag", json={"qr_code": "SB00099"}), "bag_not_found", "does not exist")
    await worker.post("/remove_bag_from_bill", json={"parent_qr": "SB00002", "bill_id": number})
    refused(await worker.post("/api/delete_bag", json={"qr_code": "SB00002"}), "bag_has_history", "stays")
    assert await sql.fetchval("SELECT count(*) FROM bags") == 4
    gone = (await biller.post("/api/delete_bag", json={"qr_code": "sb00003"})).json()
    assert (gone["success"], gone["qr_id"]) == (True, "SB00003")
    assert await sql.fetchval("SELECT count(*) FROM scan_ledger WHERE code = 'SB00003'") == 2
    await worker.post("/api/unlink_child", json={"qr_code": "CHILD1"})
    child = await sql.fetchval("SELECT id FROM bags WHERE code = 'CHILD1'")
    assert (await worker.post(f"/bag/{child}/delete")).json()["success"] is True
    parent_id = await sql.fetchval("SELECT id FROM bags WHERE code = 'SB00001'")
    assert (await worker.post("/api/delete_bag", json={"bag_id": parent_id})).json()["qr_id"] == "SB00001"
    await make(worker, "SB00004", "parent")
    browser = await worker.post("/bag/SB00004/delete", headers={"Accept": "text/html"})
    assert (browser.status_code, browser.headers["location"]) == (302, "/bags")
    page = await worker.post("/bag/SB00004/delete", headers={"Accept": "text/html"})
    assert "does not exist" in page.text


async def test_an_admin_sets_the_children_of_a_parent_at_once(worker: httpx.AsyncClient, sql: Any) -> None:
    path = "/api/edit-parent-children"
    await parent(worker, "SB00001", "CHILD1", "CHILD2")
    await parent(worker, "SB00002", "HELD")
    wanted = {"parent_qr": "sb00001", "child_qrs": ["child2", "LABEL NO.778899", "NEW1", "new1 "]}
    body = (await worker.post(path, json=wanted)).json()
    assert (body["success"], body["child_count"]) == (True, 3)
    assert (body["added"], body["removed"]) == (["778899", "NEW1"], ["CHILD1"])
    refusal = refused(
        await worker.post(path, json={"parent_qr": "SB00001", "child_qrs": ["CHILD2", "HELD"]}),
        "children_refused",
        "HELD",
    )
    assert refusal["refused"][0]["code"] == "HELD"
    cases: list[tuple[dict[str, Any], str, str]] = [
        ({"child_qrs": ["NEW1"]}, "missing_data", "parent_qr"),
        ({"parent_qr": "SB00001"}, "missing_data", "child_qrs"),
        ({"parent_qr": "SB00001", "child_qrs": ["?"]}, "invalid_format", "'?' in child_qrs"),
        ({"parent_qr": "SB00001", "child_qrs": ["SB00002"]}, "wrong_bag_type", "SB00002"),
        ({"parent_qr": "SB00077", "child_qrs": []}, "bag_not_found", "SB00077"),
        ({"parent_qr": "NEW1", "child_qrs": []}, "wrong_bag_type", "NEW1"),
    ]
    for fields, error_type, words in cases:
        refused(await worker.post(path, json=fields), error_type, words)
    assert (await worker.post(path, json={"parent_qr": "SB00001", "child_qrs": [{}]})).status_code == 400
    assert (await worker.get("/api/parent-children/SB00001")).json()["child_count"] == 3
    # As the old page sends it, and as people type it.
    for form, left in (
        ({"parent_qr": "SB00001", "child_qrs[]": ["CHILD2", "CHILD3"]}, ["CHILD2", "CHILD3"]),
        ({"parent_qr": "SB00001", "child_qrs": "CHILD3, CHILD4\nCHILD5"}, ["CHILD3", "CHILD4", "CHILD5"]),
        ({"parent_qr": "SB00001", "child_qrs": ""}, []),
    ):
        assert (await worker.post(path, data=form)).json()["success"] is True
        assert sorted((await worker.get("/api/parent-children/SB00001")).json()["children"]) == left
    multipart = [("parent_qr", (None, "SB00001")), ("child_qrs[]", (None, "CHILD6")), ("child_qrs[]", (None, "CHILD7"))]
    assert (await worker.post(path, files=multipart)).json()["child_count"] == 2
    too_many = {"parent_qr": "SB00001", "child_qrs": [f"CHILD{number}" for number in range(31)]}
    refused(await worker.post(path, json=too_many), "children_refused", "Maximum 30")
    assert await sql.fetchval("SELECT child_count FROM bags WHERE code = 'SB00001'") == 2


async def test_roles_limit_who_deletes_and_edits(
    dispatcher: httpx.AsyncClient, biller: httpx.AsyncClient, anonymous: httpx.AsyncClient
) -> None:
    cases = [
        (dispatcher, "/api/delete_bag", {"qr_code": "SB00001"}),
        (dispatcher, "/bag/1/delete", {}),
        (dispatcher, "/api/edit-parent-children", {"parent_qr": "SB00001", "child_qrs": []}),
        (biller, "/api/edit-parent-children", {"parent_qr": "SB00001", "child_qrs": []}),
    ]
    for client, path, fields in cases:
        answer = await client.post(path, json=fields)
        assert (answer.status_code, answer.json()["error_type"]) == (403, "access_denied"), path
    for method, path in (
        ("GET", "/api/bags"),
        ("POST", "/api/bags"),
        ("GET", "/api/bags/search?q=x"),
        ("GET", "/api/bags/parent/list"),
        ("GET", "/api/bags/1/children"),
        ("POST", "/api/link"),
        ("POST", "/api/delete_bag"),
        ("POST", "/bag/1/delete"),
        ("POST", "/api/edit-parent-children"),
    ):
        answer = await anonymous.request(method, path)
        assert (answer.status_code, answer.json()["auth_required"]) == (401, True), path


async def test_a_dispatcher_sees_the_bags_of_his_area_only(
    worker: httpx.AsyncClient, dispatcher: httpx.AsyncClient, sql: Any
) -> None:
    await parent(worker, "SB00001", "CHILD1")
    await bill(worker, "SB0000", "SB00001")
    await parent(dispatcher, "SB00002", "CHILD2")
    assert await codes(dispatcher, "/api/bags") == ["CHILD2", "SB00002"]
    assert (await dispatcher.get("/api/bags")).json()["total"] == 2
    assert (await dispatcher.get("/api/bags", params={"search": "SB"})).json()["total"] == 1
    assert await codes(dispatcher, "/api/bags/parent/list") == ["SB00002"]
    searches = [(await dispatcher.get("/api/bags/search", params={"q": word})).json() for word in ("SB0000", "SB00001")]
    assert [[bag["qr_id"] for bag in found["bags"]] for found in searches] == [["SB00002"], []]
    assert searches[1]["did_you_mean"] == ["SB00002"]
    assert all(found["bills"] == [] for found in searches)
    other = await sql.fetchval("SELECT id FROM bags WHERE code = 'SB00001'")
    mine = await sql.fetchval("SELECT id FROM bags WHERE code = 'CHILD2'")
    assert (await dispatcher.get(f"/api/bags/{other}/children")).status_code == 404
    refused(await dispatcher.post("/api/link", json={"parent_bag_id": other, "child_bag_id": mine}), "bag_not_found")
    made = await dispatcher.post("/api/bags", json={"qr_id": "SB00003"})
    assert made.json()["bag"]["dispatch_area"] == "lucknow"
    taken = await dispatcher.post("/api/bags", json={"qr_id": "SB00001"})
    assert (taken.status_code, "bag" in taken.json()) == (409, False)


async def test_a_code_is_registered_once_however_many_ask(worker: httpx.AsyncClient, sql: Any) -> None:
    answers = await asyncio.gather(*[worker.post("/api/bags", json={"qr_id": "SB00001"}) for _ in range(12)])
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 11
    assert await sql.fetchval("SELECT sum(parents_created) FROM daily_counts") == 1
