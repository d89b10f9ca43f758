"""The JSON variant of the old calls, /api/v2."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import httpx

from tests.integration.app.legacy.making import bill, parent, refused

SCAN, BATCH = "/api/v2/scan", "/api/v2/batch/scan"


async def test_one_call_scans_parents_and_children_and_bills(worker: httpx.AsyncClient, sql: Any) -> None:
    body = (await worker.post(SCAN, json={"qr_id": "sb00001 ", "type": "parent"})).json()
    assert (body["success"], body["qr_id"], body["outcome"]) == (True, "SB00001", "parent_created")
    assert (body["child_count"], body["expected_count"]) == (0, 30)
    assert body["bag"] | {"id": 0} == {"id": 0, "type": "parent", "name": "", "dispatch_area": None}
    child = (await worker.post(SCAN, json={"qr_code": "LABEL NO.778899", "parent_qr": "sb00001"})).json()
    assert (child["success"], child["qr_id"], child["parent_qr"], child["child_count"]) == (
        True,
        "778899",
        "SB00001",
        1,
    )
    # The parent that was scanned is the station's current one.
    current = (await worker.post(SCAN, data={"qr_code": "CHILD1"})).json()
    assert (current["success"], current["parent_qr"]) == (True, "SB00001")
    await bill(worker, "B-1")
    billed = (await worker.post(SCAN, json={"qr_id": "SB00001", "bill_id": "b-1"})).json()
    assert (billed["success"], billed["outcome"], billed["bill_id"]) == (True, "bill_linked", "B-1")
    fields = {"qr_id": "CHILD2", "parent_qr": "SB00001", "scan_id": str(uuid4())}
    first, second = [(await worker.post(SCAN, json=fields)).json() for _ in range(2)]
    assert (first["success"], first) == (True, second)
    assert await sql.fetchval("SELECT count(*) FROM links") == 3


async def test_a_scan_that_is_refused_says_why(worker: httpx.AsyncClient) -> None:
    refused(await worker.post(SCAN, json={"qr_id": "CHILD1"}), "parent_required", "No parent bag selected")
    await parent(worker, "SB00001", "CHILD1")
    await parent(worker, "SB00002")
    held = refused(
        await worker.post(SCAN, json={"qr_id": "CHILD1", "parent_qr": "SB00002"}), "duplicate_child", "DUPLICATE"
    )
    assert held["holder"] == "SB00001"
    refused(await worker.post(SCAN, json={"qr_id": "SB00001", "type": "child"}), "wrong_bag_type")
    refused(await worker.post(SCAN, json={"qr_id": "SB00001", "bill_id": "B-9"}), "bill_not_found")
    for fields in ({}, {"qr_id": ""}, {"qr_id": "<script>"}, {"qr_id": "CHILD1", "type": "truck"}):
        answer = await worker.post(SCAN, json=fields)
        assert (answer.status_code, answer.json()["success"]) == (400, False), fields


async def test_a_batch_has_a_result_for_each_row(worker: httpx.AsyncClient, sql: Any) -> None:
    scans = [
        {"qr_id": "SB00001"},
        {"qr_id": "CHILD1", "parent_qr": "SB00001"},
        {"qr_id": "CHILD1", "parent_qr": "SB00001"},
        {"qr_id": "?"},
        {"qr_id": "CHILD2"},
        {"qr_id": "SB00002"},
        {"qr_id": "CHILD3"},
        {},
        {"qr_id": 123456},
    ]
    body = (await worker.post(BATCH, json={"scans": scans})).json()
    assert (body["success"], body["total"], body["accepted"], body["refused"]) == (True, 9, 6, 3)
    results = body["results"]
    assert [result["index"] for result in results] == list(range(9))
    assert [result["success"] for result in results] == [True, True, False, False, True, True, True, False, True]
    assert [result.get("error_type") for result in results if not result["success"]] == [
        "duplicate_child",
        "invalid_format",
        "missing_data",
    ]
    assert [results[place]["parent_qr"] for place in (1, 4, 6, 8)] == ["SB00001", "SB00001", "SB00002", "SB00002"]
    assert await sql.fetchval("SELECT count(*) FROM links") == 4


async def test_a_batch_may_be_a_list_of_codes(worker: httpx.AsyncClient) -> None:
    ways: list[tuple[str, dict[str, Any]]] = [
        ("json", {"qr_codes": ["SB00001", "CHILD1", "CHILD2"]}),
        ("json", {"scans": ["SB00002", "CHILD3"]}),
        ("json", {"qr_codes": ["CHILD4"], "parent_qr": "SB00001"}),
        ("data", {"qr_codes": ["CHILD5", "CHILD6"], "parent_qr": "SB00002"}),
        ("data", {"qr_codes": "CHILD7\nCHILD8", "parent_qr": "SB00002"}),
    ]
    for how, fields in ways:
        body = (await worker.post(BATCH, **{how: fields})).json()
        assert (body["success"], body["refused"]) == (True, 0), body
    assert (await worker.get("/api/parent-children/SB00001")).json()["children"] == ["CHILD1", "CHILD2", "CHILD4"]
    assert (await worker.get("/api/parent-children/SB00002")).json()["child_count"] == 5


async def test_a_batch_keeps_the_limits(worker: httpx.AsyncClient, sql: Any) -> None:
    children = [f"CHILD{number:03d}" for number in range(99)]
    body = (await worker.post(BATCH, json={"qr_codes": ["SB00001", *children]})).json()
    assert (body["accepted"], body["refused"]) == (31, 69)
    assert [result["success"] for result in body["results"]] == [True] * 31 + [False] * 69
    assert body["results"][-1]["message"].startswith("Maximum 30")
    assert await sql.fetchval("SELECT count(*) FROM links") == 30
    for fields in ({}, {"scans": []}, {"qr_codes": []}, {"scans": {}}, {"scans": [1]}, {"qr_codes": ["CHILD1"] * 101}):
        answer = await worker.post(BATCH, json=fields)
        assert (answer.status_code, answer.json()["success"]) == (400, False), fields


async def test_the_search_needs_a_word(worker: httpx.AsyncClient, dispatcher: httpx.AsyncClient) -> None:
    await parent(worker, "SB00012", "CHILD1")
    found = (await worker.get("/api/v2/bags/search", params={"q": "sb"})).json()
    assert ([bag["qr_id"] for bag in found["bags"]], found["count"]) == (["SB00012"], 1)
    assert (await dispatcher.get("/api/v2/bags/search", params={"q": "sb"})).json()["bags"] == []
    answer = await worker.get("/api/v2/bags/search")
    assert (answer.status_code, answer.json()["success"]) == (400, False)


async def test_health_needs_nobody(anonymous: httpx.AsyncClient) -> None:
    body = (await anonymous.get("/api/v2/health", params={"check_db": "true"})).json()
    assert (body["status"], body["database"]) == ("healthy", "connected")
    for method, path in (("POST", SCAN), ("POST", BATCH), ("GET", "/api/v2/bags/search?q=x")):
        answer = await anonymous.request(method, path)
        assert (answer.status_code, answer.json()["auth_required"]) == (401, True), path


async def test_a_dispatcher_scans_neither_on_bills_nor_elsewhere(
    worker: httpx.AsyncClient, dispatcher: httpx.AsyncClient
) -> None:
    await parent(worker, "SB00001")
    await bill(worker, "B-1")
    refused(await dispatcher.post(SCAN, json={"qr_id": "SB00001"}), "area_denied")
    refused(await dispatcher.post(SCAN, json={"qr_id": "CHILD1", "parent_qr": "SB00001"}), "area_denied")
    denied = await dispatcher.post(SCAN, json={"qr_id": "SB00001", "bill_id": "B-1"})
    assert (denied.status_code, denied.json()["error_type"]) == (403, "access_denied")
    rows = (await dispatcher.post(BATCH, json={"qr_codes": ["SB00001", "SB00002"], "bill_id": "B-1"})).json()["results"]
    assert [row["error_type"] for row in rows] == ["access_denied"] * 2
    mixed = (await dispatcher.post(BATCH, json={"qr_codes": ["SB00001", "SB00002", "CHILD1"]})).json()
    assert [row["success"] for row in mixed["results"]] == [False, True, True]
