"""The ledger, statistics and the lookup."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import httpx

from tests.integration.app.process import scan_body
from tests.integration.app.v1.conftest import Hire, bill_of, denied, fill, pages_of, refused
from tracetrack_app.domain.people import Permission, Role

LEDGER = "/api/v1/ledger"
STATISTICS = "/api/v1/statistics"
LOOKUP = "/api/v1/lookup"


async def entries(client: httpx.AsyncClient, **query: Any) -> list[tuple[str, str]]:
    answer = await client.get(LEDGER, params=query)
    assert answer.status_code == 200, answer.text
    return [(item["code"], item["outcome"]) for item in answer.json()["items"]]


async def test_an_entry_tells_everything(admin: httpx.AsyncClient, device: httpx.AsyncClient) -> None:
    await fill(device, "SB00001", "CHILD001")
    body = scan_body("CHILD001", "SB00001")
    await device.post("/api/v1/scans", json=body)
    [item, *_] = (await admin.get(LEDGER)).json()["items"]
    assert item | {"id": 0, "recorded_at": ""} == {
        "id": 0,
        "scan_id": body["scan_id"],
        "outcome": "refused",
        "refusal": "duplicate_child",
        "code": "CHILD001",
        "kind": "child",
        "parent": "SB00001",
        "bill": None,
        "holder": "SB00001",
        "child_count": 1,
        "expected_count": 30,
        "bill_count": None,
        "bill_capacity": None,
        "reverses": None,
        "user": None,
        "fleet": "lucknow",
        "scanner": "lucknow-0001",
        "source": "v1",
        "station": "gate-1",
        "captured_at": "2026-01-05T04:30:00Z",
        "recorded_at": "",
    }


async def test_the_history_of_a_bag_and_of_a_parent(admin: httpx.AsyncClient) -> None:
    await fill(admin, "SB00001", "CHILD001", "CHILD002")
    await fill(admin, "SB00002", "CHILD003")
    await admin.post("/api/v1/scans/undo", json={"scan_id": str(uuid4()), "code": "CHILD001"})
    await fill(admin, "SB00002", "CHILD001")
    assert await entries(admin, code="child001") == [
        ("CHILD001", "child_linked"),
        ("CHILD001", "unlinked"),
        ("CHILD001", "child_linked"),
    ]
    assert await entries(admin, parent="SB00001") == [
        ("CHILD001", "unlinked"),
        ("CHILD002", "child_linked"),
        ("CHILD001", "child_linked"),
        ("SB00001", "parent_created"),
    ]
    assert await entries(admin, parent="SB00001", outcome="unlinked") == [("CHILD001", "unlinked")]
    undone, _, linked = (await admin.get(LEDGER, params={"code": "CHILD001"})).json()["items"][0:3]
    assert (await admin.get(LEDGER, params={"outcome": "unlinked"})).json()["items"][0]["reverses"] == linked["id"]
    assert undone["reverses"] is None
    for query in ({"code": "?"}, {"parent": "x"}, {"outcome": "lost"}, {"user": ""}, {"after": "-1"}):
        refused(await admin.get(LEDGER, params=query), 422, "malformed")


async def test_pages_are_stable_while_scans_come_in(admin: httpx.AsyncClient) -> None:
    await fill(admin, "SB00001", *[f"CHILD{number:03d}" for number in range(6)])
    seen: list[str] = []
    async for items in pages_of(admin, LEDGER, limit=3):
        seen += [item["code"] for item in items]
        await fill(admin, "SB00002", f"LATE{len(seen):04d}")
    assert seen == [f"CHILD{number:03d}" for number in reversed(range(6))] + ["SB00001"]


async def test_everybody_has_his_own_history(
    admin: httpx.AsyncClient, biller: httpx.AsyncClient, lucknow: httpx.AsyncClient, device: httpx.AsyncClient
) -> None:
    await fill(admin, "SB00001")
    await fill(biller, "SB00002")
    await fill(lucknow, "SB00003")
    assert await entries(biller) == await entries(biller, user="BILL") == [("SB00002", "parent_created")]
    assert await entries(lucknow) == [("SB00003", "parent_created")]
    assert await entries(lucknow, code="SB00002") == []
    await denied(lucknow, "GET", LEDGER, "audit", params={"user": "bill"})
    assert [code for code, _ in await entries(admin)] == ["SB00003", "SB00002", "SB00001"]
    assert await entries(admin, user="bill") == [("SB00002", "parent_created")]
    assert await entries(admin, user="nobody") == []
    await denied(device, "GET", LEDGER, "own_history")


async def test_who_changes_area_leaves_its_history_behind(lucknow: httpx.AsyncClient, sql: Any) -> None:
    await fill(lucknow, "SB00001")
    await sql.execute("UPDATE users SET area = 'jaipur', session_epoch = session_epoch + 1 WHERE username = 'lakshmi'")
    assert await entries(lucknow) == []


async def test_statistics_count_a_day_and_actor(
    admin: httpx.AsyncClient, biller: httpx.AsyncClient, device: httpx.AsyncClient, sql: Any
) -> None:
    await fill(biller, "SB00001", "CHILD001")
    await biller.post("/api/v1/scans", json=scan_body("CHILD001", "SB00001"))
    await fill(device, "SB00002")
    today = datetime.now(ZoneInfo("Asia/Kolkata")).date()
    body = (await admin.get(STATISTICS)).json()
    assert (body["first"], body["last"]) == ((today - timedelta(days=6)).isoformat(), today.isoformat())
    assert body["timezone"] == "Asia/Kolkata"
    mine = {
        "day": today.isoformat(),
        "user": "bill",
        "fleet": None,
        "scanner": None,
        "accepted": 2,
        "refused": 1,
        "parents_created": 1,
        "children_created": 1,
    }
    devices = mine | {"user": None, "fleet": "lucknow", "scanner": "lucknow-0001"}
    assert body["days"] == [mine, devices | {"accepted": 1, "refused": 0, "children_created": 0}]
    assert (await biller.get(STATISTICS)).json()["days"] == [mine]
    past = (await admin.get(STATISTICS, params={"last": "2026-01-31", "count": 31})).json()
    assert (past["first"], past["days"]) == ("2026-01-01", [])
    for query in ({"count": 0}, {"count": 367}, {"last": "0"}):
        refused(await admin.get(STATISTICS, params=query), 422, "malformed")
    refused(await admin.get(STATISTICS, params={"last": "tomorrow"}), 422, "malformed")
    assert (await admin.get(STATISTICS, params={"last": "0001-01-01"})).json()["days"] == []
    await denied(device, "GET", STATISTICS, "dashboard")


async def test_the_lookup_finds_whatever_it_is(
    biller: httpx.AsyncClient, lucknow: httpx.AsyncClient, jaipur: httpx.AsyncClient, hire: Hire
) -> None:
    await fill(lucknow, "SB00001", "CHILD001")
    await bill_of(biller, "Truck 7", "SB00001")

    async def find(client: httpx.AsyncClient, q: str) -> Any:
        answer = await client.get(LOOKUP, params={"q": q})
        assert answer.status_code == 200, answer.text
        return answer.json()

    child = await find(lucknow, "child001")
    assert (child["exact"], child["bags"][0]["parent"], child["bags"][0]["bill"]) == ("CHILD001", "SB00001", "Truck 7")
    parent = await find(biller, "sb00001")
    assert (parent["exact"], parent["bags"][0]["child_count"], parent["bags"][0]["bill"]) == ("SB00001", 1, "Truck 7")
    bill = await find(biller, "TRUCK 7")
    assert (bill["exact"], bill["bills"][0]["code"], bill["bills"][0]["bag_count"]) == ("Truck 7", "Truck 7", 1)
    assert (await find(lucknow, "truck 7"))["bills"] == []
    assert (await find(biller, "SBO0001"))["suggestions"] == ["SB00001"]
    for word in ("SB00001", "SBO0001", "child001"):
        hidden = await find(jaipur, word)
        assert (hidden["exact"], hidden["bags"], hidden["suggestions"]) == (None, [], [])
    for query in ({}, {"q": " "}, {"q": "x" * 51}, {"q": "x", "limit": 51}):
        refused(await biller.get(LOOKUP, params=query), 422, "malformed")
    viewer = await hire("eyes", Role.DISPATCHER, area="lucknow", scopes=frozenset({Permission.DASHBOARD}))
    await denied(viewer, "GET", LOOKUP, "lookup", params={"q": "SB00001"})
