"""Bills. A parent gets on one by POST /api/v1/scans with `bill`."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Literal
from urllib.parse import quote, unquote

from fastapi import APIRouter, Header, Path, Query
from fastapi.routing import APIRoute
from pydantic import BaseModel, BeforeValidator, Field, Strict
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Scope

from tracetrack_app.domain.people import Permission
from tracetrack_app.domain.rules import Rule
from tracetrack_app.http.auth.caller import Caller, needs
from tracetrack_app.http.replies import ProblemError
from tracetrack_app.http.v1.problems import documented
from tracetrack_app.http.v1.shapes import (
    SOURCE,
    After,
    BagCode,
    Day,
    Here,
    Limit,
    Page,
    Shape,
    Whole,
    Words,
    cut,
    named,
    number,
    page,
)
from tracetrack_app.service import Service
from tracetrack_app.store.bill_reports import BillFilter
from tracetrack_app.store.bills import Bill, BillChange, StaleError


class RawPathRoute(APIRoute):
    """Matches the address as it was sent: a bill's id may hold a slash, sent as %2F."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if scope["type"] == "http" and scope.get("raw_path"):
            scope = {**scope, "path": scope["raw_path"].decode("ascii", "replace")}
        return super().matches(scope)


router = APIRouter(prefix="/api/v1/bills", tags=["bills"], route_class=RawPathRoute)
Status = Literal["new", "processing", "completed"]
_Biller = Annotated[Caller, needs(Permission.BILLS)]
_Deleter = Annotated[Caller, needs(Permission.DELETE_BILL)]
_Text = Annotated[str, Field(max_length=100), Words]
_Capacity = Annotated[
    int, Strict(), Field(ge=1, le=500, description="Parent bags that it takes.", examples=[30]), Whole
]
_Description = Annotated[str, Field(max_length=500), Words]


def _unquoted(text: str) -> str:
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8, percent-encoded") from None


BillPath = Annotated[
    str,
    BeforeValidator(_unquoted),
    Path(min_length=1, max_length=50, description="A bill's id in any case, percent-encoded.", examples=["BILL-7"]),
    Words,
]
_ParentPath = Annotated[
    BagCode, BeforeValidator(_unquoted), Path(description="The parent's code, in any case.", examples=["SB00001"])
]


class BillOut(BaseModel):
    """A bill. `bag_count` are the parents on it, of at most `capacity`."""

    code: str
    destination: str
    vehicle_number: str
    description: str
    status: Status
    capacity: int
    bag_count: int
    creator: str | None
    created_at: datetime
    updated_at: datetime
    completed_at: datetime | None


class BillLineOut(BaseModel):
    """A bill in a list. `actual_kg` weighs the children there are, `expected_kg` the parents as they should be."""

    code: str
    destination: str
    vehicle_number: str
    status: Status
    capacity: int
    bag_count: int
    children: int
    actual_kg: float
    expected_kg: float
    creator: str | None
    created_at: datetime
    completed_at: datetime | None


class BilledParentOut(BaseModel):
    """A parent on a bill."""

    code: str
    child_count: int
    expected_count: int
    status: str
    actual_kg: float
    expected_kg: float
    linked_at: datetime


class BillDetail(BillOut):
    """A bill with what is on it, in the order of the scans."""

    children: int
    actual_kg: float
    expected_kg: float
    parents: list[BilledParentOut]


class BillIn(Shape):
    """A bill to make."""

    # A letter or digit: `.` and `..` would be taken out of the bill's address on the way.
    code: Annotated[
        str,
        Field(
            max_length=50,
            pattern=r"[\p{L}\p{N}]",
            description="With a letter or a digit; unique in any case.",
            examples=["BILL-7"],
        ),
        Words,
    ]
    destination: Annotated[_Text, Field(examples=["Jaipur"])] = ""
    vehicle_number: Annotated[_Text, Field(examples=["RJ14 GA 1234"])] = ""
    description: _Description = ""
    capacity: _Capacity


class BillPatch(Shape):
    """What to set; a field left out stays."""

    destination: _Text | None = None
    vehicle_number: _Text | None = None
    description: _Description | None = None
    capacity: _Capacity | None = None


def _bill(bill: Bill) -> BillOut:
    return BillOut.model_validate(asdict(bill))


async def _detail(service: Service, code: str) -> tuple[BillDetail, str]:
    """The bill and its ETag."""
    bill = await service.bills.get(code)
    weights = await service.bills.weights(bill.id)
    parents = [
        BilledParentOut(
            code=parent.code,
            child_count=parent.child_count,
            expected_count=parent.capacity,
            status=parent.status,
            actual_kg=float(parent.actual_kg),
            expected_kg=float(parent.expected_kg),
            linked_at=parent.linked_at,
        )
        for parent in await service.bills.parents(bill.id)
    ]
    found = BillDetail(
        **asdict(bill),
        children=weights.children,
        actual_kg=float(weights.actual_kg),
        expected_kg=float(weights.expected_kg),
        parents=parents,
    )
    return found, f'"{hashlib.sha256(found.model_dump_json().encode()).hexdigest()[:32]}"'


@router.get("", responses=documented())
async def list_bills(
    request: Request,
    response: Response,
    service: Here,
    caller: _Biller,
    limit: Limit = 50,
    after: After = None,
    status: Status | None = None,
    created_from: Annotated[Day | None, Query(description="The first day, in the service's time zone.")] = None,
    created_to: Annotated[Day | None, Query(description="The last day.")] = None,
    creator: Annotated[int | None, Query(ge=1, le=2**63 - 1, description="The id of the user who made it.")] = None,
    q: Annotated[str, Query(max_length=50, description="How the id begins, in any case."), Words] = "",
) -> Page[BillLineOut]:
    """Bills, newest first."""
    wanted = BillFilter(q, status, created_from, created_to, creator)
    rows = await service.bill_reports.page(wanted, limit + 1, before=number(after))
    lines, following = cut(rows, limit)
    return page(request, response, [BillLineOut.model_validate(asdict(line)) for line in lines], following)


@router.post("", status_code=201, responses=documented([Rule.BILL_EXISTS]))
async def create_bill(response: Response, service: Here, caller: _Biller, body: BillIn) -> BillOut:
    """Make a bill."""
    made = await service.bills.create(
        caller.actor,
        body.code,
        destination=body.destination,
        vehicle_number=body.vehicle_number,
        capacity=body.capacity,
        description=body.description,
    )
    response.headers["Location"] = f"/api/v1/bills/{quote(made.code, safe='')}"
    return _bill(made)


@router.get(
    "/{code}",
    response_model=BillDetail,
    responses=documented([Rule.BILL_NOT_FOUND]) | {304: {"description": "As it was at that ETag"}},
)
async def get_bill(
    response: Response,
    service: Here,
    caller: _Biller,
    code: BillPath,
    if_none_match: Annotated[str | None, Header(description="ETags that the caller knows.")] = None,
) -> Any:
    """A bill with its weights and parents, and an ETag."""
    found, tag = await _detail(service, code)
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
    if if_none_match is not None and named(if_none_match, tag):
        return Response(status_code=304, headers=headers)
    response.headers.update(headers)
    return found


@router.patch(
    "/{code}",
    responses=documented([Rule.BILL_NOT_FOUND, Rule.CAPACITY_BELOW_CONTENT], 412),
)
async def change_bill(
    response: Response,
    service: Here,
    caller: _Biller,
    code: BillPath,
    body: BillPatch,
    if_match: Annotated[str | None, Header(description="Change it only if it is as at this ETag.")] = None,
) -> BillDetail:
    """Change what a bill says. With If-Match nobody's change in between is overwritten."""
    seen: datetime | None = None
    if if_match is not None:
        before, tag = await _detail(service, code)
        if not named(if_match, tag):
            raise _stale(before.code)
        seen = before.updated_at
    change = BillChange(body.destination, body.vehicle_number, body.capacity, body.description)
    try:
        await service.bills.change(code, change, seen=seen)
    except StaleError:
        raise _stale(code) from None
    found, response.headers["ETag"] = await _detail(service, code)
    return found


def _stale(code: str) -> ProblemError:
    words = f"Bill {code} was changed meanwhile: get it again and decide anew."
    return ProblemError(412, "stale", "It was changed meanwhile", words)


@router.post("/{code}/complete", responses=documented([Rule.BILL_NOT_FOUND, Rule.BILL_CLOSED, Rule.BILL_EMPTY]))
async def complete_bill(service: Here, caller: _Biller, code: BillPath) -> BillOut:
    """Finish a bill with at least one parent on it."""
    return _bill(await service.bills.complete(code))


@router.post("/{code}/reopen", responses=documented([Rule.BILL_NOT_FOUND, Rule.BILL_OPEN]))
async def reopen_bill(service: Here, caller: _Biller, code: BillPath) -> BillOut:
    """Let a finished bill be changed again."""
    return _bill(await service.bills.reopen(code))


@router.delete("/{code}", status_code=204, responses=documented([Rule.BILL_NOT_FOUND]))
async def delete_bill(service: Here, caller: _Deleter, code: BillPath) -> None:
    """Delete a bill. Its parents may go on another; what was on it stays in the ledger."""
    await service.bills.delete(caller.actor, code, source=SOURCE)


@router.delete(
    "/{code}/bags/{parent}",
    responses=documented(
        [Rule.BILL_NOT_FOUND, Rule.BAG_NOT_FOUND, Rule.NOT_ON_BILL, Rule.BILL_CLOSED, Rule.WRONG_BAG_TYPE]
    ),
)
async def remove_parent(service: Here, caller: _Biller, code: BillPath, parent: _ParentPath) -> BillOut:
    """Take a parent off a bill."""
    return _bill(await service.bills.remove(caller.actor, code, parent, source=SOURCE))
