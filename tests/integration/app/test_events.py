"""Live events by WebSocket, as a page or a wall display follows them."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.integration.app.conftest import device_key
from tests.integration.app.process import PASSWORD, AppProcess, scan_body


def opened(app: AppProcess, **headers: str) -> connect:
    return connect(app.url.replace("http", "ws", 1) + "/api/v1/events", additional_headers=headers)


async def gathered(socket: ClientConnection, count: int) -> list[dict[str, Any]]:
    """The next events but resyncs, at least so many."""
    found: list[dict[str, Any]] = []
    async with asyncio.timeout(20):
        while len(found) < count:
            found += [event for event in json.loads(await socket.recv()) if event["type"] != "resync"]
    return found


KEY = {"Authorization": f"Bearer {device_key()}"}


async def test_what_is_committed_is_told(app: AppProcess, device: httpx.AsyncClient) -> None:
    async with opened(app, **KEY) as socket:
        answers = [
            await device.post("/api/v1/scans", json=scan_body(*codes))
            for codes in (("SB00001",), ("CHILD1", "SB00001"), ("CHILD1", "SB00001"), ("CHILD2", "SB00009"))
        ]
        assert [answer.status_code for answer in answers] == [201, 201, 409, 409]
        created, linked, twice, lost = await gathered(socket, 4)
        assert socket.protocol.extensions == []
    assert (created["type"], created["outcome"], created["code"]) == ("scan", "parent_created", "SB00001")
    entry = answers[1].json()["entry"]
    assert linked == {
        "type": "scan",
        "code": "CHILD1",
        "parent": "SB00001",
        "bill": None,
        "outcome": "child_linked",
        "refusal": None,
        "counts": {"child_count": 1, "expected_count": 30, "bill_count": None, "bill_capacity": None},
        "at": entry["recorded_at"],
    }
    assert [(each["type"], each["refusal"]) for each in (twice, lost)] == [
        ("refusal", "duplicate_child"),
        ("refusal", "parent_not_found"),
    ]


async def test_the_same_scan_sent_again_is_told_once(app: AppProcess, device: httpx.AsyncClient) -> None:
    async with opened(app, **KEY) as socket:
        body = scan_body("SB00001")
        for _ in range(3):
            await device.post("/api/v1/scans", json=body)
        await device.post("/api/v1/scans", json=scan_body("SB00002"))
        assert [event["code"] for event in await gathered(socket, 2)] == ["SB00001", "SB00002"]


async def test_a_session_follows_and_an_area_limits(app: AppProcess, worker: httpx.AsyncClient, sql: Any) -> None:
    await sql.execute(
        "INSERT INTO users (username, password_hash, role, area)"
        " SELECT name, password_hash, 'dispatcher', name FROM users, unnest('{lucknow,indore}'::text[]) name"
        " WHERE username = 'admin'"
    )
    async with app.logged_in("lucknow", PASSWORD) as north, app.logged_in("indore", PASSWORD) as south:
        cookies = [f"session={each.cookies['session']}" for each in (worker, north, south)]
        async with (
            opened(app, Cookie=cookies[0]) as everything,
            opened(app, Cookie=cookies[1]) as of_north,
            opened(app, Cookie=cookies[2]) as of_south,
        ):
            for each, code in ((north, "SB00001"), (south, "SB00002"), (worker, "SB00003")):
                assert (await each.post("/api/fast_parent_scan", data={"qr_code": code})).json()["success"]
            assert [event["code"] for event in await gathered(everything, 3)] == ["SB00001", "SB00002", "SB00003"]
            assert [event["code"] for event in await gathered(of_north, 1)] == ["SB00001"]
            assert [event["code"] for event in await gathered(of_south, 1)] == ["SB00002"]
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.3):
                    await of_north.recv()


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, 4401),
        ({"Authorization": "Bearer ttk1.not.a.key"}, 4401),
        ({"Cookie": "session=forged"}, 4401),
        ({**KEY, "Origin": "https://elsewhere.example"}, 4403),
    ],
)
async def test_who_may_not_watch_is_told_why(app: AppProcess, headers: dict[str, str], code: int) -> None:
    async with opened(app, **headers) as socket:
        with pytest.raises(ConnectionClosed) as closed:
            await asyncio.wait_for(socket.recv(), 10)
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, bool(closed.value.rcvd.reason)) == (code, True)
