"""HTTP as it goes over the wire: what a well-behaved client does not send."""

from __future__ import annotations

import asyncio

from tests.integration.app.conftest import device_key
from tests.integration.app.process import AppProcess


class Raw:
    """A connection on which requests are sent as they are written."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def to(cls, app: AppProcess) -> Raw:
        host, _, port = app.url.removeprefix("http://").partition(":")
        return cls(*await asyncio.open_connection(host, int(port)))

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        async with asyncio.timeout(10):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode().splitlines()
            headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
            body = await self.reader.readexactly(int(headers["content-length"]))
        return int(head[0].split()[1]), headers, body


def request(line: str, body: bytes = b"", *headers: str) -> bytes:
    lines = [line, "Host: test", f"Authorization: Bearer {device_key()}", *headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body
