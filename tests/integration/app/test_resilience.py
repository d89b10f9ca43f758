"""Nothing acknowledged is lost and nothing counts twice, whatever is stopped, killed or restarted."""

from __future__ import annotations

import asyncio
import signal
import socket
from pathlib import Path
from typing import Any

import pytest

from tests.backing import PostgresServer, RedisServer
from tests.integration.app.conftest import FLEET, device_key
from tests.integration.app.failure.agreement import nothing_lost_nothing_doubled, until
from tests.integration.app.http import http_client, http_get
from tests.integration.app.process import PASSWORD, AppProcess, Load, scan_body


async def test_sigterm_under_load_drains_and_exits_0(environment: dict[str, str], tmp_path: Path) -> None:
    with AppProcess(environment, tmp_path) as app:
        app.wait_ready()
        load = Load(app.url, device_key())
        await load.start()
        await load.until(300)
        app.send(signal.SIGTERM)
        assert await asyncio.to_thread(app.wait, 25) == 0
        await load.stop()
        assert "stopping" in app.log
        assert "Traceback" not in app.log
    await nothing_lost_nothing_doubled(environment["DATABASE_URL"], load)


async def test_ready_is_503_before_connections_are_refused(environment: dict[str, str], tmp_path: Path) -> None:
    with AppProcess(environment | {"TRACETRACK_DRAIN_DELAY": "2"}, tmp_path) as app:
        app.wait_ready()
        async with http_client(base_url=app.url) as client:
            app.send(signal.SIGTERM)
            async with asyncio.timeout(1.5):
                while (answer := await client.get("/ready")).status_code != 503:
                    await asyncio.sleep(0.02)
            assert answer.json()["message"] == "stopping"
            headers = {"Authorization": f"Bearer {device_key()}"}
            taken = await client.post("/api/v1/scans", json=scan_body("SB00001"), headers=headers)
            assert (taken.status_code, taken.headers["connection"]) == (201, "close")
        assert await asyncio.to_thread(app.wait, 10) == 0


async def test_sigkill_under_load_loses_nothing_acknowledged(environment: dict[str, str], tmp_path: Path) -> None:
    with AppProcess(environment, tmp_path) as app:
        app.wait_ready()
        load = Load(app.url, device_key())
        await load.start()
        await load.until(300)
        app.send(signal.SIGKILL)
        assert await asyncio.to_thread(app.wait) == -signal.SIGKILL
        await load.stop()
    await nothing_lost_nothing_doubled(environment["DATABASE_URL"], load)


@pytest.fixture
def own_postgres() -> Any:
    with PostgresServer(fast=False) as server:
        yield server


@pytest.mark.parametrize("how", ["restart", "kill"])
async def test_a_database_restarted_under_load_costs_nothing(
    own_postgres: PostgresServer, environment: dict[str, str], tmp_path: Path, how: str
) -> None:
    with AppProcess(environment | {"DATABASE_URL": own_postgres.dsn}, tmp_path) as app:
        app.wait_ready()
        load = Load(app.url, device_key(), retry=True)
        await load.start()
        await load.until(200)
        await asyncio.to_thread(own_postgres.restart if how == "restart" else own_postgres.kill)
        if how == "kill":
            await until(lambda: app.status("/ready") == 503)
            assert app.status("/live") == 200
            await asyncio.to_thread(own_postgres.start)
        await load.until(len(load.acknowledged) + 200, 30)
        await load.stop()
        assert not load.unknown
        assert load.statuses.get(409, 0) == 0
        await until(lambda: app.status("/ready") == 200)
        await nothing_lost_nothing_doubled(own_postgres.dsn, load)


async def test_the_app_waits_for_its_database_and_says_so(environment: dict[str, str], tmp_path: Path) -> None:
    server = PostgresServer()
    try:
        own = environment | {"DATABASE_URL": server.dsn, "TRACETRACK_SCAN_TIMEOUT": "1"}
        with AppProcess(own, tmp_path) as app:
            await until(lambda: app.status("/live") == 200)
            headers = {"Authorization": f"Bearer {device_key()}"}
            async with http_client(base_url=app.url, headers=headers) as client:
                body = (await client.get("/ready")).json()
                refused = await client.post("/api/v1/scans", json=scan_body("SB00001"))
            assert body["status"] == "not_ready"
            assert f"127.0.0.1:{server.port}" in body["message"]
            assert "cannot be reached" in body["message"]
            assert refused.status_code == 503
            assert refused.headers["retry-after"]
            assert app.process is not None
            assert app.process.poll() is None
            await asyncio.to_thread(server.start)
            await until(lambda: app.status("/ready") == 200)
            assert server.password not in app.log
    finally:
        server.close()


async def test_a_wrong_password_is_named_and_mended_without_a_restart(
    own_postgres: PostgresServer, redis_server: RedisServer, tmp_path: Path
) -> None:
    server = own_postgres
    values = {
        "database": {"host": server.host, "port": str(server.port), "database": server.database,
                     "username": server.user, "password": "not-the-password", "sslmode": "disable"},
        "cache": {"uri": redis_server.url},
        "session": {"key": "k" * 40},
        "admin": {"username": "chief", "password": PASSWORD},
    }  # fmt: skip
    for binding, files in values.items():
        (tmp_path / binding).mkdir()
        for name, value in files.items():
            (tmp_path / binding / name).write_text(value)
    with AppProcess({"SERVICE_BINDING_ROOT": str(tmp_path)}, tmp_path) as app:
        await until(lambda: app.status("/ready") == 503)
        await until(lambda: "refused the user name or the password" in http_get(app.url + "/ready").text)
        (tmp_path / "database" / "password").write_text(server.password)
        await until(lambda: app.status("/ready") == 200)
        assert "refused the user name or the password" in app.log
        for secret in ("not-the-password", server.password, PASSWORD, redis_server.password, "k" * 40):
            assert secret not in app.log
        async with app.logged_in("chief"):
            pass


async def test_missing_settings_end_the_start_and_are_named(tmp_path: Path) -> None:
    with AppProcess({"SERVICE_BINDING_ROOT": str(tmp_path)}, tmp_path) as app:
        assert await asyncio.to_thread(app.wait) == 2
        for name in ("DATABASE_URL", "REDIS_URL", "SESSION_SECRET"):
            assert name in app.log


async def test_a_port_that_is_taken_ends_the_start_and_is_named(environment: dict[str, str], tmp_path: Path) -> None:
    app = AppProcess(environment, tmp_path)
    with socket.create_server(("127.0.0.1", app.port)), app:
        assert await asyncio.to_thread(app.wait) == 3
        assert f"('127.0.0.1', {app.port}): address already in use" in app.log


async def test_it_ends_also_when_it_has_hardly_begun(environment: dict[str, str], tmp_path: Path) -> None:
    for _ in range(5):
        with AppProcess(environment, tmp_path) as app:
            await until(lambda app=app: app.status("/live") == 200)
            app.send(signal.SIGTERM)
            assert await asyncio.to_thread(app.wait) == 0


async def test_no_secret_is_ever_logged(environment: dict[str, str], tmp_path: Path) -> None:
    with AppProcess(environment | {"TRACETRACK_LOG_LEVEL": "DEBUG"}, tmp_path) as app:
        app.wait_ready()
        async with app.logged_in() as client:
            await client.post("/api/fast_parent_scan", data={"qr_code": "SB00001"})
            await client.post("/login", data={"username": "admin", "password": "wrong-Secret-1", "csrf_token": "x"})
            session = client.cookies["session"]
        async with http_client(base_url=app.url) as client:
            for key in (device_key(), device_key()[:-1]):
                headers = {"Authorization": f"Bearer {key}"}
                await client.post("/api/v1/scans", json=scan_body("CHILD1", "SB00001"), headers=headers)
        app.send(signal.SIGTERM)
        await asyncio.to_thread(app.wait)
        log = app.log
    assert "ready: database" in log
    redis_password = environment["REDIS_URL"].split(":")[2].split("@")[0]
    keys: Any = FLEET["signingKeys"]
    secrets = [PASSWORD, "wrong-Secret-1", "app-password", redis_password, environment["SESSION_SECRET"], session,
               device_key().rsplit(".", 1)[1], keys[0]["secret"]]  # fmt: skip
    assert [secret for secret in secrets if secret in log] == []
