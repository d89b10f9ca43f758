"""POST /api/v1/scans/bulk and /api/v1/scans/undo."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.integration.app.process import AppProcess, scan_body
from tests.integration.app.v1.conftest import Hire, bill_of, denied, fill, refused
from tracetrack_app.domain.people import Permission, Role

BULK = "/api/v1/scans/bulk"
UNDO = "/api/v1/scans/undo"


async def send(client: httpx.AsyncClient, *rows: Any) -> list[dict[str, Any]]:
    answer = await client.post(BULK, json={"scans": rows})
    assert answer.status_code == 207, answer.text
    results: list[dict[str, Any]] = answer.json()["results"]
    assert len(results) == len(rows)
    return results


async def test_a_row_is_answered_as_the_single_call_would_be(device: httpx.AsyncClient, sql: Any) -> None:
    await fill(device, "SB00009", "TAKEN001")
    rows: list[Any] = [
        scan_body("SB00001"),
        scan_body("CHILD001", "SB00001"),
        scan_body("TAKEN001", "SB00001"),
        scan_body("???"),
        {"code": "CHILD002", "parent": "SB00001"},
        {"scan_id": str(uuid4())},
        "no scan",
        scan_body("CHILD003", "SB00001", station=7),
        scan_body("CHILD004", "SB00001"),
    ]
    results = await send(device, *rows)
    assert [result["status"] for result in results] == [201, 201, 409, 422, 422, 422, 422, 422, 201]
    for row, result in zip(rows, results, strict=True):
        assert set(result) == {"status", "scan" if result["status"] == 201 else "problem"}
        single = await device.post("/api/v1/scans", json=row)
        if result["status"] == 201:
            assert (single.status_code, single.json()) == (200, result["scan"])
        else:
            drop = {"scan_id", "entry_id", "child_count"}
            alike = [
                {name: value for name, value in body.items() if name not in drop}
                for body in (result["problem"], single.json())
            ]
            assert alike[0] == alike[1]
            assert single.status_code == result["status"] == result["problem"]["status"]
    assert results[2]["problem"]["holder"] == "SB00009"
    assert await sql.fetchval("SELECT child_count FROM bags WHERE code = 'SB00001'") == 2


async def test_five_hundred_rows_in_order_whatever_they_share(device: httpx.AsyncClient, sql: Any) -> None:
    rows = []
    for parent in range(10):
        rows.append(scan_body(f"SB{parent:05d}"))
        rows += [scan_body(f"P{parent:02d}C{child:03d}", f"SB{parent:05d}") for child in range(31)]
    # A child that is scanned twice stays where it was put first.
    rows += [scan_body(f"P00C{child:03d}", "SB00001") for child in range(30)]
    rows += [scan_body(f"LATE{number:04d}", f"SB{number % 10:05d}") for number in range(150)]
    assert len(rows) == 500
    results = await send(device, *rows)
    assert [result["status"] for result in results] == ([201] * 31 + [409]) * 10 + [409] * 180
    for parent in range(10):
        counts = [result["scan"]["counts"]["child_count"] for result in results[parent * 32 : parent * 32 + 31]]
        assert counts == list(range(31))
    assert {result["problem"]["holder"] for result in results[320:350]} == {"SB00000"}
    assert await sql.fetchval("SELECT count(*) FROM links") == 300
    again = await send(device, *rows)
    assert [result["status"] for result in again] == ([200] * 31 + [409]) * 10 + [409] * 180
    assert [result.get("scan") for result in again] == [result.get("scan") for result in results]
    assert await sql.fetchval("SELECT count(*) FROM scan_ledger") == 500


async def test_a_parent_may_be_made_filled_and_billed_in_one_call(biller: httpx.AsyncClient, sql: Any) -> None:
    await bill_of(biller, "B-1", capacity=1)
    results = await send(
        biller,
        scan_body("SB00001"),
        scan_body("CHILD001", "SB00001"),
        scan_body("SB00001", bill="b-1"),
        scan_body("SB00002"),
        scan_body("SB00002", bill="B-1"),
    )
    assert [result["status"] for result in results] == [201, 201, 201, 201, 409]
    assert results[-1]["problem"]["type"] == "urn:tracetrack:problem:bill-capacity-reached"


@pytest.mark.parametrize("count", [0, 501])
async def test_the_number_of_rows_is_limited(device: httpx.AsyncClient, sql: Any, count: int) -> None:
    body = {"scans": [scan_body(f"SB{number:05d}") for number in range(count)]}
    problem = refused(await device.post(BULK, json=body), 422, "too-many-scans" if count else "malformed")
    assert "between 1 and 500" in problem["detail"]
    assert await sql.fetchval("SELECT count(*) FROM scan_ledger") == 0


async def test_what_is_no_list_of_scans_is_refused(device: httpx.AsyncClient) -> None:
    for content in (b"{", b"[]", b"\xff", b'{"scans": 7}', b"{}"):
        refused(await device.post(BULK, content=content), 422, "malformed")
    refused(await device.post(BULK, content=b" " * (500 * 4096 + 1)), 413, "too-large")
    largest = scan_body("C" * 200, "P" * 200, bill="B" * 200, station="\U0001f4e6" * 200)
    content = json.dumps({"scans": [largest] * 500}, ensure_ascii=False).encode()
    assert (await device.post(BULK, content=content)).status_code == 207


async def test_who_may_not_bill_has_those_rows_refused(lucknow: httpx.AsyncClient, biller: httpx.AsyncClient) -> None:
    await bill_of(biller, "B-1")
    results = await send(lucknow, scan_body("SB00001"), scan_body("SB00001", bill="B-1"))
    assert [result["status"] for result in results] == [201, 403]
    assert results[1]["problem"]["permission"] == "bills"


async def test_scans_of_another_area_are_refused(lucknow: httpx.AsyncClient, jaipur: httpx.AsyncClient) -> None:
    await fill(lucknow, "SB00001", "CHILD001")
    [result] = await send(jaipur, scan_body("CHILD002", "SB00001"))
    assert (result["status"], result["problem"]["type"]) == (409, "urn:tracetrack:problem:area-denied")
    undone = await jaipur.post(UNDO, json={"scan_id": str(uuid4()), "code": "CHILD001"})
    assert "holder" not in refused(undone, 409, "area-denied")


async def test_people_scan_by_session_and_token(worker: httpx.AsyncClient, hire: Hire, sql: Any) -> None:
    assert [row["status"] for row in await send(worker, scan_body("SB00001"))] == [201]
    assert (await worker.post("/api/v1/scans", json=scan_body("C0001", "SB00001"))).status_code == 201
    del worker.headers["X-CSRFToken"]
    for path, body in [
        (BULK, {"scans": [scan_body("SB00002")]}),
        ("/api/v1/scans", scan_body("SB00002")),
        (UNDO, {"scan_id": str(uuid4()), "parent": "SB00001"}),
    ]:
        refused(await worker.post(path, json=body), 403, "csrf")
    viewer = await hire("viewer", Role.BILLER, scopes=frozenset({Permission.LOOKUP}))
    await denied(viewer, "POST", BULK, "scan", json={"scans": [scan_body("SB00002")]})
    await denied(viewer, "POST", UNDO, "undo", json={"scan_id": str(uuid4()), "parent": "SB00001"})
    assert await sql.fetchval("SELECT count(*) FROM scan_ledger") == 2


async def test_an_undo_reverses_the_named_child_or_the_newest(device: httpx.AsyncClient, sql: Any) -> None:
    await fill(device, "SB00001", "CHILD001", "CHILD002", "CHILD003")
    body = {"scan_id": str(uuid4()), "code": "child001"}
    named = await device.post(UNDO, json=body)
    assert named.status_code == 201
    assert (named.json()["entry"]["outcome"], named.json()["entry"]["parent"]) == ("unlinked", "SB00001")
    assert named.json()["counts"]["child_count"] == 2
    again = await device.post(UNDO, json=body)
    assert (again.status_code, again.json()) == (200, named.json())
    newest = await device.post(UNDO, json={"scan_id": str(uuid4()), "parent": "SB00001"})
    assert newest.json()["entry"]["code"] == "CHILD003"
    reversed_ = await sql.fetch(
        "SELECT u.code, l.outcome FROM scan_ledger u JOIN scan_ledger l ON l.id = u.reverses ORDER BY u.id"
    )
    assert [tuple(row) for row in reversed_] == [("CHILD001", "child_linked"), ("CHILD003", "child_linked")]
    assert await sql.fetchval("SELECT count(*) FROM scan_ledger WHERE code LIKE 'CHILD%'") == 5


async def test_what_cannot_be_undone(device: httpx.AsyncClient, sql: Any) -> None:
    await fill(device, "SB00001", "CHILD001")
    await fill(device, "SB00002")

    async def undo(**body: Any) -> httpx.Response:
        return await device.post(UNDO, json={"scan_id": str(uuid4()), **body})

    refused(await undo(code="CHILD009"), 409, "not-linked")
    refused(await undo(code="CHILD001", parent="SB00002"), 409, "not-linked")
    refused(await undo(parent="SB00002"), 409, "nothing-to-undo")
    assert await sql.fetchval("SELECT count(*) FROM scan_ledger WHERE outcome = 'refused'") == 3
    for body in ({}, {"code": None}, {"code": ""}, {"parent": 7}, {"code": "CHILD001", "why": "x"}, {"scan_id": "7"}):
        refused(await undo(**body), 422, "malformed")
    scan = scan_body("CHILD002", "SB00001")
    await device.post("/api/v1/scans", json=scan)
    refused(await undo(scan_id=scan["scan_id"], parent="SB00001"), 422, "scan-id-reused")
    done = str(uuid4())
    assert (await undo(scan_id=done, code="CHILD002")).status_code == 201
    refused(await undo(scan_id=done, code="CHILD001"), 422, "scan-id-reused")
    refused(await undo(scan_id=done, parent="SB00002"), 422, "scan-id-reused")
    assert await sql.fetchval("SELECT child_count FROM bags WHERE code = 'SB00001'") == 1


async def test_nobody_scans_without_a_name(anonymous: httpx.AsyncClient, app: AppProcess) -> None:
    for path in (BULK, UNDO):
        answer = await anonymous.post(path, json={})
        refused(answer, 401, "unauthorized")
        assert answer.headers["www-authenticate"] == "Bearer"
