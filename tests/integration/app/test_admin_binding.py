"""The first admin's password comes from a binding: it follows each change of that, and else is its user's own."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import asyncpg
import httpx

from tests.integration.app.accounts import logged_in
from tests.integration.app.caches import metric
from tests.integration.app.http import http_client
from tests.integration.app.mounted import MountedSecret
from tests.integration.app.process import ADMIN, PASSWORD, AppProcess

OWN, CHANGED = "Ch0sen!myself", "fr0m-the-changed-binding"


async def lets_in(app: AppProcess, password: str) -> bool:
    async with http_client(base_url=app.url, timeout=20) as client:
        answer = await client.post("/api/v2/login", json={"username": ADMIN, "password": password})
        return bool(answer.json()["success"])


async def test_a_changed_binding_sets_the_password_once_and_no_other_time(
    environment: dict[str, str], database: str, tmp_path: Path
) -> None:
    mounted = MountedSecret(tmp_path / "bindings" / "admin", {"username": ADMIN, "password": PASSWORD})
    given = {name: value for name, value in environment.items() if not name.startswith("ADMIN_")}
    given["SERVICE_BINDING_ROOT"] = str(tmp_path / "bindings")
    with AppProcess(given, tmp_path) as first, AppProcess(given, tmp_path) as second:
        await asyncio.to_thread(first.wait_ready)
        async with logged_in(first, ADMIN, PASSWORD) as admin:
            answer = await admin.post("/profile/edit", json={"current_password": PASSWORD, "new_password": OWN})
            assert answer.json()["success"], answer.text
            second.send(signal.SIGTERM)
            await asyncio.to_thread(second.wait)
            second.start()
            await asyncio.to_thread(second.wait_ready)
            assert not await lets_in(second, PASSWORD), "a restart set the password of the binding again"
            assert await lets_in(second, OWN)

            mounted.put({"username": ADMIN, "password": CHANGED})
            async with asyncio.timeout(20):
                for app in (first, second):
                    while not await metric(app, 'tracetrack_binding_reloads_total{dependency="admin"}'):
                        await asyncio.sleep(0.05)
            assert await lets_in(first, CHANGED)
            assert not await lets_in(second, OWN)
            assert (await admin.get("/api/stats")).status_code == httpx.codes.UNAUTHORIZED, "his sessions go on"
        for app in (first, second):
            assert CHANGED not in app.log
    connection = await asyncpg.connect(database)
    told = await connection.fetch(
        "SELECT username, details FROM audit_log WHERE action = 'user.password' AND details IS NOT NULL"
    )
    await connection.close()
    assert [(row["username"], row["details"]) for row in told] == [("system", '{"set_by": "admin binding"}')]
