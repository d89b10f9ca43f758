"""`make soak`: mixed traffic on two replicas while each thing they depend on is killed in turn.

SOAK_SECONDS (600) sets how long. Prints the gates and writes `.bench/soak.json`.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import httpx
import websockets

from tests.backing import PostgresServer, RedisServer
from tests.bench.report import at_least, at_most, publish
from tests.integration.app.conftest import _environment, _fleets, device_key
from tests.integration.app.failure.agreement import until
from tests.integration.app.process import AppProcess, Load, scan_body
from tracetrack_app.store.check import check

SECONDS = float(os.environ.get("SOAK_SECONDS", "600"))
CLIENTS, PARENTS, PAUSE = 8, 5, 0.05
GROWTH = 1.0


class Scanners(Load):
    """Devices at a steady pace, each with parents of its own, each scan sent until it is answered.

    They go round: a child that is still where it was put is refused, one that was taken out is linked again. So the
    bags stay as many as they are, and what grows is not a cache that fills.
    """

    def __init__(self, url: str, first: int) -> None:
        super().__init__(url, device_key(1 + first), CLIENTS, retry=True)
        self._first = first
        self.refused: set[str] = set()

    @property
    def done(self) -> int:
        return len(self.acknowledged) + len(self.refused)

    async def _scan(self, client: int) -> None:
        number = 0
        while not self._stop.is_set():
            place = number % (PARENTS * 30)
            parent = f"SB{(self._first + client) * 1000 + place // 30:05d}"
            if place % 30 == 0:
                await self._send(scan_body(parent))
            body = scan_body(f"S{self._first + client:03d}X{place:06d}", parent)
            if await self._send(body) == 409:
                self.refused.add(str(body["scan_id"]))
            number += 1
            await asyncio.sleep(PAUSE)

    def parents(self) -> list[str]:
        return list({code for code in self.acknowledged.values() if code.startswith("SB")})


@dataclass
class Visitors:
    """People and screens: look-ups, statistics, bills, live events. What fails is tried again; only 500 is counted."""

    url: str
    scanners: Scanners
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    answers: int = 0
    errors: int = 0
    billed: int = 0
    events: int = 0

    async def run(self, app: AppProcess) -> None:
        await asyncio.gather(self._again(lambda: self._look(app)), self._again(lambda: self._listen(app)))

    async def _again(self, work: Callable[[], Awaitable[None]]) -> None:
        while not self.stop.is_set():
            try:
                await work()
            except (httpx.HTTPError, OSError, AssertionError, websockets.WebSocketException, TimeoutError):
                await asyncio.sleep(0.5)

    async def _look(self, app: AppProcess) -> None:
        async with app.logged_in() as client:
            while not self.stop.is_set():
                parents = self.scanners.parents()
                if parents:
                    self._count(await client.get(f"/api/bag/{random.choice(parents)}"))
                self._count(await client.get("/api/stats"))
                if parents and random.random() < 0.3:
                    self._count(await client.post("/api/unlink_child", data={"parent_qr": random.choice(parents)}))
                if parents and random.random() < 0.05:
                    await self._bill(client, random.sample(parents, min(3, len(parents))))
                await asyncio.sleep(PAUSE)

    async def _bill(self, client: httpx.AsyncClient, parents: list[str]) -> None:
        form = {"bill_id": f"SOAK-{time.time_ns()}", "destination": "Indore", "vehicle_number": "MP09", "capacity": "5"}
        made = await client.post("/bill/create", data=form)
        self._count(made)
        number = urlsplit(made.headers.get("location", "")).path.split("/")
        if made.status_code != 302 or not any(part.isdigit() for part in number):
            return
        bill = next(part for part in number if part.isdigit())
        for parent in parents:
            answer = await client.post("/fast/bill_parent_scan", data={"bill_id": bill, "qr_code": parent})
            self._count(answer)
            self.billed += answer.status_code == 200 and answer.json().get("success") is True

    async def _listen(self, app: AppProcess) -> None:
        async with app.logged_in() as client:
            cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
        headers = {"Cookie": cookie, "Origin": self.url}
        address = self.url.replace("http", "ws", 1) + "/api/v1/events"
        async with websockets.connect(address, additional_headers=headers, compression=None) as socket:
            while not self.stop.is_set():
                async with asyncio.timeout(30):
                    await socket.recv()
                self.events += 1

    def _count(self, answer: httpx.Response) -> None:
        self.answers += 1
        self.errors += answer.status_code == 500


def resident(app: AppProcess) -> float:
    """MiB."""
    assert app.process is not None
    try:
        status = Path(f"/proc/{app.process.pid}/status").read_text()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmRSS")), 0.0)


def slope(samples: list[tuple[float, float]]) -> float:
    """MiB a minute, by least squares over (seconds, MiB)."""
    if len(samples) < 3:
        return 0.0
    mean_x = sum(x for x, _ in samples) / len(samples)
    mean_y = sum(y for _, y in samples) / len(samples)
    spread = sum((x - mean_x) ** 2 for x, _ in samples)
    return 60 * sum((x - mean_x) * (y - mean_y) for x, y in samples) / spread


def say(began: float, words: str) -> None:
    print(f"{time.monotonic() - began:6.0f} s  {words}", flush=True)


async def soak(postgres: PostgresServer, redis: RedisServer, folder: Path) -> bool:
    """Whether every gate holds."""
    environment = _environment(postgres.dsn, redis, _fleets(folder))
    began = time.monotonic()
    with AppProcess(environment, folder) as first, AppProcess(environment, folder) as second:
        apps = [first, second]
        for app in apps:
            await asyncio.to_thread(app.wait_ready, 60)
        scanners = [Scanners(app.url, CLIENTS * number) for number, app in enumerate(apps)]
        visitors = [Visitors(app.url, scanner) for app, scanner in zip(apps, scanners, strict=True)]
        for scanner in scanners:
            await scanner.start()
        visits = [asyncio.create_task(visitor.run(app)) for visitor, app in zip(visitors, apps, strict=True)]
        samples: list[tuple[float, float]] = []
        sampling = asyncio.create_task(_sample(first, samples, began))
        await _kill_in_turn(postgres, redis, second, scanners, began)
        await asyncio.sleep(max(0.0, SECONDS - (time.monotonic() - began)))
        for visitor in visitors:
            visitor.stop.set()
        for scanner in scanners:
            await scanner.stop()
        sampling.cancel()
        for visit in visits:
            visit.cancel()
        await asyncio.gather(sampling, *visits, return_exceptions=True)
        tracebacks = sum(app.log.count("Traceback") for app in apps)
    both = Load("", device_key())
    for scanner in scanners:
        both.acknowledged |= scanner.acknowledged
        both.unknown |= scanner.unknown | dict.fromkeys(scanner.refused, "")
    scans = sum(scanner.done for scanner in scanners)
    lost, faults = await _verdict(postgres.dsn, both)
    late = [sample for sample in samples if sample[0] > SECONDS / 3]
    others, billed, events = (sum(getattr(v, name) for v in visitors) for name in ("answers", "billed", "events"))
    say(began, f"{scans:,} scans answered, {len(both.acknowledged):,} of them accepted, {others:,} other answers")
    if late:
        say(began, f"resident {late[0][1]:.0f} MiB after a third of the time, {late[-1][1]:.0f} MiB at the end")
    gates = [
        at_most("faults that check finds", 0, faults),
        at_most("acknowledged scans lost or doubled", 0, lost),
        at_most("answers with status 500", 0, sum(v.errors for v in visitors)),
        at_most("tracebacks in the log", 0, tracebacks),
        at_most("growth of a worker's memory, MiB/min", GROWTH, slope(late), f"{len(late)} samples"),
        at_least("scans answered a second", 20, scans / SECONDS),
        at_least("frames of live events", 10, events),
        at_least("parents put on bills", 1, billed),
    ]
    publish("soak", gates)
    return all(gate.holds for gate in gates)


async def _sample(app: AppProcess, samples: list[tuple[float, float]], began: float) -> None:
    while True:
        samples.append((time.monotonic() - began, resident(app)))
        await asyncio.sleep(max(1.0, SECONDS / 120))


async def _kill_in_turn(
    postgres: PostgresServer, redis: RedisServer, replica: AppProcess, scanners: list[Scanners], began: float
) -> None:
    """Each is away for a few seconds; after each, scans must be answered again."""

    async def away(server: PostgresServer | RedisServer) -> None:
        await asyncio.to_thread(server.kill)
        await asyncio.sleep(5)
        await asyncio.to_thread(server.start)

    async def replaced(how: signal.Signals) -> None:
        replica.send(how)
        await asyncio.to_thread(replica.wait, 30)
        replica.start()
        await asyncio.to_thread(replica.wait_ready, 60)

    steps: list[tuple[str, Callable[[], Awaitable[None]]]] = [
        ("Redis killed", lambda: away(redis)),
        ("PostgreSQL killed", lambda: away(postgres)),
        ("a replica killed", lambda: replaced(signal.SIGKILL)),
        ("PostgreSQL killed again", lambda: away(postgres)),
        ("a replica stopped", lambda: replaced(signal.SIGTERM)),
    ]
    for number, (words, step) in enumerate(steps, 1):
        due = began + SECONDS * number / (len(steps) + 1)
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        say(began, words)
        await step()
        marks = [scanner.done + 50 for scanner in scanners]
        await until(lambda marks=marks: all(s.done >= m for s, m in zip(scanners, marks, strict=True)), 90)  # type: ignore[misc]
        say(began, "scans are answered again")


async def _verdict(dsn: str, load: Load) -> tuple[int, int]:
    """(acknowledged scans lost or doubled, faults that check finds)."""
    connection = await asyncpg.connect(dsn)
    try:
        rows = await connection.fetch("SELECT scan_id::text, source FROM scan_ledger")
        ids = [row["scan_id"] for row in rows if row["source"] == "v1"]
        lost = len(set(load.acknowledged) - set(ids)) + len(ids) - len(set(ids))
        strange = len(set(ids) - set(load.acknowledged) - set(load.unknown))
        report = await check(connection)
    finally:
        await connection.close()
    for verdict in report.verdicts:
        for example in verdict.examples:
            print(f"{verdict.rule.name}: {example.code}: {example.detail}")
    return lost + strange, report.faults


def main() -> int:
    with (
        tempfile.TemporaryDirectory(prefix="tracetrack-soak-") as folder,
        PostgresServer(fast=False) as postgres,
        RedisServer() as redis,
    ):
        return 0 if asyncio.run(soak(postgres, redis, Path(folder))) else 1


if __name__ == "__main__":
    sys.exit(main())
