"""Scanning, row by row of the old contract, in the variants that clients really send."""

from __future__ import annotations

import asyncio
from itertools import product
from typing import Any
from uuid import uuid4

import httpx

from tests.integration.app.legacy.making import parent, refused

FAST, CHILD = "/api/fast_parent_scan", "/process_child_scan_fast"
UNDO, DELETE = "/api/unlink_child", "/api/delete-child-scan"
CHILD_CALLS = ["/process_child_scan_fast", "/process_child_scan", "/scan/child"]
PARENT_CALLS = ["/api/fast_parent_scan", "/process_parent_scan", "/ajax/scan_parent"]
HOW = ["data", "json"]


async def test_every_parent_call_opens_or_creates_and_selects(worker: httpx.AsyncClient) -> None:
    for number, path in enumerate(PARENT_CALLS):
        code = f"SB{number:05d}"
        first = (await worker.post(path, data={"qr_code": code.lower()})).json()
        assert isinstance(first.pop("time_ms"), float)
        assert first.pop("message")
        assert first == {
            "success": True,
            "parent_qr": code,
            "existing": False,
            "child_count": 0,
            "expected_count": 30,
            "redirect": "/scan/child",
        }
        assert (await worker.post(CHILD, data={"qr_code": f"CHILD{number}"})).json()["parent_qr"] == code
        again = (await worker.post(path, json={"qr_id": f" {code}\n"})).json()
        assert (again["existing"], again["child_count"]) == (True, 1)


async def test_pages_are_refused_a_parent_at_200(worker: httpx.AsyncClient) -> None:
    for path in PARENT_CALLS[1:]:
        refused(await worker.post(path, data={}), "missing_data", "No QR code")
        malformed = refused(await worker.post(path, data={"qr_code": "?!"}), "malformed_code", "Invalid QR code")
        assert malformed["show_popup"] is True
        page = await worker.get(path)
        assert (page.status_code, page.headers["location"]) == (302, "/scan/parent")


SENT = [
    ("sb00001", "SB00001"),
    ("  SB00001 \r\n", "SB00001"),
    ("\ufeffSB\u200b00001", "SB00001"),
    ("SB00001\t", "SB00001"),
    ("m444-00001", "M444-00001"),
    ("M444-\u206000001", "M444-00001"),
]


async def test_a_parents_code_is_cleaned(worker: httpx.AsyncClient) -> None:
    for path, name, how, (sent, stored) in product(PARENT_CALLS, ["qr_code", "qr_id", "parent_qr"], HOW, SENT):
        answer = await worker.post(path, **{how: {name: sent}})
        assert (answer.status_code, answer.json().get("parent_qr")) == (200, stored), (path, how, sent, answer.text)


CHILDREN = [
    ("abcd1234", "ABCD1234"),
    (" 0012345 ", "0012345"),
    ("LABEL NO.778899", "778899"),
    ("LABEL NO.:778899", "778899"),
    ("label no. : 778899", "778899"),
    ("77\u200b8899\x00", "778899"),
    ("A" * 20, "A" * 20),
]


async def test_a_childs_code_is_cleaned(worker: httpx.AsyncClient) -> None:
    await parent(worker, "SB00001")
    for path, how, (sent, stored) in product(CHILD_CALLS, HOW, CHILDREN):
        answer = await worker.post(path, **{how: {"qr_code": sent, "parent_qr": "sb00001 "}})
        body = answer.json()
        assert (answer.status_code, body["success"], body["child_qr"]) == (200, True, stored), (path, how, sent, body)
        assert (body["parent_qr"], body["child_count"]) == ("SB00001", 1)
        assert body["message"]
        assert (await worker.post(UNDO, json={"qr_code": sent})).json()["success"] is True


async def test_the_fields_have_several_names(worker: httpx.AsyncClient) -> None:
    for code in ("SB00001", "SB00002"):
        await parent(worker, code)
    parents = ["parent_qr", "parent_qr_code", "parent_id"]
    for path, name, parent_name in product(CHILD_CALLS, ["qr_code", "qr_id", "child_qr"], parents):
        answer = await worker.post(path, data={name: "CHILD1", parent_name: "SB00001"})
        assert answer.json()["parent_qr"] == "SB00001", (path, name, parent_name)
        undone = (await worker.post(UNDO, json={name: "child1", parent_name: "sb00001"})).json()
        assert (undone["success"], undone["child_count"], undone["child_qr"]) == (True, 0, "CHILD1")


REFUSALS = [
    ({}, "missing_data", "No QR code provided"),
    ({"qr_code": "CHILD1"}, "parent_required", "No parent bag selected"),
    ({"qr_code": "CHILD1", "parent_qr": "SB00077"}, "parent_not_found", "does not exist"),
    ({"qr_code": "CHILD1", "parent_qr": "nonsense"}, "malformed_code", "not a bag code"),
    ({"qr_code": "?", "parent_qr": "SB00001"}, "malformed_code", "4 to 20 letters or digits"),
    ({"qr_code": "ABC", "parent_qr": "SB00001"}, "malformed_code", "4 to 20 letters or digits"),
    ({"qr_code": "A" * 21, "parent_qr": "SB00001"}, "malformed_code", "4 to 20 letters or digits"),
    ({"qr_code": "SB00001", "parent_qr": "SB00001"}, "self_link", "cannot be linked to itself"),
    ({"qr_code": "sb00001 ", "parent_qr": "SB00001"}, "self_link", "cannot be linked to itself"),
    ({"qr_code": "SB00002", "parent_qr": "SB00001"}, "wrong_bag_type", "SB00002 is a parent bag"),
    ({"qr_code": "HELD", "parent_qr": "SB00001"}, "duplicate_child", "DUPLICATE: HELD is already linked to SB00003."),
    ({"qr_code": "HELD", "parent_qr": "SB00003"}, "duplicate_child", "DUPLICATE: HELD is already linked to SB00003."),
    ({"qr_code": "CHILD1", "parent_qr": "SB00004"}, "parent_completed", "completed"),
    ({"qr_code": "CHILD1", "parent_qr": "SB00005"}, "capacity_reached", "Maximum 1 child bags"),
]


async def test_a_refused_child_is_200_with_the_words_that_clients_know(worker: httpx.AsyncClient, sql: Any) -> None:
    for code, children in (("SB00001", ()), ("SB00003", ("HELD",)), ("SB00004", ("SHORT",)), ("SB00005", ("LAST",))):
        await parent(worker, code, *children)
    await sql.execute("UPDATE bags SET status = 'completed' WHERE code = 'SB00004'")
    await sql.execute("UPDATE bags SET capacity = 1 WHERE code = 'SB00005'")
    worker.cookies.delete("parent")
    for path, how, (fields, error_type, words) in product(CHILD_CALLS, HOW, REFUSALS):
        body = refused(await worker.post(path, **{how: fields}), error_type, words)
        if words.startswith(("DUPLICATE", "Maximum", "No ")):
            assert body["message"].startswith(words)
    held = refused(await worker.post(CHILD, json=REFUSALS[10][0]), "duplicate_child")
    assert held["holder"] == "SB00003"


async def test_no_call_passes_the_limit_of_thirty(worker: httpx.AsyncClient, sql: Any) -> None:
    await parent(worker, "SB00001")
    children = [{"qr_code": f"CHILD{number:02d}", "parent_qr": "SB00001"} for number in range(33)]
    answers = await asyncio.gather(
        *[worker.post(CHILD_CALLS[place % 3], json=child) for place, child in enumerate(children)]
    )
    messages = [answer.json()["message"] for answer in answers if not answer.json()["success"]]
    assert messages == ["Maximum 30 child bags reached for SB00001."] * 3
    assert await sql.fetchval("SELECT count(*) FROM links") == 30


async def test_completing_asks_before_it_finishes_a_short_parent(worker: httpx.AsyncClient, sql: Any) -> None:
    refused(await worker.post("/complete_parent_scan", data={}), "parent_required", "No parent bag selected")
    await parent(worker, "SB00001")
    refused(await worker.post("/complete_parent_scan", data={}), "parent_empty", "empty")
    await worker.post(CHILD, data={"qr_code": "CHILD1"})
    asks = refused(await worker.post("/complete_parent_scan", data={}), "parent_short", "confirm")
    assert (asks["needs_confirmation"], asks["child_count"], asks["expected_count"]) == (True, 1, 30)
    assert await sql.fetchval("SELECT status FROM bags WHERE code = 'SB00001'") == "in_progress"
    refused(await worker.post("/complete_parent_scan", data={"confirm": "false"}), "parent_short")
    finished = (await worker.post("/complete_parent_scan", data={"confirm": "true"})).json()
    assert finished | {"message": ""} == {
        "success": True,
        "message": "",
        "child_count": 1,
        "parent_qr": "SB00001",
        "redirect": "/scan/parent",
    }
    assert await sql.fetchval("SELECT status FROM bags WHERE code = 'SB00001'") == "completed"
    # It is no longer the station's parent.
    refused(await worker.post(CHILD, data={"qr_code": "CHILD2"}), "parent_required")
    again = (await worker.post("/complete_parent_scan", json={"parent_qr": "sb00001", "confirmed": True})).json()
    assert (again["success"], again["child_count"]) == (True, 1)


async def test_a_confirmation_may_come_in_several_ways(worker: httpx.AsyncClient) -> None:
    ways: list[tuple[str, Any]] = [("json", True), ("json", "yes"), ("json", 1), ("data", "1"), ("data", "on")]
    cases = product(["/complete_parent_scan", "/scan/complete"], ["confirm", "confirmed"], ways)
    for number, (path, field, (how, yes)) in enumerate(cases):
        code = f"SB{number:05d}"
        await parent(worker, code, f"CHILD{number}")
        refused(await worker.post(path, json={"parent_qr": code, field: False}), "parent_short")
        body = (await worker.post(path, **{how: {"parent_qr": code, field: yes}})).json()
        assert (body["success"], body["child_count"]) == (True, 1), (path, field, how, yes)


async def test_a_full_parent_completes_itself_and_may_be_completed_again(worker: httpx.AsyncClient, sql: Any) -> None:
    await sql.execute("INSERT INTO bags (code, kind, capacity) VALUES ('SB00001', 'parent', 2)")
    await parent(worker, "SB00001", "CHILD1", "CHILD2")
    body = (await worker.post("/scan/complete", data={})).json()
    assert (body["success"], body["child_count"]) == (True, 2)
    page = await worker.get("/scan/complete")
    assert (page.status_code, page.headers["location"]) == (302, "/scan/parent")


async def test_the_children_of_a_parent_are_told(worker: httpx.AsyncClient) -> None:
    nothing = (await worker.get("/api/scanned-children")).json()
    assert (nothing["success"], nothing["children"], nothing["parent_qr"]) == (False, [], None)
    await parent(worker, "SB00001", "CHILD1", "CHILD2")
    current = (await worker.get("/api/scanned-children")).json()
    assert (current["success"], current["parent_qr"], current["child_count"]) == (True, "SB00001", 2)
    assert [child["qr_id"] for child in current["children"]] == ["CHILD1", "CHILD2"]
    assert set(current["children"][0]) >= {"id", "qr_id", "linked_at", "scanned_by"}
    assert current["children"][0]["scanned_by"] == "admin"
    named = (await worker.get("/api/parent-children/sb00001")).json()
    assert (named["success"], named["children"], named["parent_qr"]) == (True, ["CHILD1", "CHILD2"], "SB00001")
    missing = await worker.get("/api/parent-children/SB00099")
    assert (missing.status_code, missing.json()["success"], missing.json()["error_code"]) == (404, False, "not_found")


async def test_deleting_a_child_scan_unlinks_and_keeps_the_evidence(worker: httpx.AsyncClient, sql: Any) -> None:
    refused(await worker.post(DELETE, data={}), "missing_data")
    await parent(worker, "SB00001", "CHILD1", "CHILD2")
    gone = (await worker.post(DELETE, data={"qr_code": "child1"})).json()
    assert (gone["success"], gone["child_count"], gone["parent_qr"]) == (True, 1, "SB00001")
    assert await sql.fetchval("SELECT kind FROM bags WHERE code = 'CHILD1'") == "child"
    entries = await sql.fetch("SELECT outcome FROM scan_ledger WHERE code = 'CHILD1' ORDER BY id")
    assert [row["outcome"] for row in entries] == ["child_linked", "unlinked"]
    refused(await worker.post(DELETE, data={"qr_code": "CHILD1"}), "not_linked", "not linked")
    # What the station has before it is what is deleted from, unless the parent is named.
    await parent(worker, "SB00002")
    refused(await worker.post(DELETE, json={"qr_code": "CHILD2"}), "not_linked", "not linked to SB00002")
    named = (await worker.post(DELETE, json={"qr_code": "CHILD2", "parent_qr": "SB00001"})).json()
    assert (named["success"], named["child_count"]) == (True, 0)


async def test_a_retried_undo_undoes_nothing_more(worker: httpx.AsyncClient) -> None:
    await parent(worker, "SB00001", "CHILD1", "CHILD2", "CHILD3")
    for left, (path, child) in enumerate([(UNDO, "CHILD3"), (DELETE, "CHILD2")]):
        fields = {"qr_code": child, "scan_id": str(uuid4())}
        first, second = [(await worker.post(path, json=fields)).json() for _ in range(2)]
        assert (first["success"], first["child_count"]) == (True, 2 - left)
        assert first == second


async def test_a_dispatcher_scans_in_his_area_only(
    worker: httpx.AsyncClient, dispatcher: httpx.AsyncClient, sql: Any
) -> None:
    await parent(worker, "SB00001", "CHILD1")
    await parent(dispatcher, "SB00002", "CHILD2")
    assert await sql.fetchval("SELECT area FROM bags WHERE code = 'CHILD2'") == "lucknow"
    assert (await dispatcher.post(FAST, data={"qr_code": "SB00001"})).status_code == 400
    for fields in (
        {"qr_code": "CHILD9", "parent_qr": "SB00001"},
        {"qr_code": "CHILD1", "parent_qr": "SB00002"},
    ):
        body = refused(await dispatcher.post(CHILD, json=fields), "area_denied", "not of your area")
        assert "holder" not in body
    refused(await dispatcher.post(UNDO, json={"qr_code": "CHILD1"}), "area_denied")
    refused(await dispatcher.post("/complete_parent_scan", json={"parent_qr": "SB00001"}), "bag_not_found")
    assert (await dispatcher.get("/api/parent-children/SB00001")).status_code == 404
    assert (await dispatcher.get("/api/parent-children/SB00002")).json()["children"] == ["CHILD2"]
