"""The statements that write the ledger, and how items become their arguments and rows become entries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tracetrack_app.domain.outcomes import Entry, Outcome, Refusal
from tracetrack_app.domain.scans import Scan, Undo

_COLUMNS = (
    "id, scan_id, outcome, refusal, code, kind, parent, bill, holder, child_count, capacity, bill_count, bill_capacity,"
    " station, captured_at, recorded_at"
)
_ENTRY = ", ".join(f"(r.entry).{name.strip()}" for name in _COLUMNS.split(","))

RECORD_SCANS = (
    f"SELECT r.replay, {_ENTRY} FROM record_scans($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[],"
    " $6::text[], $7::bigint[], $8::text[], $9::text[], $10::text[], $11::text[], $12::timestamptz[], $13::integer,"
    " $14::text) r"
)
RECORD_BILL_SCAN = f"SELECT r.replay, {_ENTRY} FROM record_bill_scan($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12) r"
RECORD_UNDO = f"SELECT r.replay, {_ENTRY} FROM record_undo($1,$2,$3,$4,$5,$6,$7,$8,$9,$10) r"


def statement(items: Sequence[Scan | Undo], capacity: int, timezone: str) -> tuple[str, tuple[Any, ...]]:
    """The statement that records these items, and its arguments.

    Several items are scans without a bill; a scan with a bill or an undo comes alone (see `alone`).
    """
    first = items[0]
    if isinstance(first, Undo):
        return RECORD_UNDO, (
            first.scan_id,
            first.code,
            first.parent,
            first.actor.user_id,
            first.actor.fleet,
            first.actor.scanner,
            first.source,
            first.station,
            first.captured_at,
            timezone,
        )
    if alone(first):
        return RECORD_BILL_SCAN, (
            first.scan_id,
            first.code,
            first.kind,
            first.bill,
            first.refusal,
            first.actor.user_id,
            first.actor.fleet,
            first.actor.scanner,
            first.source,
            first.station,
            first.captured_at,
            timezone,
        )
    scans = [item for item in items if isinstance(item, Scan)]
    return RECORD_SCANS, (
        [scan.scan_id for scan in scans],
        [scan.code for scan in scans],
        [scan.kind for scan in scans],
        [scan.parent for scan in scans],
        [scan.bill for scan in scans],
        [scan.refusal for scan in scans],
        [scan.actor.user_id for scan in scans],
        [scan.actor.fleet for scan in scans],
        [scan.actor.scanner for scan in scans],
        [scan.source for scan in scans],
        [scan.station for scan in scans],
        [scan.captured_at for scan in scans],
        capacity,
        timezone,
    )


def alone(item: Scan | Undo) -> bool:
    """Whether the item has a statement of its own and shares no batch."""
    return isinstance(item, Undo) or (item.bill is not None and item.refusal is None)


def entry(row: Any) -> Entry:
    """The ledger entry in a row of one of the three statements."""
    replay, number, scan_id, outcome, refusal, *rest = row
    return Entry(number, scan_id, replay, Outcome(outcome), Refusal(refusal) if refusal else None, *rest)
