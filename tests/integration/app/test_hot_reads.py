"""A device's look-up of a bag is answered ahead of the framework, with the framework's answer."""

from __future__ import annotations

import asyncio
import json

import httpx
import pytest

from tests.integration.app.caches import caching
from tests.integration.app.process import AppProcess, scan_body
from tests.integration.app.raw import Raw, request

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


async def test_requests_sent_in_one_go_are_answered_in_their_order(app: AppProcess, filled: httpx.AsyncClient) -> None:
    assert (await filled.get(URL)).status_code == 200
    raw = await Raw.to(app)
    look_up = request(f"GET {URL} HTTP/1.1")
    scan = request(f"POST {SCANS} HTTP/1.1", json.dumps(scan_body("HOT4711C", PARENT)).encode())
    sent = [look_up, look_up, scan, look_up, look_up]
    raw.writer.write(b"".join(sent))
    answers = [await raw.answer() for _ in sent]
    assert [status for status, _, _ in answers] == [200, 200, 201, 200, 200]
    counts = [json.loads(body)["child_count"] for _, headers, body in answers if "etag" in headers]
    assert counts == [1, 1, 2, 2]
    raw.writer.write(look_up)
    assert (await raw.answer())[0] == 200
    raw.writer.close()


@pytest.mark.parametrize(
    ("sent", "closes"),
    [
        (request(f"GET {URL} HTTP/1.1", b"", "Connection: close"), True),
        (request(f"GET {URL} HTTP/1.0"), True),
        (request(f"GET {URL} HTTP/1.1", b"{}"), False),
        (request(f"GET {URL}?verbose=1 HTTP/1.1"), False),
    ],
    ids=["close", "http/1.0", "body", "query"],
)
async def test_what_is_out_of_the_ordinary_is_answered_alike(
    app: AppProcess, filled: httpx.AsyncClient, sent: bytes, closes: bool
) -> None:
    known = await filled.get(URL)
    raw = await Raw.to(app)
    raw.writer.write(sent)
    status, headers, body = await raw.answer()
    assert (status, body, headers["etag"]) == (200, known.content, known.headers["etag"])
    assert (headers.get("connection") == "close") is closes
    raw.writer.write(b"" if closes else request(f"GET {URL} HTTP/1.1"))
    if closes:
        assert await asyncio.wait_for(raw.reader.read(), 10) == b""
    else:
        assert (await raw.answer())[2] == known.content
    raw.writer.close()
