"""Whole tables as CSV or Excel, sent while they are read: no cap on rows, the same memory for any number of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from tracetrack_app.domain.people import Permission
from tracetrack_app.http.auth.trail import who
from tracetrack_app.http.legacy.bill_shapes import day, number
from tracetrack_app.http.legacy.common import answered, asked, done
from tracetrack_app.http.replies import Refused, service_of
from tracetrack_app.ingest.sheetwriter import TableWriter, writer
from tracetrack_app.store.exports import Export, Range, Reader

_FORMS = {"csv": "csv", "excel": "excel", "xlsx": "excel"}
_PATHS = {
    "/export/bags": Export.BAGS,
    "/export/bills": Export.BILLS,
    "/export/batch_child_parent": Export.CHILD_PARENT,
    "/export/batch_parent_bill": Export.PARENT_BILL,
    "/export/reports/user-activity": Export.USER_ACTIVITY,
    "/export/reports/system-stats": Export.SYSTEM_STATS,
}


@answered
async def export(request: Request) -> Response:
    """The table; `date_from`, `date_to` and `user_id` limit the activity of users."""
    admin, query = await asked(request, Permission.IMPORT_EXPORT)
    path, _, form = request.url.path.rpartition("/")
    if form not in _FORMS:
        raise Refused(404, "An export is csv or excel.", error_code="not_found")
    service, what, out = service_of(request), _PATHS[path], writer(_FORMS[form])
    zone = service.settings.timezone
    reader = await Reader.open(service.connector, what, zone, _range(query), service.standby)
    try:
        details = {"table": what.value, "format": out.suffix}
        await service.audit.record("export", who(request, admin), "export", what.value, details=details)
        await service.standby.wrote(admin.user_id)
    except BaseException:
        reader.close()
        raise
    name = f"tracetrack-{what.value}-{datetime.now(ZoneInfo(zone)):%Y%m%d-%H%M%S}.{out.suffix}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return done(request, StreamingResponse(_body(reader, what, out), 200, headers, out.media_type))


def _range(query: Mapping[str, str]) -> Range:
    user = query.get("user_id", "").strip()
    return Range(
        day(query, "date_from"), day(query, "date_to"), number(user, "user_id") if user and user != "all" else None
    )


async def _body(reader: Reader, what: Export, out: TableWriter) -> AsyncIterator[bytes]:
    try:
        out.begin(what.value.replace("-", " ").capitalize(), reader.header)
        async for rows in reader.batches():
            out.rows(rows)
            if data := out.take():
                yield data
        out.end()
        yield out.take()
    finally:
        reader.close()


ROUTES = [Route(f"{path}/{{form}}", export) for path in _PATHS]
