"""FastAPI and asyncpg, one prepared statement a scan that finds, checks, adds, links and enters."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends, HTTPException

from tests.bench.baselines.models import Answer, Counts, Entry, Scan, authenticated
from tests.bench.baselines.pool import application
from tracetrack_app.domain.codes import Kind, MalformedCodeError, parse
from tracetrack_app.domain.devicekeys import Device

CAPACITY = 30

_CHILD = """
WITH parent AS (
    SELECT p.id, (SELECT count(*) FROM baseline.link l WHERE l.parent_bag_id = p.id) AS held
    FROM baseline.bag p WHERE p.qr_id = $2 AND p.type = 'parent' FOR UPDATE
), known AS (
    SELECT b.id, l.parent_bag_id FROM baseline.bag b LEFT JOIN baseline.link l ON l.child_bag_id = b.id
    WHERE b.qr_id = $1::varchar
), made AS (
    INSERT INTO baseline.bag (qr_id, type)
    SELECT $1::varchar, 'child' FROM parent WHERE held < $5 AND NOT EXISTS (SELECT FROM known)
    RETURNING id
), child AS (
    SELECT id FROM made UNION ALL SELECT id FROM known WHERE parent_bag_id IS NULL
), linked AS (
    INSERT INTO baseline.link (parent_bag_id, child_bag_id)
    SELECT parent.id, child.id FROM parent, child WHERE held < $5
    RETURNING parent_bag_id, child_bag_id
)
INSERT INTO baseline.scan (scan_id, parent_bag_id, child_bag_id, device)
SELECT $3, parent_bag_id, child_bag_id, $4 FROM linked
RETURNING id, (SELECT held + 1 FROM parent)
"""
_PARENT = """
WITH made AS (
    INSERT INTO baseline.bag (qr_id, type) SELECT $1::varchar, 'parent'
    WHERE NOT EXISTS (SELECT FROM baseline.bag WHERE qr_id = $1::varchar)
    RETURNING id, child_count
), parent AS (
    SELECT id, child_count FROM made UNION ALL SELECT id, child_count FROM baseline.bag WHERE qr_id = $1::varchar
)
INSERT INTO baseline.scan (scan_id, parent_bag_id, device) SELECT $2, id, $3 FROM parent
RETURNING id, (SELECT child_count FROM parent)
"""

app = application()


@app.post("/api/v1/scans", status_code=201)
async def record(scan: Scan, device: Annotated[Device, Depends(authenticated)]) -> Answer:
    try:
        code = parse(scan.code)
    except MalformedCodeError as error:
        raise HTTPException(422, str(error)) from None
    if code.kind is Kind.PARENT:
        row = await app.state.pool.fetchrow(_PARENT, code.text, scan.scan_id, device.scanner)
    else:
        row = await app.state.pool.fetchrow(_CHILD, code.text, scan.parent, scan.scan_id, device.scanner, CAPACITY)
    if row is None:
        raise HTTPException(409, "Refused by a rule.")
    number, count = row
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
