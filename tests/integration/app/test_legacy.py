"""The calls of the existing system's clients, row by row of their contract."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.integration.app.process import AppProcess, scan_body

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


@pytest.mark.parametrize("name", ["qr_code", "qr_id", "parent_qr"])
async def test_the_parents_code_has_several_names(worker: httpx.AsyncClient, name: str) -> None:
    assert (await worker.post(PARENT, data={name: "M444-00001"})).json()["parent_qr"] == "M444-00001"


@pytest.mark.parametrize("path", [CHILD, "/process_child_scan"])
@pytest.mark.parametrize("name", ["qr_code", "qr_id", "child_qr"])
async def test_the_childs_code_has_several_names(worker: httpx.AsyncClient, path: str, name: str) -> None:
    await worker.post(PARENT, data={"qr_code": "SB00001"})
    assert (await worker.post(path, data={name: "CHILD1"})).json()["success"] is True


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


async def test_child_refusals_are_200_and_say_why(worker: httpx.AsyncClient, sql: Any) -> None:
    async def refusal(**fields: str) -> str:
        answer = await worker.post(CHILD, data=fields)
        assert answer.status_code == 200, answer.text
        assert answer.json()["success"] is False
        return str(answer.json()["message"])

    assert "No parent bag selected" in await refusal(qr_code="CHILD1")
    for parent in ("SB00001", "SB00002"):
        await worker.post(PARENT, data={"qr_code": parent})
    assert "linked to itself" in await refusal(qr_code="SB00002")
    assert "parent bag" in await refusal(qr_code="SB00001")
    await worker.post(CHILD, data={"qr_code": "CHILD1", "parent_qr": "SB00001"})
    assert await refusal(qr_code="CHILD1") == "DUPLICATE: CHILD1 is already linked to SB00001."
    assert "does not exist" in await refusal(qr_code="CHILD2", parent_qr="SB00077")
    assert "4 to 20 letters or digits" in await refusal(qr_code="?")
    assert "No QR code" in await refusal(qr_code=" ")
    await sql.execute("UPDATE bags SET status = 'completed' WHERE code = 'SB00002'")
    assert "completed" in await refusal(qr_code="CHILD2")
    await sql.execute("UPDATE bags SET capacity = 1 WHERE code = 'SB00001'")
    assert (await refusal(qr_code="CHILD3", parent_qr="SB00001")).startswith("Maximum 1 ")


async def test_an_explicit_parent_wins_over_the_current_one(worker: httpx.AsyncClient) -> None:
    for parent in ("SB00001", "SB00002"):
        await worker.post(PARENT, data={"qr_code": parent})
    answer = await worker.post(CHILD, json={"qr_code": "CHILD1", "parent_qr": "sb00001"})
    assert answer.json()["parent_qr"] == "SB00001"
    assert (await worker.post(CHILD, json={"qr_code": "CHILD2"})).json()["parent_qr"] == "SB00002"


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


async def test_stats_and_scans(worker: httpx.AsyncClient, app: AppProcess) -> None:
    await worker.post(PARENT, data={"qr_code": "SB00001"})
    for child in ("CHILD1", "CHILD2", "CHILD1"):
        await worker.post(CHILD, data={"qr_code": child})
    for path in ("/api/stats", "/api/v2/stats"):
        body = (await worker.get(path)).json()
        assert (body["success"], body["cached"]) == (True, False)
        statistics = body["statistics"]
        assert statistics.pop("cache_updated")
        assert statistics == {
            "total_parent_bags": 1,
            "total_child_bags": 2,
            "total_scans": 3,
            "total_bills": 0,
            "total_products": 3,
            "active_dispatchers": 0,
            "status_counts": {"pending": 0, "in_progress": 1, "completed": 0},
        }
    scans = (await worker.get("/api/scans", params={"limit": 2})).json()
    assert (scans["success"], scans["count"]) == (True, 2)
    assert [scan["product_qr"] for scan in scans["scans"]] == ["CHILD2", "CHILD1"]
    assert set(scans["scans"][0]) == {"id", "timestamp", "product_qr", "product_name", "type", "username"}
    assert (scans["scans"][0]["type"], scans["scans"][0]["username"]) == ("child", "admin")
    assert (await worker.get("/api/scans", params={"limit": "-1"})).status_code == 400


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", PARENT), ("POST", CHILD), ("POST", UNDO), ("GET", "/api/stats"), ("GET", "/api/scans")],
)
async def test_without_a_session_the_answer_is_401(anonymous: httpx.AsyncClient, method: str, path: str) -> None:
    answer = await anonymous.request(method, path)
    assert (answer.status_code, answer.json()["auth_required"]) == (401, True)


@pytest.mark.parametrize("path", [PARENT, CHILD, UNDO])
async def test_unsafe_calls_need_the_csrf_token(worker: httpx.AsyncClient, sql: Any, path: str) -> None:
    token = worker.headers.pop("X-CSRFToken")
    assert (await worker.post(path, data={"qr_code": "SB00001"})).status_code == 400
    assert (await worker.post(path, data={"qr_code": "SB00001", "csrf_token": "0" * 64})).status_code == 400
    assert await sql.fetchval("SELECT count(*) FROM scan_ledger") == 0
    assert (await worker.post(path, data={"qr_code": "SB00001", "csrf_token": token})).status_code == 200


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
