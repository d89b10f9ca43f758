"""Open loop: scans sent at their time, whatever the answers do; latency counts from that time.

`python -m tests.bench.openloop` reads an Order as JSON from stdin and prints a Result: a process of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import subprocess
import sys
import uuid
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from time import monotonic
from typing import cast

import uvloop

from tests.bench.figures import Latency, percentile
from tests.bench.workload import Work
from tests.cluster.paths import ROOT

_TICK = 0.001
_PATIENCE = 20.0


@dataclass(frozen=True, slots=True)
class Order:
    """`rate` scans a second over `connections`; those of the first `warm` seconds are not timed."""

    host: str
    port: int
    credentials: list[str]
    work: Work
    rate: float
    seconds: float
    connections: int
    warm: float = 1.0

    @property
    def scans(self) -> int:
        return int(self.rate * (self.warm + self.seconds))


@dataclass(frozen=True, slots=True)
class Result:
    """`told` are answers 200 and 201; `late` is how far behind its schedule the generator was at worst (P99, ms)."""

    latency: Latency
    sent: int
    told: int
    statuses: dict[str, int]
    unanswered: int
    late: float


def due(elapsed: float, rate: float, sent: int, total: int) -> int:
    """How many scans are to be sent now: scan `n` at `n / rate` seconds."""
    if elapsed < 0:
        return 0
    return max(0, min(total, int(elapsed * rate) + 1) - sent)


def requests(order: Order) -> list[bytes]:
    """All requests, ready to be sent."""
    made = []
    noise = os.urandom(16 * order.scans)
    for number in range(order.scans):
        code, parent = order.work.scan(number)
        scan_id = uuid.UUID(bytes=noise[16 * number : 16 * number + 16], version=4)
        body = (
            f'{{"scan_id":"{scan_id}","code":"{code}","parent":{json.dumps(parent)},"bill":null,'
            f'"station":"gate-{number % 40}","captured_at":"2026-01-05T10:00:00+05:30"}}'
        )
        credential = order.credentials[number % order.work.stations % len(order.credentials)]
        made.append(
            f"POST /api/v1/scans HTTP/1.1\r\nHost: bench\r\nAuthorization: {credential}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
        )
    return made


class Connection(asyncio.Protocol):
    """One kept connection with at most one request in flight. `answered` is told (connection, number, status)."""

    def __init__(self, answered: Callable[[Connection, int, int], None]) -> None:
        self._answered = answered
        self._number = -1
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def send(self, number: int, request: bytes) -> None:
        self._number = number
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, parted, body = self._buffer.partition(b"\r\n\r\n")
        if not parted:
            return
        _, _, rest = head.lower().partition(b"content-length: ")
        if len(body) < int(rest.partition(b"\r\n")[0]):
            return
        self._buffer = b""
        self._answered(self, self._number, int(head[9:12]))

    def connection_lost(self, _: Exception | None) -> None:
        if self._number >= 0:
            self._answered(self, self._number, 0)


class Generator:
    """Runs one order."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._requests = requests(order)
        self._free: deque[Connection] = deque()
        self._waiting: deque[int] = deque()
        self._times: list[float] = []
        self._lags: list[float] = []
        self._statuses: Counter[int] = Counter()
        self._sent = 0
        self._answers = 0
        self._done = asyncio.Event()
        self.began = 0.0

    async def run(self) -> Result:
        loop = asyncio.get_running_loop()
        order = self._order
        for _ in range(order.connections):
            _, connection = await loop.create_connection(lambda: Connection(self._answered), order.host, order.port)
            self._free.append(connection)
        gc.collect()
        gc.freeze()
        gc.disable()
        self.began = monotonic() + 0.1
        self._tick()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._done.wait(), 0.1 + order.warm + order.seconds + _PATIENCE)
        return Result(
            Latency.of(self._times),
            self._sent,
            self._statuses[200] + self._statuses[201],
            {str(status): count for status, count in sorted(self._statuses.items())},
            len(self._requests) - self._answers,
            1000 * percentile(sorted(self._lags), 0.99),
        )

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        elapsed = monotonic() - self.began
        for _ in range(due(elapsed, self._order.rate, self._sent, len(self._requests))):
            number = self._sent
            self._sent += 1
            self._lags.append(elapsed - number / self._order.rate)
            if self._free:
                self._free.popleft().send(number, self._requests[number])
            else:
                self._waiting.append(number)
        if self._sent < len(self._requests):
            loop.call_later(_TICK, self._tick)

    def _answered(self, connection: Connection, number: int, status: int) -> None:
        now = monotonic() - self.began
        scheduled = number / self._order.rate
        if scheduled >= self._order.warm:
            self._times.append(now - scheduled)
        self._statuses[status] += 1
        self._answers += 1
        if status and self._waiting:
            following = self._waiting.popleft()
            connection.send(following, self._requests[following])
        elif status:
            self._free.append(connection)
        if self._answers == len(self._requests):
            self._done.set()


def run(order: Order) -> Result:
    """Run an order in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.openloop"],
        input=json.dumps(asdict(order)),
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"the generator failed:\n{done.stderr}")
    found = json.loads(done.stdout)
    return Result(**{**found, "latency": Latency(**found["latency"])})


def main() -> None:
    given = json.load(sys.stdin)
    order = Order(**{**given, "work": Work(**given["work"])})
    print(json.dumps(asdict(uvloop.run(Generator(order).run()))))


if __name__ == "__main__":
    main()
