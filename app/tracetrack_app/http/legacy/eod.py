"""The end-of-day report on bills: shown to an admin, and sent by mail to who bills."""

from __future__ import annotations

import asyncio
import csv
import hmac
import io
from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import date
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tracetrack_app.domain.people import Permission
from tracetrack_app.http.legacy.bill_shapes import day, listed
from tracetrack_app.http.legacy.common import answered, asked, done
from tracetrack_app.http.replies import MAX_BODY, Refused, fields_of, reply, service_of
from tracetrack_app.mail import MailError
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


@answered
async def send(request: Request) -> Response:
    """Mail the report of `date`, today where none is given, now."""
    _, fields = await asked(request, Permission.EOD_REPORT)
    return done(request, reply(await _send(request, fields)))


@answered
async def schedule(request: Request) -> Response:
    """As `send`, for a scheduler: it proves itself by the header X-EOD-Secret. Closed while no secret is set."""
    secret = service_of(request).settings.bindings.eod_secret()
    given = request.headers.get("x-eod-secret", "")
    if secret is None:
        raise Refused(403, "No scheduler is let in: set EOD_SECRET, or mount the eod binding.", error_code="forbidden")
    if not hmac.compare_digest(secret.encode(), given.encode()):
        raise Refused(403, "The header X-EOD-Secret is missing or wrong.", error_code="forbidden")
    return reply(await _send(request, await fields_of(request)))


async def _send(request: Request, fields: Mapping[str, str]) -> dict[str, Any]:
    service = service_of(request)
    wanted = day(fields, "date") or service.bill_reports.today()
    facts = report(wanted, await service.bill_reports.day(wanted, complete=True))
    recipients = await service.bill_reports.recipients()
    subject, text, table = f"TraceTrack: bills of {wanted:%d %b %Y}", _text(facts), _csv(facts)
    attachment = (f"bills-{wanted.isoformat()}.csv", "text/csv", table.encode())
    outcomes = await asyncio.gather(
        *(service.mailer.send(address, subject, text, attachments=[attachment]) for _, address in recipients),
        return_exceptions=True,
    )
    errors = []
    for (name, _), outcome in zip(recipients, outcomes, strict=True):
        if isinstance(outcome, MailError):
            errors.append(f"{name}: {outcome}")
        elif isinstance(outcome, BaseException):
            raise outcome
    sent = len(recipients) - len(errors)
    message = f"Sent to {sent} of {len(recipients)} people." if recipients else "Nobody who bills has a mail address."
    return {
        "success": sent > 0 and not errors,
        "message": message,
        "sent_count": sent,
        "failed_count": len(errors),
        "total_recipients": len(recipients),
        "recipients": [address for _, address in recipients],
        "errors": errors,
        "report_date": facts["report_date"],
        "total_bills": facts["totals"]["total_bills"],
    }


def _text(facts: Mapping[str, Any]) -> str:
    sums = facts["totals"]
    lines = [
        f"Bills of {facts['report_date']}: {sums['total_bills']}, of which {sums['completed_bills']} completed.",
        f"Parent bags: {sums['total_parent_bags']}. Child bags: {sums['total_child_bags']}.",
        f"Weight: {sums['total_weight_kg']:g} kg of {sums['expected_weight_kg']:g} kg expected.",
        "",
        *(
            f"{user['username']}: {user['total_bills']} bills, {user['total_parent_bags']} parent bags,"
            f" {user['total_weight_kg']:g} kg"
            for user in facts["bills_by_user"]
        ),
    ]
    return "\n".join(lines) + "\n"


_COLUMNS = (
    "bill_id",
    "destination",
    "vehicle_number",
    "status",
    "linked_count",
    "parent_bag_count",
    "total_child_count",
    "actual_weight_kg",
    "expected_weight_kg",
    "created_by",
    "created_at",
)


def _csv(facts: Mapping[str, Any]) -> str:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(_COLUMNS)
    for bill in facts["detailed_bills"]:
        writer.writerow([_cell(bill[name]) for name in _COLUMNS])
    return out.getvalue()


def _cell(value: object) -> object:
    """The value; text that a spreadsheet would run as a formula is marked as text."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value


ROUTES = [
    Route("/api/bill_summary/eod", show),
    Route("/api/bill_summary/send_eod", send, methods=["POST"], max_body_size=MAX_BODY),
    Route("/api/bill_summary/schedule_eod", schedule, methods=["POST"], max_body_size=MAX_BODY),
]
