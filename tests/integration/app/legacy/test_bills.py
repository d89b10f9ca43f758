"""Bills as the existing system's clients make, read and finish them."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from tests.integration.app.http import http_client
from tests.integration.app.process import AppProcess

FAST, PROCESS, MANUAL, REMOVE = (
    "/fast/bill_parent_scan",
    "/process_bill_parent_scan",
    "/bill/manual_parent_entry",
    "/remove_bag_from_bill",
)


async def make_bill(worker: httpx.AsyncClient, code: str = "B-1", **fields: Any) -> int:
    """A bill's number in the database."""
    form = {"bill_id": code, "destination": "Delhi", "vehicle_number": "RJ14 1234", "capacity": 10, **fields}
    made = await worker.post("/bill/create", data=form)
    assert made.status_code == 302, made.text
    return int(made.headers["location"].removeprefix("/bill/"))


async def make_parent(worker: httpx.AsyncClient, code: str, children: int = 0) -> None:
    assert (await worker.post("/api/fast_parent_scan", data={"qr_code": code})).json()["success"]
    for index in range(children):
        child = {"qr_code": f"{code.replace('-', '')}C{index:02d}", "parent_qr": code}
        assert (await worker.post("/process_child_scan_fast", json=child)).json()["success"]


async def put(worker: httpx.AsyncClient, bill: int | str, code: str) -> dict[str, Any]:
    answer = await worker.post(FAST, json={"bill_id": bill, "qr_code": code})
    assert answer.status_code == 200
    return dict(answer.json())


async def test_a_bill_is_made_and_shown(worker: httpx.AsyncClient) -> None:
    made = await worker.post(
        "/bill/create",
        data={"bill_id": " ti\u200bcket 7 ", "destination": "Delhi", "truck_number": "RJ14", "capacity": "3"},
    )
    assert made.status_code == 302
    shown = (await worker.get(made.headers["location"])).json()
    assert (shown["bill_id"], shown["vehicle_number"], shown["parent_bag_count"]) == ("ticket 7", "RJ14", 3)
    assert (shown["status"], shown["linked_count"], shown["parent_bags"]) == ("new", 0, [])
    page = await worker.get(made.headers["location"], headers={"Accept": "text/html"})
    assert "ticket 7" in page.text
    assert page.headers["content-type"].startswith("text/html")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"bill_id": "b-1"}, "exists already"),
        ({"bill_id": "  "}, "bill_id is missing"),
        ({"bill_id": "x" * 51}, "longer than 50"),
        ({"bill_id": "B-2", "capacity": "0"}, "from 1 to 500"),
        ({"bill_id": "B-2", "capacity": "501"}, "from 1 to 500"),
        ({"bill_id": "B-2", "capacity": "many"}, "capacity must be a whole number"),
    ],
)
async def test_a_bill_that_cannot_be_made_says_why(
    worker: httpx.AsyncClient, fields: dict[str, str], words: str
) -> None:
    await make_bill(worker)
    form = {"capacity": "10", **fields}
    page = await worker.post("/bill/create", data=form, headers={"Accept": "text/html"})
    assert page.status_code == 200
    assert words in page.text
    script = (await worker.post("/bill/create", json=form)).json()
    assert script["success"] is False
    assert words in script["message"]


async def test_a_parent_goes_on_a_bill_with_its_weights(worker: httpx.AsyncClient) -> None:
    bill = await make_bill(worker, capacity=2)
    await make_parent(worker, "SB00001", 3)
    assert await put(worker, bill, " sb00001 ") == {
        "success": True,
        "message": "SB00001 added to bill B-1 (1/2).",
        "bag_qr": "SB00001",
        "linked_count": 1,
        "expected_count": 2,
        "child_count": 3,
        "actual_weight": 3.0,
        "expected_weight": 30.0,
        "error_type": "success",
        "is_at_capacity": False,
        "remaining_capacity": 1,
        "bill_status": "processing",
    }
    shown = (await worker.get(f"/api/bills/{bill}")).json()
    assert (shown["actual_weight_kg"], shown["expected_weight_kg"], shown["total_child_count"]) == (3.0, 30.0, 3)
    assert [bag["qr_id"] for bag in shown["parent_bags"]] == ["SB00001"]
    weights = (await worker.get(f"/api/bill/{bill}/weights")).json()
    assert (weights["actual_weight"], weights["expected_weight"]) == (3.0, 30.0)


async def test_every_refusal_has_its_error_type(worker: httpx.AsyncClient) -> None:
    bill, other = await make_bill(worker, capacity=1), await make_bill(worker, "B-2")
    for code in ("SB00001", "SB00002"):
        await make_parent(worker, code, 1)

    async def error(bill_id: int | str, code: str) -> str:
        answer = await put(worker, bill_id, code)
        assert answer["success"] is False
        assert answer["message"]
        return str(answer["error_type"])

    assert await error(bill, "") == "missing_data"
    assert await error("", "SB00001") == "missing_data"
    assert await error(bill, "??") == "invalid_format"
    assert await error(10**9, "SB00001") == "bill_not_found"
    assert await error(bill, "SB99999") == "bag_not_found"
    assert await error(bill, "SB00001C00") == "wrong_bag_type"
    assert (await put(worker, bill, "SB00001"))["is_at_capacity"] is True
    assert await error(bill, "SB00001") == "already_linked_same_bill"
    assert await error(other, "SB00001") == "already_linked_other_bill"
    assert await error(bill, "SB00002") == "capacity_reached"


async def test_bills_are_not_for_dispatchers_nor_strangers(
    app: AppProcess, worker: httpx.AsyncClient, sql: Any
) -> None:
    bill = await make_bill(worker)
    await sql.execute(
        "INSERT INTO users (username, password_hash, role, area)"
        " SELECT 'driver', password_hash, 'dispatcher', 'lucknow' FROM users WHERE role = 'admin'"
    )
    async with app.logged_in("driver") as driver:
        answer = await put(driver, bill, "SB00001")
        assert (answer["success"], answer["error_type"]) == (False, "access_denied")
        for path in ("/bills", f"/bill/{bill}", "/api/bills", f"/api/bill/{bill}/weights"):
            assert (await driver.get(path)).status_code == 403
        for path in ("/bill/create", "/complete_bill", "/reopen_bill", f"/bill/{bill}/delete", MANUAL, REMOVE):
            assert (await driver.post(path, json={"bill_id": bill})).status_code == 403
    async with http_client(base_url=app.url) as stranger:
        refused = await stranger.post(FAST, json={"bill_id": bill, "qr_code": "SB00001"})
        assert (refused.status_code, refused.json()["auth_required"]) == (401, True)
        assert (await stranger.get("/bills")).status_code == 401


async def test_billers_cannot_delete_a_bill(app: AppProcess, worker: httpx.AsyncClient, sql: Any) -> None:
    bill = await make_bill(worker)
    await sql.execute(
        "INSERT INTO users (username, password_hash, role)"
        " SELECT 'biller', password_hash, 'biller' FROM users WHERE role = 'admin'"
    )
    async with app.logged_in("biller") as biller:
        assert (await biller.post(f"/bill/{bill}/delete")).status_code == 403
        assert (await biller.get(f"/bill/{bill}")).status_code == 200


@pytest.mark.parametrize("name", ["number", "code"])
async def test_the_older_call_takes_a_bill_by_number_or_id(worker: httpx.AsyncClient, name: str) -> None:
    bill = await make_bill(worker, "TRUCK 9")
    await make_parent(worker, "SB00001", 2)
    which = {"number": bill, "code": "truck 9"}[name]
    body = (await worker.post(PROCESS, data={"bill_id": which, "qr_code": "SB00001"})).json()
    assert (body["success"], body["bag_qr"], body["linked_count"], body["expected_count"]) == (True, "SB00001", 1, 10)
    assert (body["remaining_bags"], body["total_weight"], body["total_child_bags"]) == (9, 2.0, 2)


async def test_a_bill_whose_id_is_a_number_is_found_by_it(worker: httpx.AsyncClient) -> None:
    await make_bill(worker, "987654321")
    await make_parent(worker, "SB00001")
    assert (await worker.post(PROCESS, data={"bill_id": "987654321", "qr_code": "SB00001"})).json()["success"]


async def test_a_parent_typed_in_is_made_and_billed_with_real_status_codes(worker: httpx.AsyncClient) -> None:
    bill = await make_bill(worker)
    done = await worker.post(MANUAL, json={"bill_id": bill, "manual_qr": "m444-00007"})
    assert (done.status_code, done.json()["bag_qr"], done.json()["child_count"]) == (200, "M444-00007", 0)
    for fields, status in (
        ({"bill_id": bill}, 400),
        ({"bill_id": bill, "manual_qr": "CHILD1"}, 400),
        ({"bill_id": "nowhere", "manual_qr": "SB00001"}, 404),
        ({"manual_qr": "SB00001"}, 400),
        ({"bill_id": bill, "manual_qr": "M444-00007"}, 400),
    ):
        refused = await worker.post(MANUAL, json=fields)
        assert (refused.status_code, refused.json()["success"]) == (status, False), fields


async def test_a_parent_comes_off_and_may_go_on_another(worker: httpx.AsyncClient, sql: Any) -> None:
    bill, other = await make_bill(worker), await make_bill(worker, "B-2")
    await make_parent(worker, "SB00001", 1)
    await put(worker, bill, "SB00001")
    body = (await worker.post(REMOVE, json={"parent_qr": "sb00001", "bill_id": bill})).json()
    assert (body["success"], body["linked_count"], body["expected_count"]) == (True, 0, 10)
    again = (await worker.post(REMOVE, json={"parent_qr": "SB00001", "bill_id": bill})).json()
    assert (again["success"], again["error_type"]) == (False, "not_on_bill")
    assert (await put(worker, other, "SB00001"))["success"]
    rows = await sql.fetch(
        "SELECT outcome, bill, reverses IS NOT NULL AS reversing FROM scan_ledger ORDER BY id DESC LIMIT 3"
    )
    assert [tuple(row) for row in rows] == [
        ("bill_linked", "B-2", False),
        ("bill_unlinked", "B-1", True),
        ("bill_linked", "B-1", False),
    ]


async def test_a_bill_is_completed_and_reopened(worker: httpx.AsyncClient) -> None:
    bill = await make_bill(worker)
    await make_parent(worker, "SB00001", 1)
    empty = (await worker.post("/complete_bill", json={"bill_id": bill})).json()
    assert (empty["success"], empty["error_type"]) == (False, "bill_empty")
    await put(worker, bill, "SB00001")
    done = (await worker.post("/complete_bill", json={"bill_id": bill})).json()
    assert (done["success"], done["linked_count"], done["actual_weight"]) == (True, 1, 1.0)
    await make_parent(worker, "SB00002")
    closed = await put(worker, bill, "SB00002")
    assert (closed["success"], closed["bill_status"]) == (False, "completed")
    assert (await worker.post(REMOVE, json={"parent_qr": "SB00001", "bill_id": bill})).json()["success"] is False
    assert (await worker.post("/reopen_bill", json={"bill_id": bill})).json()["success"] is True
    assert (await worker.post("/reopen_bill", json={"bill_id": bill})).json()["error_type"] == "bill_open"
    assert (await put(worker, bill, "SB00002"))["success"] is True


async def test_the_capacity_never_goes_below_what_is_on_it(worker: httpx.AsyncClient) -> None:
    bill = await make_bill(worker, capacity=3)
    for index in range(2):
        await make_parent(worker, f"SB0000{index}")
        await put(worker, bill, f"SB0000{index}")
    refused = (await worker.post(f"/bill/{bill}/edit", json={"capacity": 1})).json()
    assert (refused["success"], refused["error_type"]) == (False, "capacity_below_content")
    saved = (await worker.post(f"/bill/{bill}/edit", json={"capacity": 2, "destination": "Agra"})).json()
    assert (saved["success"], saved["destination"], saved["vehicle_number"]) == (True, "Agra", "RJ14 1234")


async def test_a_deleted_bill_frees_its_parents_and_its_id(worker: httpx.AsyncClient, sql: Any) -> None:
    bill = await make_bill(worker)
    for index in range(2):
        await make_parent(worker, f"SB0000{index}")
        await put(worker, bill, f"SB0000{index}")
    assert (await worker.post(f"/bill/{bill}/delete")).json()["success"]
    assert (await worker.get(f"/bill/{bill}")).status_code == 404
    again = await make_bill(worker)
    assert again != bill
    assert (await put(worker, again, "SB00000"))["success"]
    assert await sql.fetchval("SELECT count(*) FROM scan_ledger WHERE outcome = 'bill_unlinked'") == 2


async def test_clients_racing_for_the_last_places_of_a_bill(worker: httpx.AsyncClient) -> None:
    bill = await make_bill(worker, capacity=5)
    codes = [f"SB000{index:02d}" for index in range(20)]
    for code in codes:
        await make_parent(worker, code)
    answers = await asyncio.gather(*[put(worker, bill, code) for code in codes])
    assert sum(answer["success"] for answer in answers) == 5
    assert {answer["error_type"] for answer in answers if not answer["success"]} == {"capacity_reached"}


async def test_lists_and_their_filters(worker: httpx.AsyncClient) -> None:
    for code in ("A-1", "A-2", "B-1"):
        await make_bill(worker, code)
    everything = (await worker.get("/api/bills", params={"limit": 2, "offset": 1})).json()
    assert (everything["total"], everything["count"]) == (3, 2)
    assert [bill["bill_id"] for bill in everything["bills"]] == ["A-2", "A-1"]
    found = (await worker.get("/bills", params={"search_bill_id": "a-", "generate_summary": "1"})).json()
    assert [bill["bill_id"] for bill in found["bills"]] == ["A-2", "A-1"]
    assert found["summary"]["total_bills"] == 2
    today = found["bills"][0]["created_at"][:10]
    assert (await worker.get("/bills", params={"date_from": "2999-01-01"})).json()["count"] == 0
    assert (await worker.get("/bills", params={"date_from": "2020-01-01", "date_to": "2999-01-01"})).json()[
        "count"
    ] == 3
    assert today
    assert (await worker.get("/bills", params={"status_filter": "completed"})).json()["count"] == 0
    for query in ({"status_filter": "open"}, {"date_from": "yesterday"}, {"user_id": "x"}, {"limit": "0"}):
        assert (await worker.get("/bills", params=query)).status_code == 400, query
    listed = await worker.get("/bills", headers={"Accept": "text/html"})
    assert "A-2" in listed.text


async def test_the_plain_page_scans_without_a_script(worker: httpx.AsyncClient) -> None:
    bill = await make_bill(worker)
    await make_parent(worker, "SB00001")
    path, html = f"/bill/{bill}/scan_parent", {"Accept": "text/html"}
    assert "Scan a parent bag" in (await worker.get(path, headers=html)).text
    assert "SB00001 added to bill B-1" in (await worker.post(path, data={"qr_code": "SB00001"}, headers=html)).text
    assert (await worker.post(f"/bill/{bill}/finish", headers=html)).status_code == 302
    assert (await worker.get(f"/bill/{bill}")).json()["status"] == "completed"
    assert (await worker.post("/admin/recalculate-bill-weights", json={"bill_id": bill})).json()["bill"][
        "bill_id"
    ] == "B-1"
    assert (await worker.post("/admin/recalculate-bill-weights")).json()["recalculated"] == 1


async def test_the_end_of_day_report_is_for_admins(app: AppProcess, worker: httpx.AsyncClient, sql: Any) -> None:
    bill = await make_bill(worker)
    await make_bill(worker, "B-2")
    await make_parent(worker, "SB00001", 2)
    await put(worker, bill, "SB00001")
    report = (await worker.get("/api/bill_summary/eod")).json()
    assert report["bills_by_status"] == {"new": 1, "processing": 1}
    assert report["totals"]["total_bills"] == 2
    assert report["totals"]["total_weight_kg"] == 2.0
    assert [user["username"] for user in report["bills_by_user"]] == ["admin"]
    assert [bill["bill_id"] for bill in report["detailed_bills"]] == ["B-2", "B-1"]
    earlier = (await worker.get("/api/bill_summary/eod", params={"date": "2020-02-29"})).json()
    assert (earlier["report_date"], earlier["totals"]["total_bills"]) == ("2020-02-29", 0)
    assert (await worker.get("/api/bill_summary/eod", params={"date": "30.2."})).status_code == 400
    await sql.execute(
        "INSERT INTO users (username, password_hash, role)"
        " SELECT 'biller', password_hash, 'biller' FROM users WHERE role = 'admin'"
    )
    async with app.logged_in("biller") as biller:
        assert (await biller.get("/api/bill_summary/eod")).status_code == 403


async def test_a_day_is_one_in_the_services_time_zone(worker: httpx.AsyncClient, sql: Any) -> None:
    await make_bill(worker)
    await sql.execute("UPDATE bills SET created_at = '2026-03-09T18:31:00Z'")
    assert (await worker.get("/api/bill_summary/eod", params={"date": "2026-03-10"})).json()["totals"][
        "total_bills"
    ] == 1
    assert (await worker.get("/api/bill_summary/eod", params={"date": "2026-03-09"})).json()["totals"][
        "total_bills"
    ] == 0
