"""The ledger, the work that it counts, and the search for anything."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date, datetime, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from tracetrack_app.domain.outcomes import Outcome
from tracetrack_app.domain.people import Permission
from tracetrack_app.http.auth.caller import Caller, needs, require
from tracetrack_app.http.v1.problems import documented
from tracetrack_app.http.v1.shapes import VISIBLE, After, BagCode, Day, Here, Limit, Page, cut, number, page
from tracetrack_app.store.history import EntryFilter

router = APIRouter(prefix="/api/v1")
_Person = Annotated[Caller, needs(Permission.OWN_HISTORY)]
_Viewer = Annotated[Caller, needs(Permission.DASHBOARD)]
_Reader = Annotated[Caller, needs(Permission.LOOKUP)]
_User = Annotated[str | None, Query(min_length=1, max_length=64, description="A user's name. Of others, admins only.")]


class EntryOut(BaseModel):
    """A ledger entry, which never changes. The counts are those after it; `reverses` is the entry that it undoes."""

    id: int
    scan_id: UUID
    outcome: Outcome
    refusal: str | None
    code: str
    kind: str | None
    parent: str | None
    bill: str | None
    holder: str | None
    child_count: int | None
    expected_count: int | None
    bill_count: int | None
    bill_capacity: int | None
    reverses: int | None
    user: str | None
    fleet: str | None
    scanner: str | None
    source: str
    station: str
    captured_at: datetime
    recorded_at: datetime


class DayOut(BaseModel):
    """What a user, or a scanner of a fleet, did on a day of the service's time zone."""

    day: date
    user: str | None
    fleet: str | None
    scanner: str | None
    accepted: int
    refused: int
    parents_created: int
    children_created: int


class StatisticsOut(BaseModel):
    """The days asked for, the newest first; days without work are left out."""

    first: date
    last: date
    timezone: str
    days: list[DayOut]


class FoundBag(BaseModel):
    """A bag that was found, and where it is."""

    code: str
    kind: str
    name: str
    status: str
    area: str | None
    child_count: int | None
    expected_count: int | None
    parent: str | None
    bill: str | None


class FoundBill(BaseModel):
    """A bill that was found."""

    code: str
    destination: str
    status: str
    bag_count: int
    capacity: int


class LookupOut(BaseModel):
    """`exact` is the code that was meant, if there is one; `suggestions` are codes that may have been, if not."""

    exact: str | None
    bags: list[FoundBag]
    bills: list[FoundBill]
    suggestions: list[str]


async def _own(request: Request, caller: Caller, user: str | None) -> int | None:
    """The id of the only user whose work may be shown; None where everybody's may. Raises ProblemError."""
    if caller.may(Permission.AUDIT):
        return None
    if user is not None and user.lower() != caller.person.username.lower():
        await require(request, caller, Permission.AUDIT)
    return caller.person.user_id


@router.get("/ledger", tags=["ledger"], responses=documented())
async def list_entries(
    request: Request,
    response: Response,
    service: Here,
    caller: _Person,
    limit: Limit = 50,
    after: After = None,
    code: Annotated[BagCode | None, Query(description="Of this bag.")] = None,
    parent: Annotated[
        BagCode | None, Query(description="What put bags into this parent, or took them out, and what it is itself.")
    ] = None,
    user: _User = None,
    outcome: Outcome | None = None,
) -> Page[EntryOut]:
    """Ledger entries, newest first: one's own, and everybody's for those with the permission `audit`."""
    wanted = EntryFilter(code, parent, user, await _own(request, caller, user), outcome)
    found = await service.history.entries(caller.scope, wanted, limit + 1, number(after))
    rows, following = cut(found, limit)
    return page(request, response, [EntryOut.model_validate(asdict(row)) for row in rows], following)


@router.get("/statistics", tags=["statistics"], responses=documented())
async def get_statistics(
    request: Request,
    service: Here,
    caller: _Viewer,
    last: Annotated[Day | None, Query(description="The last day; without it, today.")] = None,
    count: Annotated[int, Query(ge=1, le=366, description="So many days up to it.")] = 7,
) -> StatisticsOut:
    """Scans a day and actor: one's own, and everybody's for those with the permission `audit`."""
    own = await _own(request, caller, None)
    last = last or service.bill_reports.today()
    first = last - timedelta(days=min(count - 1, (last - date.min).days))
    rows = await service.history.days(first, last, own)
    days = [DayOut.model_validate(asdict(row)) for row in rows]
    return StatisticsOut(first=first, last=last, timezone=service.settings.timezone, days=days)


@router.get("/lookup", tags=["lookup"], responses=documented())
async def look_up(
    service: Here,
    caller: _Reader,
    q: Annotated[str, Query(max_length=50, pattern=VISIBLE, description="A bag's or a bill's code, or its beginning.")],
    limit: Annotated[int, Query(ge=1, le=50, description="At most so many of each.")] = 10,
) -> LookupOut:
    """Find a parent, a child or, for those with the permission `bills`, a bill, in any case; or what may be meant."""
    found = await service.lists.search(caller.scope, q, limit, bills=caller.may(Permission.BILLS))
    bags = []
    for line in found.bags:
        where = await service.lists.whereabouts(line)
        parent = line.kind == "parent"
        bags.append(
            FoundBag(
                code=line.code,
                kind=line.kind,
                name=line.name,
                status=line.status,
                area=line.area,
                child_count=line.child_count if parent else None,
                expected_count=line.capacity if parent else None,
                parent=where.parent,
                bill=where.bill,
            )
        )
    bills = [FoundBill.model_validate(asdict(bill)) for bill in found.bills]
    return LookupOut(exact=found.exact, bags=bags, bills=bills, suggestions=found.near)
