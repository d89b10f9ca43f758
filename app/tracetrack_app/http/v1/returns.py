"""Return tickets: parents that come back to a C&F point."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from tracetrack_app.domain.people import Permission
from tracetrack_app.domain.rules import Rule
from tracetrack_app.http.auth.caller import Caller, needs
from tracetrack_app.http.v1.problems import documented
from tracetrack_app.http.v1.shapes import (
    MAX_ID,
    SOURCE,
    VISIBLE,
    After,
    BagCode,
    Here,
    Limit,
    Page,
    Shape,
    Words,
    cut,
    number,
    page,
)
from tracetrack_app.store.returns import Ticket

router = APIRouter(prefix="/api/v1/returns", tags=["returns"])
Status = Literal["open", "finalised", "cancelled"]
_Clerk = Annotated[Caller, needs(Permission.RETURNS)]
_TicketPath = Annotated[int, Path(ge=1, le=MAX_ID, description="The ticket's id.", examples=[1])]


class TicketOut(BaseModel):
    """A return ticket; `bag_count` parents of `weight_kg` in all came back on it."""

    id: int
    code: str
    location: str
    notes: str
    status: Status
    creator: str | None
    created_at: datetime
    closed_at: datetime | None
    bag_count: int
    weight_kg: float


class ReturnedOut(BaseModel):
    """What a parent was when it came back; `restored` when it was put back on its bill."""

    code: str
    bill: str
    child_count: int
    weight_kg: float
    scanned_at: datetime
    restored: bool


class TicketDetail(TicketOut):
    """A ticket with what came back on it, oldest first."""

    parents: list[ReturnedOut]


class TicketIn(Shape):
    """A ticket to open; without a code it gets RT and a number."""

    location: Annotated[str, Field(max_length=100, pattern=VISIBLE, examples=["Jaipur C&F"]), Words]
    code: Annotated[str, Field(max_length=50, pattern=VISIBLE), Words] | None = None
    notes: Annotated[str, Field(max_length=500), Words] = ""


class ReturnIn(Shape):
    """The parent that came back."""

    code: Annotated[BagCode, Field(examples=["SB00001"])]


class ReturnOut(BaseModel):
    """A parent taken off its bill, and the ticket after that."""

    code: str
    bill: str
    child_count: int
    ticket: TicketOut


class LeftOut(BaseModel):
    """A parent that could not be put back on its bill."""

    code: str
    detail: str


class CancelOut(BaseModel):
    """`restored` are back on their bills."""

    ticket: TicketOut
    restored: list[str]
    left_out: list[LeftOut]


def _ticket(ticket: Ticket) -> TicketOut:
    return TicketOut.model_validate(asdict(ticket))


@router.get("", responses=documented())
async def list_tickets(
    request: Request,
    response: Response,
    service: Here,
    caller: _Clerk,
    limit: Limit = 50,
    after: After = None,
    status: Status | None = None,
) -> Page[TicketOut]:
    """Tickets, newest first."""
    rows, following = cut(await service.returns.page(number(after), limit + 1, status), limit)
    return page(request, response, [_ticket(ticket) for ticket in rows], following)


@router.post("", status_code=201, responses=documented([Rule.TICKET_EXISTS]))
async def open_ticket(response: Response, service: Here, caller: _Clerk, body: TicketIn) -> TicketOut:
    """Open a ticket."""
    made = await service.returns.open(caller.actor, body.location, code=body.code, notes=body.notes)
    response.headers["Location"] = f"/api/v1/returns/{made.id}"
    return _ticket(made)


@router.get("/{ticket}", responses=documented([Rule.TICKET_NOT_FOUND]))
async def get_ticket(service: Here, caller: _Clerk, ticket: _TicketPath) -> TicketDetail:
    """A ticket with what came back on it."""
    found = await service.returns.get(ticket)
    parents = [ReturnedOut.model_validate(asdict(parent)) for parent in await service.returns.parents(ticket)]
    return TicketDetail(**_ticket(found).model_dump(), parents=parents)


@router.post(
    "/{ticket}/scans",
    status_code=201,
    responses=documented(
        [
            Rule.TICKET_NOT_FOUND,
            Rule.TICKET_CLOSED,
            Rule.BAG_NOT_FOUND,
            Rule.WRONG_BAG_TYPE,
            Rule.ON_NO_BILL,
            Rule.ALREADY_RETURNED,
        ]
    ),
)
async def scan_return(service: Here, caller: _Clerk, ticket: _TicketPath, body: ReturnIn) -> ReturnOut:
    """Take a parent that came back off its bill; it may be billed again."""
    done = await service.returns.scan(caller.actor, ticket, body.code, source=SOURCE)
    return ReturnOut(code=done.code, bill=done.bill, child_count=done.child_count, ticket=_ticket(done.ticket))


@router.post("/{ticket}/finalise", responses=documented([Rule.TICKET_NOT_FOUND, Rule.TICKET_CLOSED, Rule.TICKET_EMPTY]))
async def finalise_ticket(service: Here, caller: _Clerk, ticket: _TicketPath) -> TicketOut:
    """Close a ticket as it is."""
    return _ticket(await service.returns.finalise(caller.actor, ticket))


@router.post("/{ticket}/cancel", responses=documented([Rule.TICKET_NOT_FOUND, Rule.TICKET_CLOSED]))
async def cancel_ticket(service: Here, caller: _Clerk, ticket: _TicketPath) -> CancelOut:
    """Put every parent back on the bill it left, where that is still possible."""
    done = await service.returns.cancel(caller.actor, ticket, source=SOURCE)
    left_out = [LeftOut(code=code, detail=why) for code, why in done.left_out.items()]
    return CancelOut(ticket=_ticket(done.ticket), restored=done.restored, left_out=left_out)
