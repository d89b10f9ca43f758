"""One bag looked up: by API v1 with its entity tag, and in the shape of the existing system."""

from __future__ import annotations

from typing import Any

import httpx

from tests.integration.app.caches import caching
from tests.integration.app.process import PASSWORD, AppProcess, scan_body


async def make(device: httpx.AsyncClient, *codes: tuple[str, str | None]) -> None:
    for code, parent in codes:
        response = await device.post("/api/v1/scans", json=scan_body(code, parent))
        assert response.status_code == 201, response.text


async def test_a_parent_and_its_child(app: AppProcess, device: httpx.AsyncClient) -> None:
    await make(device, ("SB00001", None), ("CHILD1", "SB00001"), ("CHILD2", "SB00001"))
    parent = (await device.get("/api/v1/bags/sb00001")).json()
    assert parent | {"id": 0, "created_at": "", "updated_at": ""} == {
        "id": 0,
        "code": "SB00001",
        "kind": "parent",
        "status": "in_progress",
        "name": "",
        "area": None,
        "parent": None,
        "bill": None,
        "child_count": 2,
        "expected_count": 30,
        "children": ["CHILD1", "CHILD2"],
        "actual_weight_kg": 2.0,
        "expected_weight_kg": 30.0,
        "created_at": "",
        "updated_at": "",
    }
    child = (await device.get("/api/v1/bags/LABEL%20NO.:1234")).json()
    assert (child["status"], child["type"]) == (404, "urn:tracetrack:problem:bag-not-found")
    child = (await device.get("/api/v1/bags/child2")).json()
    assert (child["kind"], child["parent"], child["children"], child["actual_weight_kg"]) == (
        "child",
        "SB00001",
        [],
        None,
    )


async def test_the_tag_tells_whether_the_bag_is_as_it_was(app: AppProcess, device: httpx.AsyncClient) -> None:
    await caching(app)
    await make(device, ("SB00001", None))
    first = await device.get("/api/v1/bags/SB00001")
    tag = first.headers["etag"]
    for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        same = await device.get("/api/v1/bags/SB00001", headers={"If-None-Match": known})
        assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", tag)
    await make(device, ("CHILD1", "SB00001"))
    changed = await device.get("/api/v1/bags/SB00001", headers={"If-None-Match": tag})
    assert (changed.status_code, changed.json()["child_count"]) == (200, 1)
    assert changed.headers["etag"] != tag


async def test_it_takes_a_key_a_session_or_a_token(app: AppProcess, anonymous: httpx.AsyncClient) -> None:
    nobody = await anonymous.get("/api/v1/bags/SB00001")
    assert (nobody.status_code, nobody.headers["content-type"]) == (401, "application/problem+json")
    async with app.logged_in() as person:
        missing = await person.get("/api/v1/bags/SB00001")
        assert (missing.status_code, missing.headers["content-type"]) == (404, "application/problem+json")
        assert missing.json()["code"] == "SB00001"
        assert (await person.get("/api/v1/bags/%00%20?")).status_code == 404


async def test_a_bag_of_another_area_is_not_there(app: AppProcess, worker: httpx.AsyncClient, sql: Any) -> None:
    await caching(app)
    await sql.execute(
        "INSERT INTO users (username, password_hash, role, area)"
        " SELECT 'north', password_hash, 'dispatcher', 'lucknow' FROM users WHERE username = 'admin'"
    )
    async with app.logged_in("north", PASSWORD) as north:
        assert (await north.post("/api/fast_parent_scan", data={"qr_code": "SB00001"})).json()["success"]
        assert (await worker.post("/api/fast_parent_scan", data={"qr_code": "SB00002"})).json()["success"]
        for who, expected in ((north, (200, 404)), (worker, (200, 200))):
            for path in ("/api/v1/bags/", "/api/bag/"):
                found = [(await who.get(path + code)).status_code for code in ("SB00001", "SB00002")]
                assert tuple(found) == expected, path


async def test_the_shape_of_the_existing_system(worker: httpx.AsyncClient, anonymous: httpx.AsyncClient) -> None:
    await worker.post("/api/fast_parent_scan", data={"qr_code": "SB00001"})
    await worker.post("/process_child_scan_fast", data={"qr_code": "CHILD1"})
    found = (await worker.get("/api/bag/sb00001")).json()
    assert (found["success"], found["qr_id"], found["type"], found["status"]) == (
        True,
        "SB00001",
        "parent",
        "in_progress",
    )
    assert isinstance(found["id"], int)
    assert (found["child_count"], found["children"], found["weight_kg"]) == (1, ["CHILD1"], 1.0)
    missing = await worker.get("/api/bag/SB00009")
    assert (missing.status_code, missing.json()["success"], missing.json()["error_code"]) == (404, False, "not_found")
    assert (await anonymous.get("/api/bag/SB00001")).status_code == 401


async def test_what_is_changed_otherwise_than_by_scans_is_fresh_too(app: AppProcess, worker: httpx.AsyncClient) -> None:
    await caching(app)
    await worker.post("/api/fast_parent_scan", data={"qr_code": "SB00001"})
    for number in range(3):
        await worker.post("/process_child_scan_fast", data={"qr_code": f"CHILD{number}"})
        assert (await worker.get("/api/bag/SB00001")).json()["child_count"] == number + 1
    await worker.post("/api/unlink_child", json={"qr_code": "CHILD1"})
    bag = (await worker.get("/api/bag/SB00001")).json()
    assert (bag["child_count"], bag["children"]) == (2, ["CHILD0", "CHILD2"])
    assert (await worker.get("/api/bag/CHILD1")).json()["parent_qr"] is None
    done = await worker.post("/complete_parent_scan", json={"parent_qr": "SB00001", "confirm": True})
    assert done.json()["success"], done.text
    assert (await worker.get("/api/bag/SB00001")).json()["status"] == "completed"
