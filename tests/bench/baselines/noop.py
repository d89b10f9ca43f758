"""The shape of POST /api/v1/scans without a store: the key is checked, the body read, an entry answered."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import msgspec
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.bench.baselines.keys import device


class Scan(msgspec.Struct):
    scan_id: UUID
    code: str
    parent: str | None = None
    bill: str | None = None
    station: str = ""
    captured_at: datetime | None = None


class Entry(msgspec.Struct):
    id: int
    scan_id: UUID
    outcome: str
    code: str
    kind: str
    parent: str | None
    bill: str | None
    station: str
    captured_at: datetime | None
    recorded_at: datetime


class Counts(msgspec.Struct):
    child_count: int
    expected_count: int
    bill_count: int | None
    bill_capacity: int | None


class Answer(msgspec.Struct):
    entry: Entry
    counts: Counts


_read = msgspec.json.Decoder(Scan).decode
_write = msgspec.json.Encoder().encode


async def record(request: Request) -> Response:
    if device(request.headers.get("authorization", "")) is None:
        return Response(status_code=401)
    scan = _read(await request.body())
    now = datetime.now(UTC)
    entry = Entry(
        1, scan.scan_id, "child_linked", scan.code, "child", scan.parent, None, scan.station, scan.captured_at, now
    )
    return Response(_write(Answer(entry, Counts(1, 30, None, None))), 201, None, "application/json")


async def ready(_: Request) -> Response:
    return Response()


app = FastAPI(openapi_url=None)
app.router.routes[:0] = [Route("/api/v1/scans", record, methods=["POST"]), Route("/ready", ready)]
