"""A device's look-up of a bag is answered ahead of the framework, with the framework's answer."""

from __future__ import annotations

import httpx
import pytest

from tests.integration.app.caches import caching
from tests.integration.app.process import AppProcess, scan_body

PARENT, CHILD = "SB04711", "HOT4711A"
URL = f"/api/v1/bags/{PARENT}"
SCANS = "/api/v1/scans"
HEADERS = ("etag", "cache-control", "content-type", "content-length")


@pytest.fixture
async def filled(app: AppProcess, device: httpx.AsyncClient) -> httpx.AsyncClient:
    await caching(app)
    for body in (scan_body(PARENT), scan_body(CHILD, PARENT)):
        assert (await device.post(SCANS, json=body)).status_code == 201
    return device


@pytest.mark.parametrize("code", [PARENT, CHILD, PARENT.lower(), f"%20{CHILD.lower()}"])
async def test_both_ways_answer_alike(filled: httpx.AsyncClient, worker: httpx.AsyncClient, code: str) -> None:
    slow = await worker.get(f"/api/v1/bags/{code}")
    for _ in range(3):
        quick = await filled.get(f"/api/v1/bags/{code}")
        assert (quick.status_code, quick.content) == (200, slow.content)
        assert {name: quick.headers[name] for name in HEADERS} == {name: slow.headers[name] for name in HEADERS}


async def test_a_kept_answer_ends_with_what_it_tells(filled: httpx.AsyncClient) -> None:
    tags = set()
    for number in range(5):
        found = [await filled.get(URL) for _ in range(2)]
        assert [reply.json()["child_count"] for reply in found] == [1 + number] * 2
        tags.update(reply.headers["etag"] for reply in found)
        body = scan_body(f"HOT4711B{number}", PARENT)
        assert (await filled.post(SCANS, json=body)).status_code == 201
    assert len(tags) == 5


async def test_one_with_the_answer_at_hand_gets_304(filled: httpx.AsyncClient) -> None:
    tag = (await filled.get(URL)).headers["etag"]
    assert (await filled.get(URL, headers={"If-None-Match": tag})).status_code == 304
    assert (await filled.get(URL, headers={"If-None-Match": '"other"'})).status_code == 200


async def test_without_a_valid_key_there_is_no_answer(filled: httpx.AsyncClient, anonymous: httpx.AsyncClient) -> None:
    assert (await filled.get(URL)).status_code == 200
    assert (await anonymous.get(URL)).status_code == 401
    headers = {"Authorization": "Bearer ttk1.lucknow.lucknow-0001.1.forged"}
    assert (await anonymous.get(URL, headers=headers)).status_code == 401


async def test_every_look_up_is_counted(filled: httpx.AsyncClient, anonymous: httpx.AsyncClient) -> None:
    async def counted() -> float:
        wanted = 'tracetrack_http_requests_total{method="GET",route="/api/v1/bags/{code}",status="200"}'
        lines = (await anonymous.get("/metrics")).text.splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(wanted))

    before = await counted()
    for _ in range(4):
        assert (await filled.get(URL)).status_code == 200
    assert await counted() == before + 4
