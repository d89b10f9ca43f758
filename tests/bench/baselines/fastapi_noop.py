"""The same as noop, as FastAPI is usually written: pydantic models and a dependency that authenticates."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends, FastAPI

from tests.bench.baselines.models import Answer, Counts, Entry, Scan, authenticated
from tracetrack_app.domain.devicekeys import Device

app = FastAPI(openapi_url=None)


@app.post("/api/v1/scans", status_code=201)
async def record(scan: Scan, _: Annotated[Device, Depends(authenticated)]) -> Answer:
    entry = Entry(
        id=1,
        scan_id=scan.scan_id,
        outcome="child_linked",
        code=scan.code,
        kind="child",
        parent=scan.parent,
        bill=None,
        station=scan.station,
        captured_at=scan.captured_at,
        recorded_at=datetime.now(UTC),
    )
    return Answer(entry=entry, counts=Counts(child_count=1, expected_count=30, bill_count=None, bill_capacity=None))


@app.get("/ready")
async def ready() -> None:
    return None
