"""The end-of-day report on bills: shown to an admin, and sent by mail to who bills."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import date
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tracetrack_app.domain.people import Permission
from tracetrack_app.http.legacy.bill_shapes import day, listed
from tracetrack_app.http.legacy.common import answered, asked, done
from tracetrack_app.http.replies import reply, service_of
from tracetrack_app.store.bill_reports import BillLine, totals


def report(day: date, lines: list[BillLine]) -> dict[str, Any]:
    """The bills made on `day`, in numbers and one by one."""
    by_user: dict[str, list[BillLine]] = defaultdict(list)
    for line in lines:
        by_user[line.creator or "deleted account"].append(line)
    return {
        "report_date": day.isoformat(),
        "totals": totals(lines),
        "bills_by_status": dict(sorted(Counter(line.status for line in lines).items())),
        "bills_by_user": [{"username": name, **totals(by_user[name])} for name in sorted(by_user)],
        "detailed_bills": [listed(line) for line in lines],
    }


@answered
async def show(request: Request) -> Response:
    """The report of `date`, today where none is given; a day is one in the service's time zone."""
    _, query = await asked(request, Permission.EOD_REPORT)
    reports = service_of(request).bill_reports
    wanted = day(query, "date") or reports.today()
    return done(request, reply({"success": True, **report(wanted, await reports.day(wanted))}))


ROUTES = [Route("/api/bill_summary/eod", show)]
