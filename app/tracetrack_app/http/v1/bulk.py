"""POST /api/v1/scans/bulk: what a device gathered while it had no network. POST /api/v1/scans/undo."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tracetrack_app.domain import codes
from tracetrack_app.domain.outcomes import Entry, Outcome, Refusal, title
from tracetrack_app.domain.people import Permission
from tracetrack_app.http.auth.caller import Caller, identify, require, stay
from tracetrack_app.http.auth.limits import scan_limit
from tracetrack_app.http.replies import reply, service_of
from tracetrack_app.http.v1.problems import Problem, described, facts, problem, reply_problem
from tracetrack_app.http.v1.scans import (
    SECURITY,
    SOURCE,
    ScanIn,
    ScanOut,
    accepted,
    may_bill,
    no_bills,
    read_scan,
    refused,
    unavailable,
)
from tracetrack_app.ingest.scans import RawScan, submit, undo
from tracetrack_app.store.writer import UnavailableError, Writer

MAX_ROWS = 500
# Every field of every row at its longest, four bytes a character.
MAX_BULK_BODY = MAX_ROWS * 4096


class BulkIn(msgspec.Struct, frozen=True):
    """Scans in the order in which they were made. A malformed one fails alone."""

    scans: Annotated[list[ScanIn], Meta(min_length=1, max_length=MAX_ROWS)]


class _Rows(msgspec.Struct, frozen=True):
    scans: list[msgspec.Raw]


class RowOut(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What POST /api/v1/scans would have answered: status 200 or 201 with `scan`, any other with `problem`."""

    status: Annotated[int, Meta(examples=[201])]
    scan: ScanOut | None = None
    problem: Problem | None = None


class BulkOut(msgspec.Struct, frozen=True):
    """One result a scan, in their order."""

    results: list[RowOut]


class UndoIn(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to take back: the child `code`, or the newest put into `parent` lately; at least one of both."""

    scan_id: Annotated[UUID, Meta(description="Made by the client, one for each undo; sent again on a retry.")]
    code: Annotated[str, Meta(min_length=1, max_length=200, description="The child.")] | None = None
    parent: Annotated[str, Meta(min_length=1, max_length=200, description="The parent it is in.")] | None = None


_rows = msgspec.json.Decoder(_Rows)
_undo = msgspec.json.Decoder(UndoIn)


async def record_many(request: Request) -> Response:
    """The handler of bulk scans."""
    caller = await _caller(request, Permission.SCAN)
    try:
        rows = _rows.decode(await request.body()).scans
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return _malformed(str(error) or "The body is not UTF-8.")
    if not 1 <= len(rows) <= MAX_ROWS:
        words = f"scans: there are {len(rows)}; send between 1 and {MAX_ROWS} a call."
        return problem(422, "too_many_scans" if rows else "malformed", "Too many scans" if rows else "No scans", words)
    scan_limit(request, caller.actor, len(rows))
    results = await in_order([read_scan(row, caller.actor) for row in rows], caller, service_of(request).writer)
    waits = [result["retry_after"] for result in results if "retry_after" in result]
    headers = {"Retry-After": str(max(waits))} if waits else None
    body = {"results": [{name: value for name, value in each.items() if name != "retry_after"} for each in results]}
    response = reply(body, 207, headers)
    stay(request, response, caller)
    return response


async def in_order(rows: Sequence[tuple[RawScan | None, str]], caller: Caller, writer: Writer) -> list[dict[str, Any]]:
    """The results of the rows. Those that share a bag, a bill or a scan_id are recorded one after another, as they
    stand; all others at once."""
    last: dict[object, asyncio.Task[dict[str, Any]]] = {}
    tasks: list[asyncio.Task[dict[str, Any]]] = []

    async def after(before: set[asyncio.Task[dict[str, Any]]], raw: RawScan | None, reason: str) -> dict[str, Any]:
        if before:
            await asyncio.wait(before)
        return await _record(raw, reason, caller, writer)

    for raw, reason in rows:
        shared = _shares(raw) if raw is not None else []
        before = {last[key] for key in shared if key in last}
        task = asyncio.create_task(after(before, raw, reason))
        tasks.append(task)
        last.update(dict.fromkeys(shared, task))
    return list(await asyncio.gather(*tasks))


def _shares(raw: RawScan) -> list[object]:
    found: list[object] = [raw.scan_id, _text(raw.code)]
    if raw.parent is not None:
        found.append(_text(raw.parent))
    if raw.bill is not None:
        found.append(("bill", codes.clean(raw.bill)))
    return found


async def _record(raw: RawScan | None, reason: str, caller: Caller, writer: Writer) -> dict[str, Any]:
    if raw is None:
        body = facts(422, Refusal.MALFORMED_SCAN, title(Refusal.MALFORMED_SCAN), reason)
        return {"status": 422, "problem": body}
    if raw.bill is not None and not may_bill(caller):
        return {"status": 403, "problem": no_bills(raw)}
    try:
        entry = await submit(writer, raw)
    except UnavailableError as error:
        return {"status": 503, "problem": unavailable(error, raw.scan_id), "retry_after": error.retry_after}
    if entry.refusal is not None:
        body = refused(entry, entry.refusal, reason)
        return {"status": body["status"], "problem": body}
    return {"status": 200 if entry.replay else 201, "scan": accepted(entry)}


async def take_back(request: Request) -> Response:
    """The handler of an undo."""
    caller = await _caller(request, Permission.UNDO)
    try:
        given = _undo.decode(await request.body())
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return _malformed(str(error) or "The body is not UTF-8.")
    if given.code is None and given.parent is None:
        return _malformed("code or parent: send the child, or the parent whose newest child shall be taken out.")
    scan_limit(request, caller.actor)
    writer = service_of(request).writer
    try:
        entry = await undo(
            writer,
            scan_id=given.scan_id,
            code=given.code,
            parent=given.parent,
            actor=caller.actor,
            source=SOURCE,
            captured_at=datetime.now(UTC),
        )
    except UnavailableError as error:
        return reply_problem(unavailable(error, given.scan_id), {"Retry-After": str(error.retry_after)})
    if entry.replay and not _same(entry, given):
        words = "This scan_id was sent before with something else: make a new one."
        return problem(422, Refusal.SCAN_ID_REUSED, title(Refusal.SCAN_ID_REUSED), words, scan_id=given.scan_id)
    if entry.refusal is not None:
        response = reply_problem(refused(entry, entry.refusal))
    else:
        response = reply(accepted(entry), 200 if entry.replay else 201)
    stay(request, response, caller)
    return response


def _same(entry: Entry, given: UndoIn) -> bool:
    if entry.outcome not in (Outcome.UNLINKED, Outcome.REFUSED):
        return False
    named = [(given.code, entry.code), (given.parent, entry.parent)]
    return all(sent is None or _text(sent) == stored for sent, stored in named)


def _text(raw: str) -> str:
    try:
        return codes.parse(raw).text
    except codes.MalformedCodeError as error:
        return error.text


def _malformed(reason: str) -> Response:
    return problem(422, "malformed", "The request is malformed", reason)


async def _caller(request: Request, permission: Permission) -> Caller:
    caller = await identify(request)
    await require(request, caller, permission)
    return caller


ROUTES = [
    Route("/api/v1/scans/bulk", record_many, methods=["POST"]),
    Route("/api/v1/scans/undo", take_back, methods=["POST"]),
]


def describe_bulk() -> dict[str, Any]:
    """The OpenAPI path item and the component schemas of bulk scans."""
    (bulk_in, bulk_out), components = msgspec.json.schema_components(
        [BulkIn, BulkOut], ref_template="#/components/schemas/{name}"
    )
    operation = {
        "summary": "Record up to 500 scans",
        "description": "Each is recorded as if it were sent alone, and has its own result: a malformed or refused one"
        " never fails its neighbours. Scans that share a bag, a bill or a scan_id are recorded in their order.",
        "operationId": "record_scans",
        "tags": ["scans"],
        "security": SECURITY,
        "requestBody": {"required": True, "content": {"application/json": {"schema": bulk_in, "examples": _BULK}}},
        "responses": {
            "207": {"description": "A result a scan", "content": {"application/json": {"schema": bulk_out}}},
            **{str(status): each for status, each in described(429).items()},
        },
    }
    return {"path": {"post": operation}, "schemas": components}


def describe_undo() -> dict[str, Any]:
    """The OpenAPI path item and the component schemas of an undo."""
    (undo_in, scan_out), components = msgspec.json.schema_components(
        [UndoIn, ScanOut], ref_template="#/components/schemas/{name}"
    )
    content = {"application/json": {"schema": scan_out}}
    operation = {
        "summary": "Take a child out of its parent",
        "description": "A child that is named, or the newest of a parent within the setting `undo_window_minutes`."
        " Nothing is deleted: the entry `unlinked` names the one that it reverses.",
        "operationId": "undo_scan",
        "tags": ["scans"],
        "security": SECURITY,
        "requestBody": {"required": True, "content": {"application/json": {"schema": undo_in, "examples": _UNDO}}},
        "responses": {
            "201": {"description": "Recorded", "content": content},
            "200": {"description": "Had been recorded before; the same body as then", "content": content},
            **{
                str(status): each
                for status, each in described(429, s409="Refused by a rule, kept in the ledger").items()
            },
        },
    }
    return {"path": {"post": operation}, "schemas": components}


_BULK = {
    "a parent and its first child": {
        "value": {
            "scans": [
                {"scan_id": "6f1c2c1e-8d0e-4a39-9b0e-2f9d1a6b7c01", "code": "SB00001"},
                {"scan_id": "6f1c2c1e-8d0e-4a39-9b0e-2f9d1a6b7c02", "code": "CHILD001", "parent": "SB00001"},
            ]
        }
    }
}
_UNDO = {
    "a named child": {"value": {"scan_id": "6f1c2c1e-8d0e-4a39-9b0e-2f9d1a6b7c03", "code": "CHILD001"}},
    "the newest of a parent": {"value": {"scan_id": "6f1c2c1e-8d0e-4a39-9b0e-2f9d1a6b7c04", "parent": "SB00001"}},
}
