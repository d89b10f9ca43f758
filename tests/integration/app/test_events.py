"""Live events by WebSocket, as a page or a wall display follows them."""

from __future__ import annotations

import asyncio
import json
import socket
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.integration.app.accounts import logged_in, make_user
from tests.integration.app.caches import caching, metric
from tests.integration.app.conftest import device_key
from tests.integration.app.process import PASSWORD, AppProcess, scan_body


def opened(app: AppProcess, sock: socket.socket | None = None, max_queue: int = 16, **headers: str) -> connect:
    """With a `sock`, without pings of its own: who does not read does not see their answers."""
    url = app.url.replace("http", "ws", 1) + "/api/v1/events"
    pings = None if sock is not None else 20.0
    return connect(url, additional_headers=headers, max_queue=max_queue, sock=sock, ping_interval=pings)


async def gathered(socket: ClientConnection, count: int) -> list[dict[str, Any]]:
    """The next events but resyncs, at least so many."""
    found: list[dict[str, Any]] = []
    async with asyncio.timeout(20):
        while len(found) < count:
            found += [event for event in json.loads(await socket.recv()) if event["type"] != "resync"]
    return found


KEY = {"Authorization": f"Bearer {device_key()}"}


async def test_what_is_committed_is_told(app: AppProcess, device: httpx.AsyncClient) -> None:
    # An app that has just met Redis says resync, in the place of what it had gathered.
    await caching(app)
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


def told(events: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    return [(event["type"], event["outcome"], event["code"]) for event in events]


async def test_changes_by_hand_are_told_as_scans_are(app: AppProcess, worker: httpx.AsyncClient) -> None:
    await make_user(worker, "north", dispatch_area="lucknow")
    await make_user(worker, "south", dispatch_area="indore")
    async with (
        logged_in(app, "north") as north,
        logged_in(app, "south") as south,
        opened(app, Cookie=f"session={worker.cookies['session']}") as everything,
        opened(app, Cookie=f"session={north.cookies['session']}") as of_north,
        opened(app, Cookie=f"session={south.cookies['session']}") as of_south,
    ):

        async def done(client: httpx.AsyncClient, method: str, path: str, body: Any = None) -> Any:
            answer = await client.request(method, f"/api/v1/{path}", json=body)
            assert answer.status_code < 300, answer.text
            return answer.json() if answer.content else None

        await done(north, "POST", "bags", {"code": "SB00001"})
        await done(worker, "PUT", "bags/SB00001/children", {"children": ["CHILD1", "CHILD2"]})
        await done(worker, "PUT", "bags/SB00001/children", {"children": ["CHILD2"]})
        await done(north, "POST", "scans/undo", {"scan_id": str(uuid4()), "code": "CHILD2"})
        await done(worker, "PATCH", "bags/SB00001", {"name": "Wheat"})
        await done(north, "POST", "scans", scan_body("CHILD3", "SB00001"))
        await done(north, "POST", "bags/SB00001/complete", {"short": True})
        await done(north, "POST", "bags/SB00001/reopen")
        await done(worker, "DELETE", "bags/CHILD1")
        bags = [
            ("change", "bag_registered", "SB00001"),
            ("scan", "child_linked", "CHILD1"),
            ("scan", "child_linked", "CHILD2"),
            ("undo", "unlinked", "CHILD1"),
            ("undo", "unlinked", "CHILD2"),
            ("change", "bag_changed", "SB00001"),
            ("scan", "child_linked", "CHILD3"),
            ("change", "parent_completed", "SB00001"),
            ("change", "parent_reopened", "SB00001"),
            ("change", "bag_deleted", "CHILD1"),
        ]
        seen = await gathered(everything, len(bags))
        assert told(seen) == bags
        assert told(await gathered(of_north, len(bags))) == bags
        assert [event["counts"]["child_count"] for event in seen[5:9]] == [0, 1, 1, 1]

        await done(worker, "POST", "bills", {"code": "Truck 7", "capacity": 5})
        await done(worker, "PATCH", "bills/truck%207", {"destination": "Jaipur"})
        await done(worker, "PATCH", "bills/truck%207", {"destination": "Jaipur"})
        await done(worker, "POST", "scans", scan_body("SB00001", bill="Truck 7"))
        await done(worker, "POST", "bills/truck%207/complete")
        await done(worker, "POST", "bills/truck%207/reopen")
        await done(worker, "DELETE", "bills/truck%207/bags/SB00001")
        await done(worker, "POST", "scans", scan_body("SB00001", bill="Truck 7"))
        for code, end in (("RT-1", "finalise"), ("RT-2", "cancel")):
            ticket = (await done(worker, "POST", "returns", {"location": "C&F", "code": code}))["id"]
            await done(worker, "POST", f"returns/{ticket}/scans", {"code": "SB00001"})
            await done(worker, "POST", f"returns/{ticket}/{end}")
            if code == "RT-1":
                await done(worker, "POST", "scans", scan_body("SB00001", bill="Truck 7"))
        await done(worker, "DELETE", "bills/truck%207")
        expected = [
            ("change", "bill_created", "Truck 7"),
            ("change", "bill_changed", "Truck 7"),
            ("scan", "bill_linked", "SB00001"),
            ("change", "bill_completed", "Truck 7"),
            ("change", "bill_reopened", "Truck 7"),
            ("undo", "bill_unlinked", "SB00001"),
            ("scan", "bill_linked", "SB00001"),
            ("change", "return_opened", "RT-1"),
            ("undo", "returned", "SB00001"),
            ("change", "return_finalised", "RT-1"),
            ("scan", "bill_linked", "SB00001"),
            ("change", "return_opened", "RT-2"),
            ("undo", "returned", "SB00001"),
            ("scan", "bill_linked", "SB00001"),
            ("change", "return_cancelled", "RT-2"),
            ("undo", "bill_unlinked", "SB00001"),
            ("change", "bill_deleted", "Truck 7"),
        ]
        seen = await gathered(everything, len(expected))
        assert told(seen) == expected
        assert {event["bill"] for event in seen if event["outcome"].startswith("bill_")} == {"Truck 7"}
        completed = seen[3]
        assert completed["counts"] == {
            "child_count": None,
            "expected_count": None,
            "bill_count": 1,
            "bill_capacity": 5,
        }
        assert completed.keys() == seen[2].keys()
        assert datetime.fromisoformat(completed["at"]) >= datetime.fromisoformat(seen[2]["at"])

        # Of bills and tickets a dispatcher hears nothing but what became of the bags of his area.
        mine = [each for each in expected if each[2] == "SB00001"]
        assert told(await gathered(of_north, len(mine))) == mine
        await done(south, "POST", "bags", {"code": "SB00002"})
        assert told(await gathered(of_south, 1)) == [("change", "bag_registered", "SB00002")]


async def test_an_import_is_told_by_the_batch(app: AppProcess, worker: httpx.AsyncClient) -> None:
    async with opened(app, Cookie=f"session={worker.cookies['session']}") as socket:
        rows = "Bill,Capacity\n" + "".join(f"Truck {number},5\n" for number in range(1, 41)) + "Truck 41,many\n"
        for dry_run in ("1", ""):
            answer = await worker.post(
                "/import/bills", files={"file": ("bills.csv", rows.encode())}, data={"dry_run": dry_run}
            )
            assert answer.json()["complete"] is True, answer.text
        first, last = await gathered(socket, 2)
        await worker.post("/api/fast_parent_scan", data={"qr_code": "SB00001"})
        [after] = await gathered(socket, 1)
    assert after["code"] == "SB00001"
    number = answer.json()["import_id"]
    assert told([first, last]) == [("change", "import_progress", number), ("change", "import_finished", number)]
    assert last["rows"] == {"total": 41, "done": 41, "imported": 40, "repeated": 0, "unchanged": 0, "refused": 1}


async def test_a_slow_reader_is_told_that_it_missed_some(app: AppProcess, device: httpx.AsyncClient) -> None:
    async def dropped() -> float:
        return await metric(app, 'tracetrack_events_total{fate="dropped"}')

    address = urlsplit(app.url)
    narrow = socket.socket()
    # A small window, so that little is under way when the reader stops.
    narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    narrow.connect((address.hostname, address.port))
    async with opened(app, **KEY) as quick, opened(app, **KEY, sock=narrow, max_queue=1) as slow:
        before, sent = await dropped(), 0
        while await dropped() == before:
            assert sent < 50_000, "nothing that waits for a slow socket is ever given up"
            scans = [scan_body(f"SB{number:05d}") for number in range(sent, sent + 500)]
            answer = await device.post("/api/v1/scans/bulk", json={"scans": scans})
            assert answer.status_code == 207
            await gathered(quick, 500)
            sent += 500
        heard: list[dict[str, Any]] = []
        async with asyncio.timeout(20):
            while {"type": "resync"} not in heard:
                heard += json.loads(await slow.recv())
        assert 0 < len(heard) < sent
        await device.post("/api/v1/scans", json=scan_body("SB99999"))
        assert [(await gathered(each, 1))[0]["code"] for each in (quick, slow)] == ["SB99999", "SB99999"]


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
