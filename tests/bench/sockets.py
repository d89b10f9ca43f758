"""Live events: how many of them reach every socket, and how long after their scan's scheduled time.

`python -m tests.bench.sockets` reads an Order as JSON from stdin and prints what it measured: a process of its own.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from time import monotonic
from typing import cast

import msgspec
import uvloop

from tests.bench.figures import percentile
from tests.bench.openloop import Generator, Order
from tests.bench.workload import Work
from tests.cluster.paths import ROOT

SOCKETS = 500
_TEXT, _CLOSE, _PING, _PONG = 1, 8, 9, 10


class Event(msgspec.Struct):
    type: str
    code: str = ""


@dataclass(frozen=True, slots=True)
class Delivery:
    """`share` of what was accepted that reached each of the sockets; P99 in milliseconds."""

    share: float
    p99: float
    sent: int
    told: int
    unanswered: int


def frames(buffer: bytes) -> tuple[list[tuple[int, bytes]], bytes]:
    """The whole frames (opcode, payload) that a server sent, and what is left over."""
    found = []
    while len(buffer) >= 2:
        length, start = buffer[1] & 0x7F, 2
        if length >= 126:
            start = 4 if length == 126 else 10
            if len(buffer) < start:
                break
            length = int.from_bytes(buffer[2:start], "big")
        if len(buffer) < start + length:
            break
        found.append((buffer[0] & 0x0F, buffer[start : start + length]))
        buffer = buffer[start + length :]
    return found, buffer


class Socket(asyncio.Protocol):
    """One client of the live events. `heard` is told each payload."""

    def __init__(self, order: Order, credential: str, heard: Callable[[bytes], None]) -> None:
        self._request = (
            f"GET /api/v1/events HTTP/1.1\r\nHost: {order.host}:{order.port}\r\nAuthorization: {credential}\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}\r\n\r\n"
        )
        self._heard = heard
        self._buffer = b""
        self.open: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(self._request.encode())

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self.open.done():
            head, parted, rest = self._buffer.partition(b"\r\n\r\n")
            if not parted:
                return
            if b" 101 " not in head.partition(b"\r\n")[0]:
                self.open.set_exception(ConnectionError(head.partition(b"\r\n")[0].decode()))
                return
            self._buffer = rest
            self.open.set_result(None)
        found, self._buffer = frames(self._buffer)
        for opcode, payload in found:
            if opcode == _TEXT:
                self._heard(payload)
            elif opcode == _PING:
                self._transport.write(bytes((0x80 | _PONG, 0x80 | len(payload))) + bytes(4) + payload)

    def connection_lost(self, error: Exception | None) -> None:
        if not self.open.done():
            self.open.set_exception(error or ConnectionError("the socket was closed before it was open"))


async def measure(order: Order) -> Delivery:
    """Hold the sockets open while the order's scans are sent."""
    loop = asyncio.get_running_loop()
    generator = Generator(order)
    numbers = {order.work.scan(number)[0]: number for number in range(order.scans)}
    decode = msgspec.json.Decoder(list[Event]).decode
    times: list[float] = []
    latest: tuple[bytes, list[float]] = (b"", [])

    def heard(payload: bytes) -> None:
        nonlocal latest
        now = monotonic() - generator.began
        # All sockets are told the same: to read it for each would be the generator's own load.
        if payload != latest[0]:
            found = [numbers[event.code] for event in decode(payload) if event.code in numbers]
            latest = payload, [number / order.rate for number in found]
        times.extend([now - scheduled for scheduled in latest[1]])

    sockets = []
    for index in range(SOCKETS):
        credential = order.credentials[index % len(order.credentials)]
        _, socket = await loop.create_connection(
            lambda credential=credential: Socket(order, credential, heard),  # type: ignore[misc]
            order.host,
            order.port,
        )
        sockets.append(socket)
        await asyncio.wait_for(socket.open, 20)
    result = await generator.run()
    expected = result.told * len(sockets)
    for _ in range(40):
        if len(times) >= expected:
            break
        await asyncio.sleep(0.1)
    share = len(times) / expected if expected else 0.0
    return Delivery(share, 1000 * percentile(sorted(times), 0.99), result.sent, result.told, result.unanswered)


def run(order: Order) -> Delivery:
    """Run in a process of its own. RuntimeError when the sockets cannot be opened."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.sockets"],
        input=json.dumps(asdict(order)),
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "the sockets failed")
    return Delivery(**json.loads(done.stdout))


def main() -> None:
    given = json.load(sys.stdin)
    order = Order(**{**given, "work": Work(**given["work"])})
    print(json.dumps(asdict(uvloop.run(measure(order)))))


if __name__ == "__main__":
    main()
