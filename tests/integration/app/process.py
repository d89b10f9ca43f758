"""The app as a process of its own on loopback, and how to talk to it."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import uuid4

import httpx

from tests.backing import Port
from tests.forks import Fork
from tests.integration.app.http import http_client, http_get

ADMIN = "admin"
PASSWORD = "Adm1n!-for-tests"


def token_of(page: str) -> str:
    """The CSRF token in a page."""
    found = re.search(r'name="csrf-token" content="([^"]+)"', page)
    assert found, page
    return found[1]


class AppProcess:
    """Starts with the given environment on a free port; ended at the end of the `with`, if not before."""

    def __init__(self, environment: dict[str, str], folder: Path) -> None:
        self._held = Port()
        self.port = self._held.number
        self.url = f"http://127.0.0.1:{self.port}"
        self.log_path = folder / f"app-{self.port}.log"
        base = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        self._environment = {
            **base,
            "TRACETRACK_HOST": "127.0.0.1",
            "TRACETRACK_PORT": str(self.port),
            **environment,
        }
        self.process: Fork | None = None

    def start(self) -> Self:
        self.process = Fork("tracetrack_app", [], self._environment, stdout=self.log_path)
        return self

    @property
    def log(self) -> str:
        return self.log_path.read_text()

    def get(self, path: str) -> httpx.Response:
        return http_get(self.url + path, timeout=10)

    def status(self, path: str) -> int:
        """The HTTP status of a GET; 0 when nothing answers."""
        try:
            return http_get(self.url + path, timeout=5).status_code
        except httpx.HTTPError:
            return 0

    def wait_ready(self, seconds: float = 120.0) -> None:
        """One that ends is seen at once; how long a busy machine takes to start Python says nothing."""
        deadline = time.monotonic() + seconds
        while self.status("/ready") != 200:
            assert self.process is not None
            assert self.process.poll() is None, self.log
            assert time.monotonic() < deadline, self.log
            time.sleep(0.05)

    def send(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def wait(self, seconds: float = 30.0) -> int:
        """The exit status; negative for a signal."""
        assert self.process is not None
        return self.process.wait(seconds)

    @asynccontextmanager
    async def logged_in(self, username: str = ADMIN, password: str = PASSWORD) -> AsyncIterator[httpx.AsyncClient]:
        async with http_client(base_url=self.url, timeout=20) as client:
            token = token_of((await client.get("/login")).text)
            form = {"username": username, "password": password, "csrf_token": token}
            response = await client.post("/login", data=form)
            assert (response.status_code, response.headers.get("location")) == (302, "/dashboard"), response.text
            client.headers["X-CSRFToken"] = token_of((await client.get("/dashboard")).text)
            yield client

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(25)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(10)


def scan_body(code: str, parent: str | None = None, **more: object) -> dict[str, object]:
    """A v1 scan with a scan_id of its own."""
    body: dict[str, object] = {"scan_id": str(uuid4()), "code": code, "parent": parent, "bill": None}
    return {**body, "station": "gate-1", "captured_at": "2026-01-05T10:00:00+05:30", **more}


class Load:
    """Clients that scan children into parents until told to stop, each scan until it is acknowledged or given up.

    `acknowledged` maps scan_id to child code for every 201 or 200; `unknown` holds the scans without an answer.
    """

    def __init__(self, url: str, key: str, clients: int = 20, *, retry: bool = False) -> None:
        self._url, self._key, self._clients, self._retry = url, key, clients, retry
        self.acknowledged: dict[str, str] = {}
        self.unknown: dict[str, str] = {}
        self.statuses: dict[int, int] = {}
        self._stop = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        limits = httpx.Limits(max_connections=self._clients, max_keepalive_connections=self._clients)
        headers = {"Authorization": f"Bearer {self._key}"}
        self._http = http_client(base_url=self._url, headers=headers, limits=limits, timeout=20)
        self._tasks = [asyncio.create_task(self._scan(number)) for number in range(self._clients)]

    async def stop(self) -> None:
        self._stop.set()
        await asyncio.gather(*self._tasks)
        await self._http.aclose()

    async def until(self, count: int, seconds: float = 20.0) -> None:
        """Wait until `count` scans are acknowledged."""
        async with asyncio.timeout(seconds):
            while len(self.acknowledged) < count:
                await asyncio.sleep(0.02)

    async def _scan(self, client: int) -> None:
        number = 0
        while not self._stop.is_set():
            parent = f"SB{number // 30 * self._clients + client:05d}"
            if number % 30 == 0 and await self._send(scan_body(parent)) is None:
                continue
            await self._send(scan_body(f"L{client:03d}X{number:06d}", parent))
            number += 1

    async def _send(self, body: dict[str, object]) -> int | None:
        scan_id, code = str(body["scan_id"]), str(body["code"])
        while True:
            try:
                response = await self._http.post("/api/v1/scans", json=body)
            except httpx.HTTPError:
                self.unknown[scan_id] = code
                status = None
            else:
                status = response.status_code
                self.statuses[status] = self.statuses.get(status, 0) + 1
                if status in (200, 201):
                    self.acknowledged[scan_id] = code
                    self.unknown.pop(scan_id, None)
                    return status
                if status < 500:
                    return status
                self.unknown[scan_id] = code
            if not self._retry or self._stop.is_set():
                await asyncio.sleep(0.02)
                return status if status != 503 else None
            await asyncio.sleep(0.1)
