"""What the FastAPI baselines take and answer, and who may ask."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Header, HTTPException
from pydantic import BaseModel, Field

from tests.bench.baselines.keys import device
from tracetrack_app.domain.devicekeys import Device


class Scan(BaseModel):
    scan_id: UUID
    code: str = Field(min_length=1, max_length=200)
    parent: str | None = Field(None, max_length=200)
    bill: str | None = Field(None, max_length=200)
    station: str = Field("", max_length=200)
    captured_at: datetime | None = None


class Entry(BaseModel):
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


class Counts(BaseModel):
    child_count: int | None
    expected_count: int | None
    bill_count: int | None
    bill_capacity: int | None


class Answer(BaseModel):
    entry: Entry
    counts: Counts


async def authenticated(authorization: Annotated[str, Header()] = "") -> Device:
    found = device(authorization)
    if found is None:
        raise HTTPException(401, "Send a valid device key.")
    return found
