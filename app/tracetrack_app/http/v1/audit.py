"""The audit log: newest rows to look at, all of it to keep."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from tracetrack_app.domain.people import Permission
from tracetrack_app.http.auth.caller import Caller, needs
from tracetrack_app.http.auth.trail import who
from tracetrack_app.http.replies import service_of
from tracetrack_app.http.v1.problems import described
from tracetrack_app.http.v1.shapes import MAX_ID, After, Limit, Moment, Page, number, page

router = APIRouter(prefix="/api/v1", tags=["audit"])
Auditor = Annotated[Caller, needs(Permission.AUDIT)]


class AuditRow(BaseModel):
    """Who did what. Personal data is masked; `hash` is of this row and the one before it."""

    seq: int
    at: datetime
    user_id: int | None
    username: str | None
    action: str
    entity: str | None
    entity_id: str | None
    before: Any
    after: Any
    details: Any
    ip: str | None
    request_id: str | None
    hash: str


_NDJSON: dict[int | str, dict[str, Any]] = {
    200: {"description": "One JSON object a line, oldest first.", "content": {"application/x-ndjson": {}}}
}


@router.get("/audit", operation_id="export_audit", response_class=StreamingResponse, responses=described() | _NDJSON)
async def export(
    request: Request,
    caller: Auditor,
    since: Annotated[Moment | None, Query(description="From this moment on.")] = None,
    until: Annotated[Moment | None, Query(description="Before this moment.")] = None,
) -> StreamingResponse:
    """All of it, or a stretch of time, with all that a check of the chain needs. The export is in the log itself."""
    service = service_of(request)
    details = {"since": since.isoformat() if since else None, "until": until.isoformat() if until else None}
    await service.audit.record("audit.export", who(request, caller.person), details=details)
    await service.standby.wrote(caller.person.user_id)

    async def lines() -> AsyncIterator[bytes]:
        async for line in service.audit.export(since, until):
            yield line

    headers = {"Content-Disposition": 'attachment; filename="audit.ndjson"', "Cache-Control": "no-store"}
    return StreamingResponse(lines(), media_type="application/x-ndjson", headers=headers)


@router.get("/audit/rows", operation_id="list_audit_rows", responses=described())
async def rows(
    request: Request,
    response: Response,
    caller: Auditor,
    after: After = None,
    limit: Limit = 100,
    user_id: Annotated[int | None, Query(ge=1, le=MAX_ID)] = None,
    action: Annotated[str | None, Query(max_length=50, examples=["user.update"])] = None,
    entity: Annotated[str | None, Query(max_length=30, examples=["user"])] = None,
    entity_id: Annotated[str | None, Query(max_length=100)] = None,
) -> Page[AuditRow]:
    """A page of it."""
    found = await service_of(request).audit.rows(
        before=number(after), limit=limit + 1, user_id=user_id, action=action, entity=entity, entity_id=entity_id
    )
    following = str(found[limit - 1]["seq"]) if len(found) > limit else None
    return page(request, response, [AuditRow.model_validate(each) for each in found[:limit]], following)
