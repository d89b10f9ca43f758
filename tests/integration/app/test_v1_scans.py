"""POST /api/v1/scans, row by row of its contract."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.integration.app.conftest import FLEET, device_key
from tests.integration.app.http import http_client
from tests.integration.app.process import AppProcess, scan_body

URL = "/api/v1/scans"


async def scan(client: httpx.AsyncClient, code: str, parent: str | None = None, **more: Any) -> httpx.Response:
    return await client.post(URL, json=scan_body(code, parent, **more))


async def test_parents_and_children_are_recorded_with_entry_and_counts(device: httpx.AsyncClient, sql: Any) -> None:
    created = await scan(device, "sb00001 ")
    assert created.status_code == 201
    assert created.json()["entry"]["outcome"] == "parent_created"
    assert created.json()["entry"]["code"] == "SB00001"
    assert created.json()["counts"]["child_count"] == 0
    opened = await scan(device, "SB00001")
    assert (opened.status_code, opened.json()["entry"]["outcome"]) == (201, "parent_opened")
    linked = await scan(device, "LABEL NO.:778899", "sb00001")
    assert linked.status_code == 201
    assert linked.json()["entry"] | {"id": 0, "scan_id": "", "recorded_at": ""} == {
        "id": 0,
        "scan_id": "",
        "outcome": "child_linked",
        "code": "778899",
        "kind": "child",
        "parent": "SB00001",
        "bill": None,
        "station": "gate-1",
        "captured_at": "2026-01-05T04:30:00Z",
        "recorded_at": "",
    }
    assert linked.json()["counts"] == {
        "child_count": 1,
        "expected_count": 30,
        "bill_count": None,
        "bill_capacity": None,
    }
    row = await sql.fetchrow("SELECT * FROM scan_ledger WHERE code = '778899'")
    assert (row["fleet"], row["scanner"], row["source"], row["user_id"]) == ("lucknow", "lucknow-0001", "v1", None)
    counts = await sql.fetchrow("SELECT actor, accepted, refused, parents_created, children_created FROM daily_counts")
    assert tuple(counts) == ("scanner:lucknow/lucknow-0001", 3, 0, 1, 1)


async def test_the_same_scan_id_is_answered_alike_and_recorded_once(device: httpx.AsyncClient, sql: Any) -> None:
    await scan(device, "SB00001")
    body = scan_body("CHILD1", "SB00001")
    first = await device.post(URL, json=body)
    second = await device.post(URL, json=body)
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json() == second.json()
    refused = scan_body("CHILD1", "SB00001")
    answers = [await device.post(URL, json=refused) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [409, 409]
    assert answers[0].json() == answers[1].json()
    assert await sql.fetchval("SELECT count(*) FROM scan_ledger") == 3


async def test_the_same_scan_sent_many_times_at_once_counts_once(device: httpx.AsyncClient, sql: Any) -> None:
    await scan(device, "SB00001")
    body = scan_body("CHILD1", "SB00001")
    answers = await asyncio.gather(*[device.post(URL, json=body) for _ in range(30)])
    assert sorted(answer.status_code for answer in answers) == [200] * 29 + [201]
    assert len({answer.text for answer in answers}) == 1
    assert await sql.fetchval("SELECT child_count FROM bags WHERE code = 'SB00001'") == 1


async def test_a_scan_id_of_another_scan_is_refused_and_kept(device: httpx.AsyncClient, sql: Any) -> None:
    await scan(device, "SB00001")
    body = scan_body("CHILD1", "SB00001")
    await device.post(URL, json=body)
    answer = await device.post(URL, json=body | {"code": "CHILD2"})
    assert answer.status_code == 422
    assert answer.json()["type"] == "urn:tracetrack:problem:scan-id-reused"
    assert await sql.fetchval("SELECT refusal FROM scan_ledger WHERE code = 'CHILD2'") == "scan_id_reused"
    assert await sql.fetchval("SELECT count(*) FROM bags WHERE code = 'CHILD2'") == 0
    malformed = await device.post(URL, json=body | {"captured_at": "yesterday"})
    assert malformed.status_code == 422
    assert malformed.json()["type"] == "urn:tracetrack:problem:malformed-scan"
    assert (await device.post(URL, json=body)).status_code == 200


async def test_rules_are_409_with_type_and_holder_and_kept(device: httpx.AsyncClient, sql: Any) -> None:
    for parent in ("SB00001", "SB00002"):
        await scan(device, parent)
    await scan(device, "CHILD1", "SB00001")
    await sql.execute("UPDATE bags SET status = 'completed' WHERE code = 'SB00002'")
    await sql.execute("INSERT INTO bags (code, kind) VALUES ('ODD77', 'parent')")
    cases = [
        (("CHILD1", "SB00002"), "duplicate-child", "SB00001"),
        (("CHILD1", "SB00001"), "duplicate-child", "SB00001"),
        (("CHILD2", "SB00002"), "parent-completed", None),
        (("CHILD2", "SB00009"), "parent-not-found", None),
        (("SB00001", "SB00002"), "wrong-bag-type", None),
        (("SB00001", "SB00001"), "self-link", None),
        (("ODD77", "SB00001"), "wrong-bag-type", None),
    ]
    for (code, parent), kind, holder in cases:
        answer = await scan(device, code, parent)
        assert answer.status_code == 409, (code, answer.text)
        assert answer.headers["content-type"] == "application/problem+json"
        body = answer.json()
        assert (body["type"], body["status"]) == (f"urn:tracetrack:problem:{kind}", 409)
        assert body.get("holder") == holder
        assert body["title"]
        assert body["detail"]
        stored = await sql.fetchrow("SELECT outcome, refusal, code FROM scan_ledger WHERE id = $1", body["entry_id"])
        assert tuple(stored) == ("refused", kind.replace("-", "_"), code)
    assert await sql.fetchval("SELECT sum(refused) FROM daily_counts") == len(cases)


@pytest.mark.parametrize(
    ("body", "kind", "kept"),
    [
        (scan_body("???"), "malformed-code", True),
        (scan_body("CHILD1"), "parent-required", True),
        (scan_body("CHILD1", "CHILD2"), "malformed-code", True),
        (scan_body("CHILD1", "SB00001", captured_at="yesterday"), "malformed-scan", True),
        (scan_body("CHILD1", "SB00001", captured_at="2026-01-01T10:00:00"), "malformed-scan", True),
        (scan_body("CHILD1", "SB00001", captured_at="0001-01-01T00:00:00+14:00"), "malformed-scan", True),
        (scan_body("CHILD1", "SB00001", scan_id="7"), "malformed-scan", True),
        ({"code": "CHILD1", "parent": "SB00001"}, "malformed-scan", True),
        (scan_body("CHILD1", "SB00001", station=["x"]), "malformed-scan", True),
        ({"scan_id": str(uuid4()), "code": 7}, "malformed-scan", False),
        ([], "malformed-scan", False),
    ],
)
async def test_malformed_scans_are_422_and_kept(
    device: httpx.AsyncClient, sql: Any, body: Any, kind: str, kept: bool
) -> None:
    answer = await device.post(URL, json=body)
    assert answer.status_code == 422, answer.text
    assert answer.json()["type"] == f"urn:tracetrack:problem:{kind}"
    assert answer.json()["detail"]
    assert await sql.fetchval("SELECT count(*) FROM scan_ledger WHERE outcome = 'refused'") == int(kept)
    assert await sql.fetchval("SELECT count(*) FROM bags") == 0


async def test_hostile_bytes_are_refused_and_harm_no_neighbour(device: httpx.AsyncClient, sql: Any) -> None:
    await scan(device, "SB00001")
    bodies: list[bytes] = [
        b"{",
        b"\xff\xfe",
        json.dumps(scan_body("A\x00B\ud800C", "SB00001")).encode(),
        json.dumps(scan_body("CHILD\x00" * 100, "SB00001")).encode(),
        json.dumps(scan_body("GOOD1", "SB00001", station="\ud800\x00dock")).encode(),
        json.dumps(scan_body("GOOD2", "SB00001", captured_at="9999-12-31T23:59:59-12:00")).encode(),
        json.dumps(scan_body("GOOD3", "SB00001")).encode(),
    ]
    answers = await asyncio.gather(*[device.post(URL, content=body) for body in bodies])
    assert [answer.status_code for answer in answers][:4] == [422, 422, 422, 422]
    assert answers[-1].status_code == 201
    assert all(answer.status_code in (201, 422) for answer in answers)
    assert (await device.post(URL, content=b"x" * 70_000)).status_code == 413


async def test_a_parent_goes_on_one_active_bill(device: httpx.AsyncClient, sql: Any) -> None:
    await sql.execute("INSERT INTO bills (code, capacity) VALUES ('B-1', 1), ('B-2', 5), ('B-3', 5)")
    await sql.execute("UPDATE bills SET status = 'completed' WHERE code = 'B-3'")
    for parent in ("SB00001", "SB00002"):
        await scan(device, parent)
    first = await scan(device, "SB00001", bill="b-1")
    assert first.status_code == 201
    assert first.json()["entry"]["bill"] == "B-1"
    assert (first.json()["counts"]["bill_count"], first.json()["counts"]["bill_capacity"]) == (1, 1)
    refusals = [
        ("SB00001", "B-1", "already-on-bill", "B-1"),
        ("SB00001", "B-2", "already-on-other-bill", "B-1"),
        ("SB00002", "B-1", "bill-capacity-reached", None),
        ("SB00002", "B-3", "bill-closed", None),
        ("SB00002", "B-9", "bill-not-found", None),
        ("SB00009", "B-2", "parent-not-found", None),
        ("CHILD1", "B-2", "wrong-bag-type", None),
    ]
    for code, bill, kind, holder in refusals:
        answer = await scan(device, code, bill=bill)
        assert (answer.status_code, answer.json()["type"]) == (409, f"urn:tracetrack:problem:{kind}")
        assert answer.json().get("holder") == holder


async def test_only_a_valid_device_key_may_scan(anonymous: httpx.AsyncClient, sql: Any, fleets: Path, app: Any) -> None:
    for headers in (
        {},
        {"Authorization": "Bearer nonsense"},
        {"Authorization": f"Basic {device_key()}"},
        {"Authorization": f"Bearer {device_key()}x"},
        {"Authorization": f"Bearer {device_key(201)}"},
        {"Authorization": f"Bearer {device_key(1, generation=2)}"},
    ):
        answer = await anonymous.post(URL, json=scan_body("SB00001"), headers=headers)
        assert answer.status_code == 401, headers
        assert answer.headers["www-authenticate"] == "Bearer"
    assert await sql.fetchval("SELECT count(*) FROM scan_ledger") == 0


async def test_keys_follow_the_fleet_directory(environment: dict[str, str], fleets: Path, tmp_path: Path) -> None:
    with AppProcess(environment, tmp_path) as app:
        app.wait_ready()
        async with http_client(base_url=app.url) as client:
            await _keys_follow(client, fleets)


async def _keys_follow(device: httpx.AsyncClient, fleets: Path) -> None:
    device.headers["Authorization"] = f"Bearer {device_key()}"
    assert (await scan(device, "SB00001")).status_code == 201
    (fleets / "new.json").write_text(json.dumps(FLEET | {"generations": {"default": 1, "lucknow-0001": 2}}))
    (fleets / "new.json").rename(fleets / "lucknow.json")

    async def status(key: str) -> int:
        headers = {"Authorization": f"Bearer {key}"}
        return (await device.post(URL, json=scan_body("SB00001"), headers=headers)).status_code

    async with asyncio.timeout(5):
        while await status(device_key()) != 401:
            await asyncio.sleep(0.1)
    assert await status(device_key(1, generation=2)) == 201
    assert await status(device_key(2)) == 201
    (fleets / "lucknow.json").write_text("{broken")
    await asyncio.sleep(1.5)
    assert await status(device_key(2)) == 201


async def test_the_call_is_described_by_openapi(anonymous: httpx.AsyncClient) -> None:
    document = (await anonymous.get("/api/v1/openapi.json")).json()
    operation = document["paths"]["/api/v1/scans"]["post"]
    assert {"200", "201", "401", "409", "422", "503"} <= set(operation["responses"])
    fields = document["components"]["schemas"]["ScanIn"]["properties"]
    assert set(fields) == {"scan_id", "code", "parent", "bill", "station", "captured_at"}
