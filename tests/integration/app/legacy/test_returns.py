"""Returns: tickets at a C&F point, row by row of the old contract."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx

from tests.integration.app.legacy.making import bill, parent, refused

PAGE = {"Accept": "text/html"}


async def ticket(client: httpx.AsyncClient, location: str = "Jaipur C&F", **fields: str) -> int:
    made = await client.post("/ipt/new", json={"location": location, **fields})
    assert made.status_code == 201, made.text
    return int(made.json()["ticket"]["id"])


async def test_a_parent_comes_back_and_may_be_billed_again(worker: httpx.AsyncClient, sql: Any) -> None:
    await parent(worker, "SB00001", "CHILD1", "CHILD2")
    await parent(worker, "SB00002", "CHILD3")
    number = await bill(worker, "B-1", "SB00001", "SB00002")
    returned = await ticket(worker)
    body = (await worker.post(f"/ipt/scan/{returned}/process", data={"qr_code": "sb00001 "})).json()
    assert body.pop("message")
    assert body == {
        "success": True,
        "bag_qr": "SB00001",
        "original_bill_id": "B-1",
        "original_bill_number": number,
        "child_count_removed": 2,
        "ticket_scanned_count": 1,
        "ticket_total_weight": 2.0,
    }
    second = (await worker.post(f"/ipt/scan/{returned}/process", json={"qr_id": "SB00002"})).json()
    assert (second["ticket_scanned_count"], second["ticket_total_weight"]) == (2, 3.0)
    assert (await worker.get(f"/api/bills/{number}")).json()["parent_bags"] == []
    shown = (await worker.get(f"/ipt/{returned}")).json()
    assert (shown["success"], shown["status"], shown["ticket_scanned_count"]) == (True, "open", 2)
    assert [line["bag_qr"] for line in shown["bags"]] == ["SB00001", "SB00002"]
    assert (shown["bags"][0]["original_bill_id"], shown["bags"][0]["child_count"]) == ("B-1", 2)
    finished = (await worker.post(f"/ipt/{returned}/finalise")).json()
    assert (finished["success"], finished["ticket"]["status"]) == (True, "finalised")
    await bill(worker, "B-2", "SB00001")
    assert await sql.fetchval("SELECT count(*) FROM scan_ledger WHERE outcome = 'returned'") == 2


async def test_what_cannot_come_back_is_refused_at_200(worker: httpx.AsyncClient) -> None:
    await parent(worker, "SB00001", "CHILD1")
    number = await ticket(worker)
    cases: list[tuple[dict[str, str], str, str]] = [
        ({}, "missing_data", "No QR code"),
        ({"qr_code": "?"}, "invalid_format", "not a bag code"),
        ({"qr_code": "CHILD1"}, "wrong_bag_type", "CHILD1 is a child bag"),
        ({"qr_code": "SB00099"}, "bag_not_found", "SB00099"),
        ({"qr_code": "SB00001"}, "on_no_bill", "on no bill"),
    ]
    for fields, error_type, words in cases:
        refused(await worker.post(f"/ipt/scan/{number}/process", data=fields), error_type, words)
    refused(await worker.post("/ipt/scan/999999/process", data={"qr_code": "SB00001"}), "ticket_not_found")
    refused(await worker.post(f"/ipt/{number}/finalise"), "ticket_empty", "empty")
    assert (await worker.post(f"/ipt/{number}/cancel")).json()["success"] is True
    for path in (f"/ipt/{number}/finalize", f"/ipt/{number}/cancel"):
        refused(await worker.post(path), "ticket_closed", "cancelled")
    refused(await worker.post(f"/ipt/scan/{number}/process", data={"qr_code": "SB00001"}), "ticket_closed")


async def test_a_parent_comes_back_once_on_a_ticket(worker: httpx.AsyncClient, sql: Any) -> None:
    await parent(worker, "SB00001", "CHILD1")
    await bill(worker, "B-1", "SB00001")
    first, second = await ticket(worker), await ticket(worker)
    assert (await worker.post(f"/ipt/scan/{first}/process", data={"qr_code": "SB00001"})).json()["success"] is True
    await bill(worker, "B-2", "SB00001")
    again = await worker.post(f"/ipt/scan/{first}/process", data={"qr_code": "SB00001"})
    refused(again, "already_returned", "finalise this ticket and return it on another")
    assert await sql.fetchval("SELECT count(*) FROM bill_bags WHERE removed_at IS NULL") == 1
    assert (await worker.post(f"/ipt/scan/{second}/process", data={"qr_code": "SB00001"})).json()["success"] is True


async def test_cancelling_puts_back_what_still_can_be(worker: httpx.AsyncClient) -> None:
    for code in ("SB00001", "SB00002"):
        await parent(worker, code)
    number = await bill(worker, "B-1", "SB00001", "SB00002")
    returned = await ticket(worker)
    for code in ("SB00001", "SB00002"):
        await worker.post(f"/ipt/scan/{returned}/process", data={"qr_code": code})
    await bill(worker, "B-2", "SB00002")
    body = (await worker.post(f"/ipt/{returned}/cancel")).json()
    assert (body["success"], body["restored"]) == (True, ["SB00001"])
    assert "B-2" in body["left_out"]["SB00002"]
    assert [bag["qr_id"] for bag in (await worker.get(f"/api/bills/{number}")).json()["parent_bags"]] == ["SB00001"]
    shown = (await worker.get(f"/ipt/{returned}")).json()
    assert (shown["status"], [line["restored"] for line in shown["bags"]]) == ("cancelled", [True, False])


async def test_a_parent_comes_back_once_however_many_scan_it(worker: httpx.AsyncClient) -> None:
    await parent(worker, "SB00001")
    await bill(worker, "B-1", "SB00001")
    tickets = [await ticket(worker) for _ in range(3)]
    answers = await asyncio.gather(
        *[worker.post(f"/ipt/scan/{each}/process", data={"qr_code": "SB00001"}) for each in tickets * 3]
    )
    assert sorted(answer.json()["success"] for answer in answers) == [False] * 8 + [True]


async def test_tickets_are_made_and_listed(worker: httpx.AsyncClient) -> None:
    form = (await worker.get("/ipt/new")).json()
    assert [field["name"] for field in form["fields"]] == ["location", "ticket_code", "notes"]
    first = await ticket(worker, ticket_code="CF-1")
    second = await ticket(worker, "Raipur")
    refused(await worker.post("/ipt/new", data={"location": " "}), "missing_data", "location is missing")
    refused(await worker.post("/ipt/new", data={"location": "x" * 101}), "invalid_format", "100")
    refused(await worker.post("/ipt/new", data={"location": "x", "ticket_code": "x" * 51}), "invalid_format", "50")
    refused(await worker.post("/ipt/new", data={"location": "x", "ticket_code": "cf-1"}), "ticket_exists", "cf-1")
    listed = (await worker.get("/ipt")).json()
    assert [line["id"] for line in listed["tickets"]] == [second, first]
    assert listed["tickets"][1]["ticket_code"] == "CF-1"
    assert listed["tickets"][0]["ticket_code"].startswith("RT")
    page = (await worker.get("/ipt", params={"limit": 1})).json()
    assert page["before"] == second
    assert [line["id"] for line in (await worker.get("/ipt", params={"before": second})).json()["tickets"]] == [first]
    await worker.post(f"/ipt/{first}/cancel")
    closed = (await worker.get("/ipt", params={"status": "cancelled"})).json()
    assert [line["id"] for line in closed["tickets"]] == [first]
    assert (await worker.get("/ipt", params={"status": "lost"})).status_code == 400
    # By its code in any case, too.
    assert (await worker.get("/ipt/cf-1")).json()["id"] == first
    missing = await worker.get("/ipt/none-such")
    assert (missing.status_code, missing.json()["error_type"]) == (404, "ticket_not_found")


async def test_returns_have_pages(worker: httpx.AsyncClient, anonymous: httpx.AsyncClient) -> None:
    await parent(worker, "SB00001", "CHILD1")
    await bill(worker, "B-1", "SB00001")
    assert "C&amp;F point" in (await worker.get("/ipt/new", headers=PAGE)).text
    wrong = await worker.post("/ipt/new", data={"location": ""}, headers=PAGE)
    assert "location is missing" in wrong.text
    made = await worker.post("/ipt/new", data={"location": "<b>Jaipur</b>"}, headers=PAGE)
    assert made.status_code == 302
    address = made.headers["location"]
    shown = (await worker.get(address, headers=PAGE)).text
    assert "&lt;b&gt;Jaipur" in shown
    assert "<b>Jaipur" not in shown
    process = address.replace("/ipt/", "/ipt/scan/") + "/process"
    assert process in shown
    scanned = await worker.post(process, data={"qr_code": "SB00001"}, headers=PAGE)
    assert (scanned.status_code, scanned.headers["location"]) == (302, address)
    assert "SB00001" in (await worker.get(address, headers=PAGE)).text
    again = await worker.post(process, data={"qr_code": "SB00001"}, headers=PAGE)
    assert (again.status_code, "on no bill" in again.text) == (200, True)
    finished = await worker.post(f"{address}/finalise", headers=PAGE)
    assert (finished.status_code, finished.headers["location"]) == (302, address)
    assert "finalised" in (await worker.get("/ipt", headers=PAGE)).text
    assert (await worker.get("/ipt/none-such", headers=PAGE)).status_code == 404
    stranger = await anonymous.get("/ipt", headers=PAGE)
    assert (stranger.status_code, stranger.headers["location"]) == (302, "/login")


async def test_returns_are_for_billers_and_admins(
    worker: httpx.AsyncClient, biller: httpx.AsyncClient, dispatcher: httpx.AsyncClient, anonymous: httpx.AsyncClient
) -> None:
    number = await ticket(biller)
    calls = [
        ("GET", "/ipt"),
        ("GET", "/ipt/new"),
        ("POST", "/ipt/new"),
        ("GET", f"/ipt/{number}"),
        ("POST", f"/ipt/scan/{number}/process"),
        ("POST", f"/ipt/{number}/finalise"),
        ("POST", f"/ipt/{number}/cancel"),
    ]
    for method, path in calls:
        denied = await dispatcher.request(method, path)
        assert (denied.status_code, denied.json()["error_type"]) == (403, "access_denied"), path
        stranger = await anonymous.request(method, path)
        assert (stranger.status_code, stranger.json()["auth_required"]) == (401, True), path
    token = biller.headers.pop("X-CSRFToken")
    for method, path in calls:
        if method == "POST":
            assert (await biller.post(path)).json()["error_code"] == "csrf", path
    assert (await biller.post(f"/ipt/{number}/cancel", data={"csrf_token": token})).json()["success"] is True
