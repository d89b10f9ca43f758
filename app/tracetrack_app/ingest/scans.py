"""The call that every way in ends in: raw words become a scan, the scan becomes a ledger entry."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID, uuid4

import msgspec

from tracetrack_app.domain import codes
from tracetrack_app.domain.outcomes import Entry, Outcome, Refusal
from tracetrack_app.domain.scans import Actor, Scan, Undo
from tracetrack_app.store.writer import Writer

_NOTHING_UNDONE = (Refusal.NOTHING_TO_UNDO, Refusal.NOT_LINKED, Refusal.AREA_DENIED)
MAX_STATION = 100
MAX_BILL = 50


class RawScan(msgspec.Struct, frozen=True, gc=False):
    """A scan as it was sent. `parent` and `bill` are None when not given; `expect` refuses the other kind of bag."""

    scan_id: UUID
    code: str
    actor: Actor
    source: str
    captured_at: datetime
    parent: str | None = None
    bill: str | None = None
    station: str = ""
    expect: codes.Kind | None = None
    malformed: bool = False


def judge(raw: RawScan) -> Scan:
    """The scan in its stored form, refused already where its words alone decide that."""
    bill = codes.clean_text(raw.bill, MAX_BILL) if raw.bill is not None else None
    parent = codes.clean(raw.parent) if raw.parent is not None else None
    code, kind, refusal = codes.clean(raw.code), None, None
    if raw.malformed:
        refusal = Refusal.MALFORMED_SCAN
    else:
        try:
            parsed = codes.parse(raw.code)
            code, kind = parsed.text, parsed.kind
            if parent is None:
                refusal = _refusal(kind, parent, bill, raw.expect)
            elif parent == code:
                refusal = Refusal.SELF_LINK
            else:
                parent = codes.parse_parent(parent).text
                refusal = _refusal(kind, parent, bill, raw.expect)
        except codes.MalformedCodeError:
            refusal = Refusal.MALFORMED_CODE
    station = codes.clean_text(raw.station, MAX_STATION)
    return Scan(raw.scan_id, code, kind, parent, raw.actor, raw.source, raw.captured_at, station, bill, refusal)


def _refusal(kind: codes.Kind, parent: str | None, bill: str | None, expect: codes.Kind | None) -> Refusal | None:
    if expect is not None and kind is not expect:
        return Refusal.WRONG_BAG_TYPE
    if kind is codes.Kind.PARENT:
        return Refusal.WRONG_BAG_TYPE if parent is not None else None
    if bill is not None:
        return Refusal.WRONG_BAG_TYPE
    return Refusal.PARENT_REQUIRED if parent is None else None


async def submit(writer: Writer, raw: RawScan) -> Entry:
    """Record the scan; the entry may be a refusal. Raises UnavailableError.

    A scan_id that belongs to a different scan is refused, under a scan_id of its own; so is a malformed one.
    """
    scan = judge(raw)
    entry = await writer.record(scan)
    if entry.replay and not _same(entry, scan, raw.source):
        refusal = scan.refusal if raw.malformed else Refusal.SCAN_ID_REUSED
        return await writer.record(msgspec.structs.replace(scan, scan_id=uuid4(), refusal=refusal))
    return entry


async def undo(
    writer: Writer,
    *,
    scan_id: UUID,
    code: str | None,
    parent: str | None,
    actor: Actor,
    source: str,
    captured_at: datetime,
) -> Entry:
    """Take a named child out of its parent, or the newest one out of `parent`. Raises UnavailableError.

    The same scan_id again undoes nothing more.
    """
    child = codes.clean(code) if code is not None else None
    holder = codes.clean(parent) if parent is not None else None
    if child is not None:
        try:
            child = codes.parse(child).text
        except codes.MalformedCodeError as error:
            child = error.text
    entry = await writer.record(Undo(scan_id, child, holder, actor, source, captured_at))
    if entry.replay and not _undid(entry, child):
        code_then = child if child is not None else holder or ""
        reused = Scan(uuid4(), code_then, None, holder, actor, source, captured_at, refusal=Refusal.SCAN_ID_REUSED)
        return await writer.record(reused)
    return entry


def _undid(entry: Entry, child: str | None) -> bool:
    """Whether the entry of an earlier call is that of an undo, of this child where one is named."""
    if entry.outcome is not Outcome.UNLINKED and entry.refusal not in _NOTHING_UNDONE:
        return False
    return child is None or entry.code == child


def _same(entry: Entry, scan: Scan, source: str) -> bool:
    if Refusal.MALFORMED_SCAN in (entry.refusal, scan.refusal):
        return entry.refusal is Refusal.MALFORMED_SCAN
    if entry.code != scan.code:
        return False
    # A station that sends no parent means the one it is at, which may have moved on by the time it asks again.
    explicit = source == "v1"
    return not explicit or (entry.parent == scan.parent and (entry.bill or "").upper() == (scan.bill or "").upper())
