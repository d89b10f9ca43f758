"""Framework errors, and what every call of the old contract has in common."""

from __future__ import annotations

import httpx

from tests.integration.app.legacy.making import parent

FIELDS = {"success", "message", "error_code", "request_id"}
POSTS = [
    "/api/fast_parent_scan",
    "/process_parent_scan",
    "/ajax/scan_parent",
    "/process_child_scan_fast",
    "/process_child_scan",
    "/scan/child",
    "/api/unlink_child",
    "/api/delete-child-scan",
    "/complete_parent_scan",
    "/scan/complete",
    "/api/bags",
    "/api/link",
    "/bag/1/delete",
    "/api/delete_bag",
    "/api/edit-parent-children",
    "/ipt/new",
    "/ipt/1/finalise",
    "/ipt/1/cancel",
    "/ipt/scan/1/process",
    "/api/v2/scan",
    "/api/v2/batch/scan",
    "/lookup",
]


async def test_errors_have_the_old_shape(
    worker: httpx.AsyncClient, dispatcher: httpx.AsyncClient, anonymous: httpx.AsyncClient
) -> None:
    cases = [
        (worker, "GET", "/api/bags?limit=x", 400, "bad_request"),
        (anonymous, "GET", "/api/bags", 401, "unauthorized"),
        (dispatcher, "GET", "/api/system_health", 403, "forbidden"),
        (worker, "GET", "/no/such/page", 404, "not_found"),
        (worker, "GET", "/api/parent-children/SB00099", 404, "not_found"),
        (worker, "GET", "/api/link", 405, "method_not_allowed"),
        (worker, "DELETE", "/api/bags", 405, "method_not_allowed"),
    ]
    seen = set()
    for client, method, path, status, code in cases:
        answer = await client.request(method, path)
        body = answer.json()
        assert (answer.status_code, body["success"], body["error_code"]) == (status, False, code), path
        assert set(body) >= FIELDS
        assert body["message"]
        seen.add(body["request_id"])
    assert len(seen) == len(cases)


async def test_every_unsafe_call_needs_a_session_and_its_token(
    worker: httpx.AsyncClient, anonymous: httpx.AsyncClient
) -> None:
    await parent(worker, "SB00001", "CHILD1")
    fields = {"qr_code": "SB00002"}
    for path in POSTS:
        stranger = await anonymous.post(path, data=fields)
        assert (stranger.status_code, stranger.json()["auth_required"]) == (401, True), path
    token = worker.headers.pop("X-CSRFToken")
    for path in POSTS:
        for wrong in ({}, {"csrf_token": "0" * 64}, {"csrf_token": "ü"}):
            answer = await worker.post(path, data={**fields, **wrong})
            assert (answer.status_code, answer.json()["error_code"]) == (400, "csrf"), path
    stats = (await worker.get("/api/stats")).json()["statistics"]
    assert (stats["total_parent_bags"], stats["total_scans"]) == (1, 2)
    assert (await worker.post("/api/fast_parent_scan", json={**fields, "csrf_token": token})).status_code == 200


async def test_a_body_that_is_none_is_refused(worker: httpx.AsyncClient) -> None:
    bodies = [b"{", b"[]", b'"text"', b"\xff\xfe", b"[" * 5000, b'{"qr_code": "\\ud800"}']
    for path in POSTS:
        for content in bodies:
            answer = await worker.post(path, content=content, headers={"Content-Type": "application/json"})
            assert (answer.status_code, answer.json()["error_code"]) == (400, "bad_request"), (path, content[:10])


async def test_a_body_past_the_limit_is_413(worker: httpx.AsyncClient) -> None:
    large = b'{"qr_code": "' + b"A" * 70_000 + b'"}'
    for path in POSTS:
        answer = await worker.post(path, content=large, headers={"Content-Type": "application/json"})
        body = answer.json()
        assert (answer.status_code, body["success"], body["error_code"]) == (413, False, "too_large"), path
        assert set(body) >= FIELDS


async def test_odd_addresses_and_numbers_are_no_server_errors(worker: httpx.AsyncClient) -> None:
    for path in (
        "/ipt/%00",
        "/ipt/999999999999999999",
        "/bag/%00",
        "/bag/%ED%A0%80",
        "/bags?search=SB&after=%00",
        "/bags?after=%F0%9F%98%80",
        "/api/bags?offset=999999999999999999",
        "/api/bags?offset=9999999999999999999",
        "/api/bags?search=%00%FF&limit=999999999999999999",
        "/api/bags/parent/list?page=999999999999999999&per_page=1000",
        "/api/bags/999999999999999999/children",
        "/api/bags/9999999999999999999/children",
        "/api/bags/%00/children",
        "/api/bags/search?q=%E2%80%8B",
        "/api/parent-children/%00",
        "/api/scans?limit=999999999999999999&before=999999999999999999",
        "/api/activity/%D9%A7",
        "/lookup?q=" + "%F0%9F%98%80" * 300,
    ):
        answer = await worker.get(path)
        assert answer.status_code in (200, 400, 404), (path, answer.text)
        assert "success" in answer.json()


async def test_forms_may_be_long_but_not_endless(worker: httpx.AsyncClient) -> None:
    path = "/api/edit-parent-children"
    await parent(worker, "SB00001")
    for count, status in ((100, 200), (1300, 400)):
        codes = [f"CHILD{number}" for number in range(count)]
        form = await worker.post(path, data={"parent_qr": "SB00001", "child_qrs[]": codes})
        assert (form.status_code, form.json()["success"]) == (status, False), form.text
        parts = [("parent_qr", (None, "SB00001")), *[("child_qrs[]", (None, code)) for code in codes[:300]]]
        assert (await worker.post(path, files=parts)).json()["error_type"] == "children_refused"
