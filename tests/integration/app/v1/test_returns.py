"""Return tickets, from opening to closing."""

from __future__ import annotations

from typing import Any

import httpx

from tests.integration.app.v1.conftest import bill_of, denied, fill, pages_of, refused

RETURNS = "/api/v1/returns"


async def opened(client: httpx.AsyncClient, **body: Any) -> str:
    answer = await client.post(RETURNS, json={"location": "Jaipur C&F", **body})
    assert answer.status_code == 201, answer.text
    return str(answer.headers["location"])


async def test_a_parent_that_came_back_may_be_billed_again(biller: httpx.AsyncClient, sql: Any) -> None:
    await fill(biller, "SB00001", "CHILD001", "CHILD002")
    await bill_of(biller, "B-1", "SB00001")
    ticket = await opened(biller, notes="torn")
    refused(await biller.post(f"{ticket}/finalise"), 409, "ticket-empty")
    done = await biller.post(f"{ticket}/scans", json={"code": "sb00001"})
    assert done.status_code == 201, done.text
    body = done.json()
    assert (body["code"], body["bill"], body["child_count"]) == ("SB00001", "B-1", 2)
    assert (body["ticket"]["bag_count"], body["ticket"]["weight_kg"]) == (1, 2.0)
    await bill_of(biller, "B-2", "SB00001")
    found = (await biller.get(ticket)).json()
    [parent] = found["parents"]
    assert parent | {"scanned_at": ""} == {
        "code": "SB00001",
        "bill": "B-1",
        "child_count": 2,
        "weight_kg": 2.0,
        "scanned_at": "",
        "restored": False,
    }
    closed = (await biller.post(f"{ticket}/finalise")).json()
    assert (closed["status"], closed["closed_at"] is not None, closed["notes"]) == ("finalised", True, "torn")
    for path in ("scans", "finalise", "cancel"):
        body = {"json": {"code": "SB00001"}} if path == "scans" else {}
        refused(await biller.post(f"{ticket}/{path}", **body), 409, "ticket-closed")
    assert await sql.fetchval("SELECT count(*) FROM scan_ledger WHERE outcome = 'returned'") == 1


async def test_cancelling_puts_back_what_can_be(biller: httpx.AsyncClient, sql: Any) -> None:
    for parent in ("SB00001", "SB00002"):
        await fill(biller, parent)
    await bill_of(biller, "B-1", "SB00001", "SB00002")
    ticket = await opened(biller, code="RET-7")
    for parent in ("SB00001", "SB00002"):
        await biller.post(f"{ticket}/scans", json={"code": parent})
    await bill_of(biller, "B-2", "SB00002")
    body = (await biller.post(f"{ticket}/cancel")).json()
    assert (body["ticket"]["status"], body["restored"]) == ("cancelled", ["SB00001"])
    assert body["left_out"] == [{"code": "SB00002", "detail": "It is on bill B-2 meanwhile."}]
    assert await sql.fetchval("SELECT bag_count FROM bills WHERE code = 'B-1'") == 1
    refused(await biller.post(RETURNS, json={"location": "x", "code": "ret-7"}), 409, "ticket-exists")


async def test_what_cannot_come_back(biller: httpx.AsyncClient) -> None:
    await fill(biller, "SB00001", "CHILD001")
    ticket = await opened(biller)
    refused(await biller.post(f"{ticket}/scans", json={"code": "SB00001"}), 409, "on-no-bill")
    refused(await biller.post(f"{ticket}/scans", json={"code": "SB00009"}), 404, "bag-not-found")
    refused(await biller.post(f"{ticket}/scans", json={"code": "CHILD001"}), 409, "wrong-bag-type")
    refused(await biller.post(f"{ticket}/scans", json={"code": "?"}), 422, "malformed")
    for body in ({}, {"location": " "}, {"location": "x" * 101}, {"location": "x", "code": ""}):
        refused(await biller.post(RETURNS, json=body), 422, "malformed")
    for method, more in [("GET", ""), ("POST", "/finalise"), ("POST", "/cancel")]:
        refused(await biller.request(method, f"{RETURNS}/999{more}"), 404, "ticket-not-found")
        refused(await biller.request(method, f"{RETURNS}/x{more}"), 422, "malformed")


async def test_tickets_are_listed_newest_first(biller: httpx.AsyncClient) -> None:
    tickets = [await opened(biller, code=f"T-{number}") for number in range(3)]
    await biller.post(f"{tickets[0]}/cancel")
    seen = [[item["code"] for item in items] async for items in pages_of(biller, RETURNS, limit=2)]
    assert seen == [["T-2", "T-1"], ["T-0"]]
    listed = (await biller.get(RETURNS, params={"status": "open"})).json()["items"]
    assert [item["code"] for item in listed] == ["T-2", "T-1"]
    refused(await biller.get(RETURNS, params={"status": "lost"}), 422, "malformed")


async def test_returns_are_for_those_who_bill(lucknow: httpx.AsyncClient, device: httpx.AsyncClient) -> None:
    for client in (lucknow, device):
        await denied(client, "POST", RETURNS, "returns", json={"location": "x"})
        for method, path in [
            ("GET", RETURNS),
            ("GET", f"{RETURNS}/1"),
            ("POST", f"{RETURNS}/1/finalise"),
            ("POST", f"{RETURNS}/1/cancel"),
        ]:
            await denied(client, method, path, "returns")
        await denied(client, "POST", f"{RETURNS}/1/scans", "returns", json={"code": "SB00001"})
