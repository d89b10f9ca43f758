"""Redis, a database that takes no writes, a slow one, clients that go: scans go on or are refused in words."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import httpx
import pytest

from tests.backing import PostgresServer, RedisServer
from tests.integration.app.conftest import device_key
from tests.integration.app.failure.agreement import nothing_lost_nothing_doubled, until
from tests.integration.app.http import http_client, http_get
from tests.integration.app.process import AppProcess, Load, scan_body
from tracetrack_app.store.check import check

HEADERS = {"Authorization": f"Bearer {device_key()}"}


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@asynccontextmanager
async def superuser(postgres: PostgresServer, dsn: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(postgres.dsn_for(urlsplit(dsn).path.strip("/")))
    try:
        yield connection
    finally:
        await connection.close()


async def test_scans_go_on_without_redis_and_when_it_comes_back_empty(
    environment: dict[str, str], own_redis: RedisServer, tmp_path: Path
) -> None:
    with AppProcess(environment | {"REDIS_URL": own_redis.url}, tmp_path) as app:
        app.wait_ready()
        load = Load(app.url, device_key(), retry=True)
        async with app.logged_in() as worker:
            await load.start()
            await load.until(200)
            await asyncio.to_thread(own_redis.kill)
            await load.until(len(load.acknowledged) + 300)
            told = await worker.post("/api/fast_parent_scan", data={"qr_code": "SB99999"})
            assert told.json()["success"] is True
            assert app.status("/ready") == 200
            await asyncio.to_thread(own_redis.start)
            await load.until(len(load.acknowledged) + 200)
            await until(lambda: _may_log_in(app))
            assert (await worker.get("/dashboard")).status_code == 200
        await load.stop()
        assert not load.unknown
    load.acknowledged[(await _scan_id(environment["DATABASE_URL"], "SB99999"))] = "SB99999"
    await nothing_lost_nothing_doubled(environment["DATABASE_URL"], load)


def _may_log_in(app: AppProcess) -> bool:
    async def go() -> bool:
        try:
            async with app.logged_in():
                return True
        except AssertionError:
            return False

    return asyncio.run(go())


async def _scan_id(dsn: str, code: str) -> str:
    connection = await asyncpg.connect(dsn)
    try:
        return str(await connection.fetchval("SELECT scan_id FROM scan_ledger WHERE code = $1", code))
    finally:
        await connection.close()


async def test_a_database_that_takes_no_writes_is_said_and_met_again(
    postgres: PostgresServer, environment: dict[str, str], tmp_path: Path
) -> None:
    dsn = environment["DATABASE_URL"]
    database = urlsplit(dsn).path.strip("/")
    with AppProcess(environment | {"TRACETRACK_SCAN_TIMEOUT": "2"}, tmp_path) as app:
        app.wait_ready()
        load = Load(app.url, device_key(), retry=True)
        await load.start()
        await load.until(200)
        postgres.sql(f'alter database "{database}" set default_transaction_read_only = on', "postgres")
        postgres.sql(f"select pg_terminate_backend(pid) from pg_stat_activity where datname = '{database}'", "postgres")
        await until(lambda: "takes no writes" in _ready(app))
        async with http_client(base_url=app.url, headers=HEADERS, timeout=10) as client:
            refused = await client.post("/api/v1/scans", json=scan_body("SB00001"))
            load.unknown[json.loads(refused.request.content)["scan_id"]] = "SB00001"
        assert (refused.status_code, bool(refused.headers["retry-after"])) == (503, True)
        assert app.status("/live") == 200
        postgres.sql(f'alter database "{database}" reset default_transaction_read_only', "postgres")
        await until(lambda: app.status("/ready") == 200)
        await load.until(len(load.acknowledged) + 200)
        await load.stop()
    await nothing_lost_nothing_doubled(dsn, load)


def _ready(app: AppProcess) -> str:
    return http_get(app.url + "/ready", timeout=10).text


async def test_a_slow_database_fills_a_bounded_queue_and_clients_are_told_when_to_come_back(
    postgres: PostgresServer, environment: dict[str, str], tmp_path: Path
) -> None:
    dsn = environment["DATABASE_URL"]
    settings = {"TRACETRACK_QUEUE_LIMIT": "20", "TRACETRACK_SCAN_TIMEOUT": "2"}
    bodies = [scan_body(f"SB{number:05d}") for number in range(80)]
    with AppProcess(environment | settings, tmp_path) as app:
        app.wait_ready()
        async with http_client(
            base_url=app.url, headers=HEADERS, timeout=20, limits=httpx.Limits(max_connections=200)
        ) as client:
            async with superuser(postgres, dsn) as blocker, blocker.transaction():
                await blocker.execute("LOCK TABLE scan_ledger IN EXCLUSIVE MODE")
                async with asyncio.timeout(20):
                    answers = await asyncio.gather(*[client.post("/api/v1/scans", json=body) for body in bodies])
            assert {answer.status_code for answer in answers} == {503}
            details = [answer.json()["detail"] for answer in answers]
            assert all(answer.headers["retry-after"] for answer in answers)
            assert any("Too many scans are waiting" in words for words in details)
            assert any("does not answer" in words for words in details)
            load = Load(app.url, device_key())
            for body in bodies:
                async with asyncio.timeout(20):
                    while (answer := await client.post("/api/v1/scans", json=body)).status_code == 503:
                        await asyncio.sleep(0.1)
                assert answer.status_code in (200, 201)
                load.acknowledged[str(body["scan_id"])] = str(body["code"])
    await nothing_lost_nothing_doubled(dsn, load)


async def test_clients_that_leave_in_the_middle_lose_nothing_that_they_send_again(
    environment: dict[str, str], tmp_path: Path
) -> None:
    dsn = environment["DATABASE_URL"]
    load = Load("", device_key())
    with AppProcess(environment, tmp_path) as app:
        app.wait_ready()
        async with http_client(base_url=app.url, headers=HEADERS, timeout=20) as client:
            first = scan_body("SB00001")
            assert (await client.post("/api/v1/scans", json=first)).status_code == 201
            load.acknowledged[str(first["scan_id"])] = "SB00001"
            bodies = [scan_body(f"CHILD{number:03d}", "SB00001") for number in range(25)]
            for number, body in enumerate(bodies):
                # Cut off after the head, within the body, and with the request whole but the answer not awaited.
                await _send_and_leave(app.port, body, (0.3, 0.95, 1.0)[number % 3])
            answers = await asyncio.gather(*[client.post("/api/v1/scans", json=body) for body in bodies])
            assert {answer.status_code for answer in answers} <= {200, 201}
            assert max(answer.json()["counts"]["child_count"] for answer in answers) == 25
            assert app.status("/ready") == 200
            assert "Traceback" not in app.log
    load.acknowledged |= {str(body["scan_id"]): str(body["code"]) for body in bodies}
    await nothing_lost_nothing_doubled(dsn, load)


async def _send_and_leave(port: int, body: dict[str, object], share: float) -> None:
    data = json.dumps(body).encode()
    request = (
        f"POST /api/v1/scans HTTP/1.1\r\nHost: x\r\nAuthorization: {HEADERS['Authorization']}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
    ).encode() + data
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request[: int(len(request) * share)])
    await writer.drain()
    writer.transport.abort()


async def test_a_hundred_racing_by_both_contracts_for_the_last_places_get_exactly_thirty(
    environment: dict[str, str], tmp_path: Path
) -> None:
    with AppProcess(environment, tmp_path) as app, AppProcess(environment, tmp_path) as replica:
        app.wait_ready()
        replica.wait_ready()
        async with app.logged_in() as worker, http_client(headers=HEADERS, timeout=30) as devices:
            assert (await devices.post(app.url + "/api/v1/scans", json=scan_body("SB00001"))).status_code == 201

            async def v1(number: int) -> bool:
                url = (app if number % 4 else replica).url
                body = scan_body(f"DEVICE{number:03d}", "SB00001")
                answer = await devices.post(url + "/api/v1/scans", json=body)
                assert answer.status_code in (201, 409), answer.text
                return answer.status_code == 201

            async def legacy(number: int) -> bool:
                data = {"qr_code": f"LEGACY{number:03d}", "parent_qr": "SB00001", "scan_id": str(uuid4())}
                answer = await worker.post("/process_child_scan_fast", data=data)
                assert answer.status_code == 200, answer.text
                if not answer.json()["success"]:
                    assert answer.json()["message"].startswith("Maximum 30")
                return bool(answer.json()["success"])

            got = await asyncio.gather(*[(v1 if number % 2 else legacy)(number) for number in range(100)])
    assert sum(got) == 30
    connection = await asyncpg.connect(environment["DATABASE_URL"])
    assert await connection.fetchval("SELECT child_count FROM bags WHERE code = 'SB00001'") == 30
    assert (await check(connection)).broken == {}
    await connection.close()
