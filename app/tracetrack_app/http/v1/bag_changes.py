"""Bags: lists, children, and every change that is not a scan."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field, StrictBool
from starlette.requests import Request
from starlette.responses import Response

from tracetrack_app.domain import codes
from tracetrack_app.domain.people import Permission
from tracetrack_app.domain.rules import Rule
from tracetrack_app.http.auth.caller import Caller, needs
from tracetrack_app.http.replies import ProblemError
from tracetrack_app.http.v1.problems import documented
from tracetrack_app.http.v1.shapes import (
    AREA,
    SOURCE,
    VISIBLE,
    BagCode,
    BagPath,
    ChildCode,
    Here,
    Kind,
    Limit,
    Page,
    Shape,
    Status,
    Words,
    page,
)
from tracetrack_app.store.bags import Assignment, Fill
from tracetrack_app.store.lists import BagFilter, BagLine

router = APIRouter(prefix="/api/v1/bags", tags=["bags"])
_Reader = Annotated[Caller, needs(Permission.LOOKUP)]
_Scanner = Annotated[Caller, needs(Permission.SCAN)]
_Undoer = Annotated[Caller, needs(Permission.UNDO)]
_Editor = Annotated[Caller, needs(Permission.EDIT_CHILDREN)]
_Deleter = Annotated[Caller, needs(Permission.DELETE_BAG)]
_Name = Annotated[str, Field(max_length=100, examples=["Wheat, gate 3"]), Words]
_AFTER = r"^[A-Za-z0-9-]{1,20}$"


class BagLineOut(BaseModel):
    """A bag in a list. The counts are a parent's: the children in it and how many it takes."""

    code: str
    kind: Kind
    name: str
    status: Status
    area: str | None
    child_count: int | None
    expected_count: int | None
    created_at: datetime
    updated_at: datetime


class ChildOut(BaseModel):
    """A child in a parent. `linked_by` is the name of a user or a scanner."""

    code: str
    name: str
    linked_at: datetime | None
    linked_by: str | None


class ChildrenOut(BaseModel):
    """What is in a parent, in the order of the scans."""

    parent: str
    child_count: int
    expected_count: int
    children: list[ChildOut]


class BagIn(Shape):
    """A bag that is registered before it is scanned."""

    code: Annotated[BagCode, Field(examples=["SB00001"])]
    name: _Name = ""


class BagPatch(Shape):
    """What to set; a field left out stays. `null` takes the bag out of its area, or back to the default product."""

    name: _Name | None = None
    area: Annotated[str, Field(pattern=AREA, examples=["lucknow"])] | None = None
    product: Annotated[str, Field(max_length=100, pattern=VISIBLE, examples=["Standard"]), Words] | None = None


class ChildrenIn(Shape):
    """All the children that the parent shall have; those that it has besides are taken out."""

    children: Annotated[list[ChildCode], Field(max_length=1000, examples=[["CHILD001", "CHILD002"]])]


class EditedOut(BaseModel):
    """What was changed."""

    parent: str
    child_count: int
    linked: list[str]
    unlinked: list[str]


class CompleteIn(Shape):
    """Whether a parent that is not full may be finished."""

    short: StrictBool = False


class FillOut(BaseModel):
    """A parent after a change."""

    code: str
    child_count: int
    expected_count: int
    completed: bool
    entry_id: int | None


def _bag(line: BagLine) -> BagLineOut:
    parent = line.kind == codes.Kind.PARENT
    counts = (line.child_count, line.capacity) if parent else (None, None)
    return BagLineOut.model_validate({**asdict(line), "child_count": counts[0], "expected_count": counts[1]})


@router.get("", responses=documented())
async def list_bags(
    request: Request,
    response: Response,
    service: Here,
    caller: _Reader,
    limit: Limit = 50,
    after: Annotated[str | None, Query(pattern=_AFTER, description="The `next` of the page before.")] = None,
    kind: Kind | None = None,
    status: Annotated[Status | None, Query(description="Of parents.")] = None,
    area: Annotated[str | None, Query(pattern=AREA, examples=["lucknow"])] = None,
    q: Annotated[
        str, Query(max_length=50, description="How the code begins, in any case; bare digits are a parent's number.")
    ] = "",
) -> Page[BagLineOut]:
    """The bags of the caller's area, newest first; those of a search by code."""
    if caller.scope is not None and area is not None and area != caller.scope:
        return Page(items=[])
    scope = caller.scope if caller.scope is not None else area
    try:
        found = await service.lists.bags(scope, BagFilter(kind, q, status), limit, after=after)
    except ValueError as error:
        raise ProblemError(
            422, "malformed", "The request is malformed", "query.after: give the `next` of a page of the same search."
        ) from error
    return page(request, response, [_bag(line) for line in found.bags], found.after)


@router.post("", status_code=201, responses=documented([Rule.BAG_EXISTS]))
async def register_bag(response: Response, service: Here, caller: _Scanner, body: BagIn) -> BagLineOut:
    """Register a bag without a scan. It is of the caller's area."""
    code = codes.parse(body.code)
    await service.bags.register(caller.actor, code, name=body.name, source=SOURCE)
    response.headers["Location"] = f"/api/v1/bags/{code.text}"
    return _bag(await service.lists.bag(caller.scope, code.text))


@router.get("/{code}/children", responses=documented([Rule.BAG_NOT_FOUND, Rule.WRONG_BAG_TYPE]))
async def list_children(service: Here, caller: _Reader, code: BagPath) -> ChildrenOut:
    """What is in a parent."""
    parent, children = await service.lists.children(caller.scope, code)
    return ChildrenOut(
        parent=parent.code,
        child_count=parent.child_count,
        expected_count=parent.capacity,
        children=[
            ChildOut(code=child.code, name=child.name, linked_at=child.linked_at, linked_by=child.linked_by)
            for child in children
        ],
    )


@router.put("/{code}/children", responses=documented([Rule.BAG_NOT_FOUND, Rule.WRONG_BAG_TYPE, Rule.CHILDREN_REFUSED]))
async def set_children(service: Here, caller: _Editor, code: BagPath, body: ChildrenIn) -> EditedOut:
    """Make these the children of a parent: all of it or, when one is refused, nothing (`refused` says which)."""
    done = await service.bags.set_children(caller.actor, code, body.children, source=SOURCE)
    return EditedOut(parent=done.parent, child_count=done.child_count, linked=done.linked, unlinked=done.unlinked)


@router.patch(
    "/{code}",
    responses=documented(
        [
            Rule.BAG_NOT_FOUND,
            Rule.AREA_NOT_FOUND,
            Rule.PRODUCT_NOT_FOUND,
            Rule.BAG_IN_USE,
            Rule.WRONG_BAG_TYPE,
            Rule.CAPACITY_BELOW_CONTENT,
        ]
    ),
)
async def change_bag(service: Here, caller: _Editor, code: BagPath, body: BagPatch) -> BagLineOut:
    """Set a bag's name, area and product. The children of a parent go to its area with it."""
    given: dict[str, Any] = {name: getattr(body, name) or "" for name in body.model_fields_set}
    await service.bags.assign(caller.actor, code, Assignment(**given))
    return _bag(await service.lists.bag(caller.scope, code))


@router.post(
    "/{code}/complete",
    responses=documented(
        [Rule.BAG_NOT_FOUND, Rule.WRONG_BAG_TYPE, Rule.PARENT_EMPTY, Rule.PARENT_SHORT, Rule.PARENT_COMPLETED]
    ),
)
async def complete_parent(service: Here, caller: _Scanner, code: BagPath, body: CompleteIn | None = None) -> FillOut:
    """Finish a parent. One that is not full needs `short`."""
    done = await service.bags.complete(caller.actor, code, source=SOURCE, short=body is not None and body.short)
    return _fill(done)


@router.post(
    "/{code}/reopen",
    responses=documented([Rule.BAG_NOT_FOUND, Rule.WRONG_BAG_TYPE, Rule.PARENT_OPEN, Rule.PARENT_COMPLETED]),
)
async def reopen_parent(service: Here, caller: _Undoer, code: BagPath) -> FillOut:
    """Let a finished parent take children again."""
    return _fill(await service.bags.reopen(caller.actor, code, source=SOURCE))


@router.delete(
    "/{code}",
    status_code=204,
    responses=documented([Rule.BAG_NOT_FOUND, Rule.BAG_IN_USE, Rule.BAG_HAS_HISTORY]),
)
async def delete_bag(service: Here, caller: _Deleter, code: BagPath) -> None:
    """Delete a bag that is linked to nothing and never was on a bill. The ledger keeps what it was."""
    await service.bags.delete(caller.actor, code, source=SOURCE)


def _fill(done: Fill) -> FillOut:
    return FillOut(
        code=done.code,
        child_count=done.child_count,
        expected_count=done.capacity,
        completed=done.completed,
        entry_id=done.entry_id,
    )
