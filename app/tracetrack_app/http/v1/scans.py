"""POST /api/v1/scans: one scan, recorded once however often it is sent."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID, uuid4

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tracetrack_app.domain.outcomes import MALFORMED, Entry, Refusal, detail, title
from tracetrack_app.domain.people import Permission
from tracetrack_app.domain.scans import Actor
from tracetrack_app.http.auth.caller import Caller, identify, require, stay
from tracetrack_app.http.auth.limits import scan_limit
from tracetrack_app.http.replies import reply, service_of
from tracetrack_app.http.v1.problems import Problem, facts, problem, problem_type, reply_problem
from tracetrack_app.ingest.scans import MAX_BILL, MAX_STATION, RawScan, submit
from tracetrack_app.store.writer import UnavailableError, Writer

SOURCE = "v1"
SECURITY: list[dict[str, list[str]]] = [{"deviceKey": []}, {"personalToken": []}, {"session": [], "csrf": []}]
_EXAMPLES = {
    "open or create a parent": {
        "value": {"scan_id": "6f1c2c1e-8d0e-4a39-9b0e-2f9d1a6b7c01", "code": "SB00001", "station": "gate-1"}
    },
    "a child into it": {
        "value": {"scan_id": "6f1c2c1e-8d0e-4a39-9b0e-2f9d1a6b7c02", "code": "CHILD001", "parent": "SB00001"}
    },
    "the parent on a bill": {
        "value": {"scan_id": "6f1c2c1e-8d0e-4a39-9b0e-2f9d1a6b7c03", "code": "SB00001", "bill": "BILL-7"}
    },
}


class ScanIn(msgspec.Struct, frozen=True, kw_only=True):
    """A scan as a device sends it."""

    scan_id: Annotated[UUID, Meta(description="Made by the client, one for each scan; sent again on a retry.")]
    code: Annotated[str, Meta(min_length=1, max_length=200, description="What was scanned.", examples=["SB00001"])]
    parent: Annotated[
        Annotated[str, Meta(max_length=200)] | None,
        Meta(description="The parent bag a child goes into. Required for a child's code."),
    ] = None
    bill: Annotated[
        Annotated[str, Meta(max_length=200)] | None, Meta(description="The bill a parent bag is put on.")
    ] = None
    station: Annotated[str, Meta(max_length=200, description="Where it was scanned.")] = ""
    captured_at: Annotated[datetime, Meta(tz=True, description="When it was scanned (RFC 3339).")] | None = None


class ScanEntry(msgspec.Struct, frozen=True, kw_only=True):
    """The ledger's entry of a scan."""

    id: int
    scan_id: UUID
    outcome: str
    code: str
    kind: str | None
    parent: str | None
    bill: str | None
    station: str
    captured_at: datetime
    recorded_at: datetime


class ScanCounts(msgspec.Struct, frozen=True, kw_only=True):
    """Bags in the parent after the scan, and parents on the bill where one was named."""

    child_count: int | None
    expected_count: int | None
    bill_count: int | None
    bill_capacity: int | None


class ScanOut(msgspec.Struct, frozen=True, kw_only=True):
    """An accepted scan."""

    entry: ScanEntry
    counts: ScanCounts


_scan = msgspec.json.Decoder(ScanIn)
_anything = msgspec.json.Decoder()


def may_bill(who: Caller) -> bool:
    """Whether his scans may name a bill: those of devices may."""
    return who.principal is None or who.may(Permission.BILLS)


def no_bills(raw: RawScan) -> dict[str, Any]:
    """The problem of a scan that may not name a bill."""
    words = "bill: this needs the permission 'bills', which your role or token does not give."
    return facts(403, "forbidden", "You may not do this", words, scan_id=raw.scan_id, permission=Permission.BILLS)


def read_scan(body: bytes | msgspec.Raw, actor: Actor) -> tuple[RawScan | None, str]:
    """(the scan, why it is malformed). A malformed one is a scan too if it holds a code: it is kept."""
    now = datetime.now(UTC)
    try:
        data = _scan.decode(body)
        captured_at = data.captured_at.astimezone(UTC) if data.captured_at is not None else now
        return RawScan(data.scan_id, data.code, actor, SOURCE, captured_at, data.parent, data.bill, data.station), ""
    except RecursionError:
        return None, "The body is nested too deeply."
    except (msgspec.DecodeError, UnicodeDecodeError, OverflowError) as error:
        reason = str(error) if isinstance(error, msgspec.DecodeError) else "captured_at is out of range"
    try:
        loose = _anything.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None, f"The body is not JSON: {reason}"
    if not isinstance(loose, dict) or not isinstance(loose.get("code"), str):
        return None, reason
    try:
        scan_id = UUID(loose["scan_id"])
    except (KeyError, ValueError, TypeError, AttributeError):
        scan_id = uuid4()
    parent, bill, station = (
        value if isinstance(value := loose.get(name), str) else None for name in ("parent", "bill", "station")
    )
    raw = RawScan(scan_id, loose["code"], actor, SOURCE, now, parent, bill, station or "", malformed=True)
    return raw, reason


async def record(request: Request) -> Response:
    """The handler."""
    who = await identify(request)
    await require(request, who, Permission.SCAN)
    scan_limit(request, who.actor)
    answer = await answered(service_of(request).writer, await request.body(), who.actor, bills=may_bill(who))
    response = answer if isinstance(answer, Response) else reply(*answer)
    stay(request, response, who)
    return response


async def answered(writer: Writer, body: bytes, actor: Actor, *, bills: bool = True) -> tuple[ScanOut, int] | Response:
    """The body and status of an accepted scan; the whole reply to any other. `bills`: whether it may name one."""
    raw, reason = read_scan(body, actor)
    if raw is None:
        return problem(422, Refusal.MALFORMED_SCAN, title(Refusal.MALFORMED_SCAN), reason)
    if raw.bill is not None and not bills:
        return reply_problem(no_bills(raw))
    try:
        entry = await submit(writer, raw)
    except UnavailableError as error:
        return reply_problem(unavailable(error, raw.scan_id), {"Retry-After": str(error.retry_after)})
    if entry.refusal is not None:
        return reply_problem(refused(entry, entry.refusal, reason))
    return accepted(entry), 200 if entry.replay else 201


def accepted(entry: Entry) -> ScanOut:
    """The body of an accepted scan; the same whenever it is asked for."""
    return ScanOut(
        entry=ScanEntry(
            id=entry.id,
            scan_id=entry.scan_id,
            outcome=entry.outcome,
            code=entry.code,
            kind=entry.kind,
            parent=entry.parent,
            bill=entry.bill,
            station=entry.station,
            captured_at=entry.captured_at,
            recorded_at=entry.recorded_at,
        ),
        counts=ScanCounts(
            child_count=entry.child_count,
            expected_count=entry.capacity,
            bill_count=entry.bill_count,
            bill_capacity=entry.bill_capacity,
        ),
    )


def unavailable(error: UnavailableError, scan_id: UUID) -> dict[str, Any]:
    """The problem of a scan that could not be recorded."""
    words = f"{error} Send it again with the same scan_id."
    return facts(503, "unavailable", "The scan could not be recorded now", words, scan_id=scan_id)


def refused(entry: Entry, refusal: Refusal, reason: str = "") -> dict[str, Any]:
    """The problem of a refused scan: 422 for the request itself, 409 for a rule."""
    return facts(
        422 if refusal in MALFORMED else 409,
        refusal,
        title(refusal),
        reason or detail(entry),
        scan_id=entry.scan_id,
        entry_id=entry.id,
        code=entry.code,
        parent=entry.parent,
        holder=entry.holder,
        child_count=entry.child_count,
        expected_count=entry.capacity,
    )


def describe() -> dict[str, Any]:
    """The OpenAPI path item and the component schemas of this call."""
    (scan_in, scan_out, refused_with), components = msgspec.json.schema_components(
        [ScanIn, ScanOut, Problem], ref_template="#/components/schemas/{name}"
    )
    json_of = {"application/json": {"schema": scan_out}}
    problem_of = {"application/problem+json": {"schema": refused_with}}
    types = ", ".join(problem_type(name) for name in Refusal)
    operation = {
        "summary": "Record one scan",
        "description": "A parent's code opens or creates that parent; a child's code needs `parent`; a parent's code"
        " with `bill` puts it on the bill. The same scan_id sent again is answered alike and recorded once."
        f" Station is kept to {MAX_STATION} characters, a bill's id to {MAX_BILL}.",
        "operationId": "record_scan",
        "tags": ["scans"],
        "security": SECURITY,
        "requestBody": {"required": True, "content": {"application/json": {"schema": scan_in, "examples": _EXAMPLES}}},
        "responses": {
            "201": {"description": "Recorded", "content": json_of},
            "200": {"description": "Had been recorded before; the same body as then", "content": json_of},
            "401": {"description": "No valid device key or personal token", "content": problem_of},
            "403": {"description": "The token does not give the permission `scan`", "content": problem_of},
            "409": {
                "description": f"Refused by a rule, kept in the ledger; type is one of {types}",
                "content": problem_of,
            },
            "413": {"description": "The body is too large", "content": problem_of},
            "422": {"description": "Malformed; kept in the ledger if it holds a code", "content": problem_of},
            "429": {"description": "Too many scans a minute: wait Retry-After seconds", "content": problem_of},
            "503": {"description": "Not now: send it again after Retry-After seconds", "content": problem_of},
            "default": {"description": "Any other error", "content": problem_of},
        },
    }
    return {"path": {"post": operation}, "schemas": components}


ROUTES = [Route("/api/v1/scans", record, methods=["POST"])]
