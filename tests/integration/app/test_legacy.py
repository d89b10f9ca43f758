"""The calls of the existing system's clients, row by row of their contract."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import httpx

from tests.integration.app.process import scan_body

PARENT, CHILD, UNDO = "/api/fast_parent_scan", "/process_child_scan_fast", "/api/unlink_child"


async def test_a_parent_is_created_then_found_and_becomes_current(worker: httpx.AsyncClient) -> None:
    first = await worker.post(PARENT, data={"qr_code": "sb00001"})
    body = first.json()
    assert first.status_code == 200
    assert {name: body[name] for name in ("success", "parent_qr", "redirect", "child_count", "expected_count")} == {
        "success": True,
        "parent_qr": "SB00001",
        "redirect": "/scan/child",
        "child_count": 0,
        "expected_count": 30,
    }
    assert body["message"]
    assert isinstance(body["time_ms"], float)
    linked = await worker.post(CHILD, json={"qr_code": "child1"})
    assert linked.json() | {"message": ""} == {
        "success": True,
        "child_qr": "CHILD1",
        "parent_qr": "SB00001",
        "child_count": 1,
        "expected_count": 30,
        "message": "",
    }
    again = (await worker.post(PARENT, json={"qr_id": "SB00001"})).json()
    assert (again["existing"], again["child_count"]) == (True, 1)


async def test_parent_refusals_are_400(worker: httpx.AsyncClient, sql: Any) -> None:
    missing = await worker.post(PARENT, data={})
    assert (missing.status_code, missing.json()["success"]) == (400, False)
    for code in ("nonsense!", "CHILD1"):
        answer = await worker.post(PARENT, data={"qr_code": code})
        assert (answer.status_code, answer.json()["show_popup"]) == (400, True)
    await sql.execute("INSERT INTO bags (code, kind) VALUES ('SB00009', 'child')")
    wrong = await worker.post(PARENT, data={"qr_code": "SB00009"})
    assert wrong.status_code == 400
    assert "child bag" in wrong.json()["message"]
    assert await sql.fetchval("SELECT count(*) FROM scan_ledger WHERE outcome = 'refused'") == 3
    assert (await worker.post(PARENT, content=b"{", headers={"Content-Type": "application/json"})).status_code == 400


async def test_an_older_answer_does_not_put_back_an_earlier_parent(worker: httpx.AsyncClient) -> None:
    await worker.post(PARENT, data={"qr_code": "SB00001"})
    child = await worker.post(CHILD, data={"qr_code": "CHILD1"})
    assert "parent" not in {name for name, _ in child.cookies.items()}


async def test_a_scan_id_makes_a_retry_harmless(worker: httpx.AsyncClient, sql: Any) -> None:
    await worker.post(PARENT, data={"qr_code": "SB00001"})
    fields = {"qr_code": "CHILD1", "scan_id": str(uuid4())}
    first, second = [await worker.post(CHILD, data=fields) for _ in range(2)]
    assert first.json() == second.json()
    assert first.json()["success"] is True
    assert await sql.fetchval("SELECT count(*) FROM scan_ledger WHERE code = 'CHILD1'") == 1
    assert (await worker.post(CHILD, data={"qr_code": "CHILD1", "scan_id": "x"})).status_code == 400


async def test_undo_takes_the_newest_or_the_named_child(worker: httpx.AsyncClient, sql: Any) -> None:
    nothing = (await worker.post(UNDO, json={})).json()
    assert (nothing["success"], "No parent" in nothing["message"]) == (False, True)
    await worker.post(PARENT, data={"qr_code": "SB00001"})
    for child in ("CHILD1", "CHILD2", "CHILD3"):
        await worker.post(CHILD, data={"qr_code": child})
    newest = (await worker.post(UNDO, json={})).json()
    assert (newest["success"], newest["child_qr"], newest["child_count"]) == (True, "CHILD3", 2)
    named = (await worker.post(UNDO, json={"qr_code": "child1", "parent_qr": "SB00001"})).json()
    assert (named["success"], named["child_count"]) == (True, 1)
    again = (await worker.post(UNDO, json={"qr_code": "child1"})).json()
    assert (again["success"], again["error_type"]) == (False, "not_linked")
    repeated = {"qr_code": "CHILD2", "scan_id": str(uuid4())}
    twice = [(await worker.post(UNDO, json=repeated)).json() for _ in range(2)]
    assert (twice[0]["success"], twice[0]) == (True, twice[1])
    reversals = await sql.fetch(
        "SELECT u.code, l.outcome FROM scan_ledger u JOIN scan_ledger l ON l.id = u.reverses ORDER BY u.id"
    )
    assert [tuple(row) for row in reversals] == [(f"CHILD{n}", "child_linked") for n in (3, 1, 2)]
    assert (await worker.post(CHILD, data={"qr_code": "CHILD1"})).json()["child_count"] == 1


async def test_undo_without_a_name_reaches_back_one_hour(worker: httpx.AsyncClient, stage: Any, sql: Any) -> None:
    import asyncpg

    await worker.post(PARENT, data={"qr_code": "SB00001"})
    await worker.post(CHILD, data={"qr_code": "CHILD1"})
    connection = await asyncpg.connect(stage.superuser_dsn)
    await connection.execute("SET session_replication_role = replica")
    await connection.execute("UPDATE scan_ledger SET recorded_at = recorded_at - interval '61 minutes'")
    await connection.close()
    late = (await worker.post(UNDO, json={"parent_qr": "SB00001"})).json()
    assert (late["success"], late["error_type"]) == (False, "nothing_to_undo")
    assert (await worker.post(UNDO, json={"qr_code": "CHILD1"})).json()["success"] is True


async def test_forms_and_json_and_multipart_are_taken_alike(worker: httpx.AsyncClient) -> None:
    assert (await worker.post(PARENT, files={"qr_code": (None, "SB00001")})).json()["success"] is True
    assert (await worker.post(PARENT, json={"qr_code": "SB00002"})).json()["success"] is True
    number = await worker.post(CHILD, json={"qr_code": 12345})
    assert number.json()["child_qr"] == "12345"


async def test_health_and_root(anonymous: httpx.AsyncClient) -> None:
    for path in ("/health", "/status", "/api/health"):
        body = (await anonymous.get(path, params={"check_db": "true"})).json()
        assert (body["status"], body["database"]) == ("healthy", "connected")
        assert body["message"]
        assert body["timestamp"]
        assert "database" not in (await anonymous.get(path)).json()
    assert (await anonymous.get("/ready")).json()["status"] == "ready"
    assert (await anonymous.get("/live")).status_code == 200
    assert (await anonymous.get("/")).json() == {"status": "ok"}
    browser = await anonymous.get("/", headers={"Accept": "text/html,*/*"})
    assert (browser.status_code, browser.headers["location"]) == (302, "/login")
    missing = await anonymous.get("/no/such/page")
    assert missing.status_code == 404
    assert set(missing.json()) == {"success", "message", "error_code", "request_id"}


async def test_all_ways_in_meet_the_same_rules(worker: httpx.AsyncClient, device: httpx.AsyncClient) -> None:
    await worker.post(PARENT, data={"qr_code": "SB00001"})
    assert (await device.post("/api/v1/scans", json=scan_body("CHILD1", "SB00001"))).status_code == 201
    answer = (await worker.post(CHILD, data={"qr_code": "CHILD1"})).json()
    assert (answer["success"], answer["holder"]) == (False, "SB00001")


async def test_metrics_count_requests_by_route_and_scans_by_outcome(
    worker: httpx.AsyncClient, anonymous: httpx.AsyncClient
) -> None:
    async def value(line: str) -> float:
        text = (await anonymous.get("/metrics")).text
        return next((float(found.split()[-1]) for found in text.splitlines() if found.startswith(line)), 0.0)

    request = 'tracetrack_http_requests_total{method="POST",route="/api/fast_parent_scan",status="200"}'
    outcome = 'tracetrack_scans_total{outcome="parent_created",refusal=""}'
    before = await value(request), await value(outcome)
    await asyncio.gather(*[worker.post(PARENT, data={"qr_code": f"SB{number:05d}"}) for number in range(5)])
    assert (await value(request), await value(outcome)) == (before[0] + 5, before[1] + 5)
    await anonymous.get("/no/such/1")
    await anonymous.get("/no/such/2")
    assert await value('tracetrack_http_requests_total{method="GET",route="(other)",status="404"}') >= 2
    assert "/no/such/" not in (await anonymous.get("/metrics")).text
    assert await value("tracetrack_writer_batch_size_count") > 0
    assert await value("tracetrack_ready") == 1


async def test_metrics_are_not_for_clients_of_an_ingress(anonymous: httpx.AsyncClient) -> None:
    answer = await anonymous.get("/metrics", headers={"X-Forwarded-For": "203.0.113.7"})
    assert answer.status_code == 404


async def test_an_undo_under_the_scan_id_of_a_scan_undoes_nothing(worker: httpx.AsyncClient, sql: Any) -> None:
    await worker.post(PARENT, json={"qr_code": "SB00001"})
    number = str(uuid4())
    await worker.post(CHILD, json={"qr_code": "CHILD1", "scan_id": number})
    for fields in ({"qr_code": "CHILD1"}, {"parent_qr": "SB00001"}):
        body = (await worker.post(UNDO, json={**fields, "scan_id": number})).json()
        assert (body["success"], body["error_type"]) == (False, "scan_id_reused")
    assert await sql.fetchval("SELECT child_count FROM bags WHERE code = 'SB00001'") == 1
