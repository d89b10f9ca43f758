"""The database moves to another address, runs out of disk, or its clock and the app's jump."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.backing import PostgresServer
from tests.integration.app.conftest import device_key
from tests.integration.app.failure.agreement import nothing_lost_nothing_doubled, until
from tests.integration.app.failure.proxy import Proxy
from tests.integration.app.http import http_client, http_get
from tests.integration.app.process import AppProcess, Load, scan_body

pytestmark = pytest.mark.slow


def _through(dsn: str, port: int) -> str:
    head, _, tail = dsn.rpartition("@")
    return f"{head}@127.0.0.1:{port}/{tail.partition('/')[2]}"


def _message(app: AppProcess) -> str:
    return http_get(app.url + "/ready", timeout=10).text


async def test_the_database_moves_and_old_connections_hang(environment: dict[str, str], tmp_path: Path) -> None:
    """What a managed database's fail-over is to a client: the storage comes up at another address, and nothing says
    good-bye at the old one."""
    first = PostgresServer(fast=False).start()
    second = PostgresServer(fast=False, directory=first.directory, password=first.password)
    try:
        with Proxy(first.port) as proxy:
            own = environment | {"DATABASE_URL": _through(first.dsn, proxy.port)}
            with AppProcess(own, tmp_path) as app:
                app.wait_ready()
                load = Load(app.url, device_key(), retry=True)
                async with app.logged_in() as worker:
                    await load.start()
                    await load.until(300)
                    assert (await worker.get("/api/scans")).status_code == 200
                    proxy.move(second.port)
                    await asyncio.to_thread(first.kill)
                    await asyncio.to_thread(second.start)
                    moved = time.monotonic()
                    await load.until(len(load.acknowledged) + 300, 30)
                    assert time.monotonic() - moved < 15, "it took the app too long to part with the old server"
                    await until(lambda: app.status("/ready") == 200)
                    assert (await worker.get("/api/scans")).status_code == 200
                    await load.stop()
                assert not load.unknown
                assert load.statuses.get(409, 0) == 0
            await nothing_lost_nothing_doubled(second.dsn, load)
    finally:
        second.stop()
        first.close()


async def test_a_standby_is_said_to_take_no_writes_until_it_is_promoted(
    environment: dict[str, str], tmp_path: Path
) -> None:
    with PostgresServer(fast=False) as primary:
        standby = primary.standby(fast=False)
        try:
            standby.start()
            primary.sql("alter system set synchronous_standby_names = '*'")
            primary.sql("select pg_reload_conf()")
            with Proxy(primary.port) as proxy:
                own = {"DATABASE_URL": _through(primary.dsn, proxy.port), "TRACETRACK_SCAN_TIMEOUT": "2"}
                with AppProcess(environment | own, tmp_path) as app:
                    app.wait_ready()
                    load = Load(app.url, device_key(), retry=True)
                    await load.start()
                    await load.until(300)
                    proxy.move(standby.port)
                    await asyncio.to_thread(primary.kill)
                    await until(lambda: "takes no writes" in _message(app), 30)
                    assert app.status("/live") == 200
                    standby.sql("select pg_promote()")
                    await until(lambda: app.status("/ready") == 200, 30)
                    await load.until(len(load.acknowledged) + 300, 30)
                    await load.stop()
                await nothing_lost_nothing_doubled(standby.dsn, load)
        finally:
            standby.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 24 MB; needs root."""
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


async def test_a_full_disk_is_said_and_nothing_acknowledged_is_lost(
    environment: dict[str, str], tmp_path: Path, small_disk: Path
) -> None:
    with PostgresServer() as server:
        space = small_disk / "space"
        space.mkdir()
        shutil.chown(space, server._uid, server._gid)
        for folder in (tmp_path, *tmp_path.parents[:2], small_disk):
            folder.chmod(0o755)
        server.sql(f"create tablespace small location '{space}'")
        server.sql("create database tight tablespace small")
        own = environment | {"DATABASE_URL": server.dsn_for("tight"), "TRACETRACK_SCAN_TIMEOUT": "2"}
        with AppProcess(own, tmp_path) as app:
            app.wait_ready()
            load = Load(app.url, device_key(), retry=True)
            await load.start()
            await load.until(200)
            filler = small_disk / "filler"
            free = shutil.disk_usage(small_disk).free
            filler.write_bytes(bytes(free - free % 4096))
            await until(lambda: "no disk space left" in app.log, 60)
            async with http_client(base_url=app.url, timeout=20) as client:
                headers = {"Authorization": f"Bearer {device_key()}"}
                await until(lambda: load.statuses.get(503, 0) > 0, 30)
                # One row may still find a place in a page that is there.
                for number in range(80_000, 90_000):
                    body = scan_body(f"SB{number}")
                    refused = await client.post("/api/v1/scans", json=body, headers=headers)
                    told = load.acknowledged if refused.status_code == 201 else load.unknown
                    told[str(body["scan_id"])] = str(body["code"])
                    if refused.status_code != 201:
                        break
            assert (refused.status_code, bool(refused.headers["retry-after"])) == (503, True)
            assert app.status("/live") == 200
            filler.unlink()
            await load.until(len(load.acknowledged) + 200, 60)
            await load.stop()
        await nothing_lost_nothing_doubled(server.dsn_for("tight"), load)


@pytest.fixture
def faketime() -> str:
    """The library that shows a process another time."""
    places = ("lib*/faketime", "lib/*/faketime")
    found = [library for place in places for library in Path("/usr").glob(f"{place}/libfaketime.so.1")]
    assert found, "libfaketime is not installed; install the Debian package: apt-get install libfaketime"
    return str(found[0])


@pytest.mark.parametrize("jump", ["+3d", "-3d"])
async def test_the_clock_of_the_app_jumps(
    environment: dict[str, str], tmp_path: Path, faketime: str, jump: str
) -> None:
    """Sessions end by the clock; scans, their queue and their time limits do not look at it."""
    clock = tmp_path / "clock"
    clock.write_text("+0")
    faked = {
        "LD_PRELOAD": faketime, "FAKETIME_TIMESTAMP_FILE": str(clock), "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1",
    }  # fmt: skip
    with AppProcess(environment | faked, tmp_path) as app:
        app.wait_ready()
        load = Load(app.url, device_key(), retry=True)
        async with app.logged_in() as worker:
            await load.start()
            await load.until(200)
            clock.write_text(jump)
            await load.until(len(load.acknowledged) + 300)
            page = await worker.get("/dashboard")
            if jump == "+3d":
                assert page.headers.get("location", "").startswith("/login")
            async with app.logged_in() as again:
                assert (await again.get("/dashboard")).status_code == 200
            clock.write_text("+0")
            await load.until(len(load.acknowledged) + 200)
        await load.stop()
        assert not load.unknown
        assert load.statuses.get(503, 0) == 0
        assert app.status("/ready") == 200
    await nothing_lost_nothing_doubled(environment["DATABASE_URL"], load)
