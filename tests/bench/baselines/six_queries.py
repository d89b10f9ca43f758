"""FastAPI and asyncpg, six plain queries a scan in one transaction: find, count, find, add, link, enter."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Depends, HTTPException

from tests.bench.baselines.models import Answer, Counts, Entry, Scan, authenticated
from tests.bench.baselines.pool import application
from tracetrack_app.domain.codes import Kind, MalformedCodeError, parse
from tracetrack_app.domain.devicekeys import Device

CAPACITY = 30

app = application()


@app.post("/api/v1/scans", status_code=201)
async def record(scan: Scan, device: Annotated[Device, Depends(authenticated)]) -> Answer:
    try:
        code = parse(scan.code)
    except MalformedCodeError as error:
        raise HTTPException(422, str(error)) from None
    async with app.state.pool.acquire() as connection, connection.transaction():
        if code.kind is Kind.PARENT:
            number, count = await _parent(connection, scan, code.text, device)
        else:
            number, count = await _child(connection, scan, code.text, device)
    entry = Entry(
        id=number,
        scan_id=scan.scan_id,
        outcome="child_linked" if code.kind is Kind.CHILD else "parent_opened",
        code=code.text,
        kind=code.kind,
        parent=scan.parent,
        bill=scan.bill,
        station=scan.station,
        captured_at=scan.captured_at,
        recorded_at=datetime.now(UTC),
    )
    counts = Counts(child_count=count, expected_count=CAPACITY, bill_count=None, bill_capacity=None)
    return Answer(entry=entry, counts=counts)


async def _parent(connection: Any, scan: Scan, code: str, device: Device) -> tuple[int, int]:
    parent = await connection.fetchrow("SELECT id, child_count FROM baseline.bag WHERE qr_id = $1", code)
    if parent is None:
        parent = await connection.fetchrow(
            "INSERT INTO baseline.bag (qr_id, type) VALUES ($1, 'parent') RETURNING id, child_count", code
        )
    number = await connection.fetchval(
        "INSERT INTO baseline.scan (scan_id, parent_bag_id, device) VALUES ($1, $2, $3) RETURNING id",
        scan.scan_id,
        parent["id"],
        device.scanner,
    )
    return number, parent["child_count"]


async def _child(connection: Any, scan: Scan, code: str, device: Device) -> tuple[int, int]:
    parent = await connection.fetchrow(
        "SELECT id FROM baseline.bag WHERE qr_id = $1 AND type = 'parent' FOR UPDATE", scan.parent
    )
    if parent is None:
        raise HTTPException(409, "The parent bag does not exist.")
    count = await connection.fetchval("SELECT count(*) FROM baseline.link WHERE parent_bag_id = $1", parent["id"])
    if count >= CAPACITY:
        raise HTTPException(409, "The parent bag is full.")
    found = await connection.fetchrow(
        "SELECT b.id, l.parent_bag_id FROM baseline.bag b LEFT JOIN baseline.link l ON l.child_bag_id = b.id"
        " WHERE b.qr_id = $1",
        code,
    )
    if found is not None and found["parent_bag_id"] is not None:
        raise HTTPException(409, "The child bag is already in a parent bag.")
    child = found["id"] if found is not None else None
    if child is None:
        child = await connection.fetchval(
            "INSERT INTO baseline.bag (qr_id, type) VALUES ($1, 'child') RETURNING id", code
        )
    await connection.execute(
        "INSERT INTO baseline.link (parent_bag_id, child_bag_id) VALUES ($1, $2)", parent["id"], child
    )
    number = await connection.fetchval(
        "INSERT INTO baseline.scan (scan_id, parent_bag_id, child_bag_id, device) VALUES ($1, $2, $3, $4) RETURNING id",
        scan.scan_id,
        parent["id"],
        child,
        device.scanner,
    )
    return number, count + 1
