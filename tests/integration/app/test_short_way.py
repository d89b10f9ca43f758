"""A device's scan goes the short way, and is answered as the framework would however it is sent."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest

from tests.integration.app.caches import metric
from tests.integration.app.process import AppProcess, scan_body
from tests.integration.app.raw import Raw, request

LINE = "POST /api/v1/scans HTTP/1.1"


def scan(code: str, parent: str | None = None) -> bytes:
    return json.dumps(scan_body(code, parent)).encode()


async def test_a_body_that_comes_in_pieces_is_one_scan(app: AppProcess) -> None:
    raw = await Raw.to(app)
    whole = request(LINE, scan("SB00001"))
    for start in range(0, len(whole), 40):
        raw.writer.write(whole[start : start + 40])
        await raw.writer.drain()
        await asyncio.sleep(0.002)
    status, headers, body = await raw.answer()
    assert (status, headers["content-type"]) == (201, "application/json")
    assert json.loads(body)["entry"]["code"] == "SB00001"
    raw.writer.close()


async def test_scans_sent_in_one_go_are_answered_in_their_order(app: AppProcess) -> None:
    raw = await Raw.to(app)
    codes = ["SB00001", *(f"CHILD{number}" for number in range(5)), "?"]
    raw.writer.write(b"".join(request(LINE, scan(code, None if code == "SB00001" else "SB00001")) for code in codes))
    answers = [await raw.answer() for _ in codes]
    assert [status for status, _, _ in answers] == [201] * 6 + [422]
    assert [json.loads(body)["entry"]["code"] for _, _, body in answers[:6]] == codes[:6]
    assert answers[6][1]["content-type"] == "application/problem+json"
    raw.writer.close()


@pytest.mark.parametrize(
    ("line", "headers", "closes"),
    [
        (LINE, ["Connection: close"], True),
        ("POST /api/v1/scans HTTP/1.0", [], True),
        (LINE, ["Expect: 100-continue"], False),
        ("POST /api/v1/scans?from=gate HTTP/1.1", [], False),
    ],
    ids=["close", "http/1.0", "expect", "query"],
)
async def test_what_is_out_of_the_ordinary_is_recorded_alike(
    app: AppProcess, line: str, headers: list[str], closes: bool
) -> None:
    raw = await Raw.to(app)
    raw.writer.write(request(line, scan("SB00001"), *headers))
    if "Expect: 100-continue" in headers:
        assert await raw.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    status, answered, _ = await raw.answer()
    assert status == 201
    assert (answered.get("connection") == "close") is closes
    if closes:
        assert await asyncio.wait_for(raw.reader.read(), 10) == b""
    raw.writer.close()


async def test_a_body_in_chunks_is_recorded_and_one_too_large_refused(app: AppProcess) -> None:
    raw = await Raw.to(app)
    body = scan("SB00001")
    raw.writer.write(request(LINE, b"", "Transfer-Encoding: chunked"))
    raw.writer.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))
    assert (await raw.answer())[0] == 201
    raw.writer.write(request(LINE, b" " * 70_000))
    status, headers, _ = await raw.answer()
    assert (status, headers["content-type"]) == (413, "application/problem+json")
    raw.writer.close()


async def test_a_client_that_leaves_has_its_scan_recorded(app: AppProcess, device: httpx.AsyncClient, sql: Any) -> None:
    raw = await Raw.to(app)
    raw.writer.write(request(LINE, scan("SB00001"))[:-20])
    await raw.writer.drain()
    raw.writer.close()
    raw = await Raw.to(app)
    raw.writer.write(request(LINE, scan("SB00002")))
    await raw.writer.drain()
    raw.writer.close()
    async with asyncio.timeout(10):
        while await sql.fetchval("SELECT count(*) FROM scan_ledger") == 0:
            await asyncio.sleep(0.02)
    assert (await device.post("/api/v1/scans", json=scan_body("SB00003"))).status_code == 201
    assert [row[0] for row in await sql.fetch("SELECT code FROM scan_ledger ORDER BY id")] == ["SB00002", "SB00003"]


async def test_every_scan_is_counted_by_its_status(app: AppProcess, device: httpx.AsyncClient) -> None:
    def counted(status: int) -> Any:
        name = "tracetrack_http_requests_total"
        return metric(app, f'{name}{{method="POST",route="/api/v1/scans",status="{status}"}}')

    before = [await counted(status) for status in (200, 201, 409, 422)]
    body = scan_body("SB00001")
    for sent in (body, body, scan_body("CHILD1", "SB00009"), scan_body("?")):
        await device.post("/api/v1/scans", json=sent)
    after = [await counted(status) for status in (200, 201, 409, 422)]
    assert [now - then for now, then in zip(after, before, strict=True)] == [1, 1, 1, 1]
