"""The call that every way in ends in: raw words become a scan, the scan becomes a ledger entry."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID, uuid4

from tracetrack_app.domain import codes
from tracetrack_app.domain.outcomes import Entry, Refusal
from tracetrack_app.domain.scans import Actor, Scan, Undo
from tracetrack_app.store.writer import Writer

MAX_STATION = 100
MAX_BILL = 50


@dataclass(frozen=True, slots=True)
class RawScan:
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
    station = codes.clean_text(raw.station, MAX_STATION)
    bill = codes.clean_text(raw.bill, MAX_BILL) if raw.bill is not None else None
    parent = codes.clean(raw.parent) if raw.parent is not None else None
    scan = Scan(raw.scan_id, codes.clean(raw.code), None, parent, raw.actor, raw.source, raw.captured_at, station, bill)
    if raw.malformed:
        return replace(scan, refusal=Refusal.MALFORMED_SCAN)
    try:
        code = codes.parse(raw.code)
        scan = replace(scan, code=code.text, kind=code.kind)
        if parent is not None and parent == code.text:
            return replace(scan, refusal=Refusal.SELF_LINK)
        if parent is not None:
            scan = replace(scan, parent=codes.parse_parent(parent).text)
    except codes.MalformedCodeError:
        return replace(scan, refusal=Refusal.MALFORMED_CODE)
    return replace(scan, refusal=_refusal(code, scan, raw.expect))


def _refusal(code: codes.Code, scan: Scan, expect: codes.Kind | None) -> Refusal | None:
    if expect is not None and code.kind is not expect:
        return Refusal.WRONG_BAG_TYPE
    if code.kind is codes.Kind.PARENT:
        return Refusal.WRONG_BAG_TYPE if scan.parent is not None else None
    if scan.bill is not None:
        return Refusal.WRONG_BAG_TYPE
    return Refusal.PARENT_REQUIRED if scan.parent is None else None


async def submit(writer: Writer, raw: RawScan) -> Entry:
    """Record the scan; the entry may be a refusal. Raises UnavailableError.

    A scan_id that belongs to a different scan is refused, under a scan_id of its own.
    """
    scan = judge(raw)
    entry = await writer.record(scan)
    if entry.replay and not _same(entry, scan, raw.source):
        return await writer.record(replace(scan, scan_id=uuid4(), refusal=Refusal.SCAN_ID_REUSED))
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
    return await writer.record(Undo(scan_id, child, holder, actor, source, captured_at))


def _same(entry: Entry, scan: Scan, source: str) -> bool:
    if entry.refusal is Refusal.MALFORMED_SCAN:
        return True
    if entry.code != scan.code:
        return False
    # A station that sends no parent means the one it is at, which may have moved on by the time it asks again.
    explicit = source == "v1"
    return not explicit or (entry.parent == scan.parent and (entry.bill or "").upper() == (scan.bill or "").upper())
