"""The statements that write the ledger, and how items become their arguments and rows become entries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tracetrack_app.domain.business_settings import PARENT_CAPACITY, UNDO_MINUTES, UNDO_WINDOW, Number
from tracetrack_app.domain.outcomes import Entry, Outcome, Refusal
from tracetrack_app.domain.scans import Scan, Undo

# A look-up: calling the enumeration takes several times as long.
_OUTCOMES = {outcome.value: outcome for outcome in Outcome}
_REFUSALS = {refusal.value: refusal for refusal in Refusal}
# Columns by name: a column added by a newer version must not change what a prepared statement returns.
_RETURNING = (
    "r.replay, (r.entry).id, (r.entry).scan_id, (r.entry).outcome, (r.entry).refusal, (r.entry).code, (r.entry).kind,"
    " (r.entry).parent, (r.entry).bill, (r.entry).holder, (r.entry).child_count, (r.entry).capacity,"
    " (r.entry).bill_count, (r.entry).bill_capacity, (r.entry).station, (r.entry).captured_at, (r.entry).recorded_at,"
    " (r.entry).area"
)


def set_number(setting: Number, otherwise: str) -> str:
    """SQL of the number that an admin set, else of `otherwise`: as of the statement, wherever it was set."""
    return f"coalesce((SELECT value::integer FROM settings WHERE name = '{setting.name}'), {otherwise})"  # noqa: S608


def parent_capacity(argument: int) -> str:
    """SQL of what a new parent takes whose product says nothing; the environment's is in this argument."""
    return set_number(PARENT_CAPACITY, f"${argument}::integer")


def _typed(*types: str) -> list[str]:
    return [f"${index}::{kind}" for index, kind in enumerate(types, 1)]


def _select(function: str, arguments: Sequence[str]) -> str:
    return f"SELECT {_RETURNING} FROM {function}({', '.join(arguments)}) r"  # noqa: S608


_MANY = _typed(*(f"{kind}[]" for kind in ("uuid", *["text"] * 5, "bigint", *["text"] * 4, "timestamptz", "text")))
RECORD_SCANS = _select("record_scans", [*_MANY, parent_capacity(14), "$15::text"])
RECORD_BILL_SCAN = _select(
    "record_bill_scan", _typed("uuid", *["text"] * 4, "bigint", *["text"] * 4, "timestamptz", *["text"] * 2)
)
_UNDO = _typed("uuid", "text", "text", "bigint", *["text"] * 4, "timestamptz", *["text"] * 2)
RECORD_UNDO = _select("record_undo", [*_UNDO, set_number(UNDO_WINDOW, str(UNDO_MINUTES))])


def statement(items: Sequence[Scan | Undo], capacity: int, timezone: str) -> tuple[str, tuple[Any, ...]]:
    """The statement that records these items, and its arguments; `capacity` is that of new parents if none was set.

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
            first.actor.area,
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
            first.actor.area,
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
        [scan.actor.area for scan in scans],
        capacity,
        timezone,
    )


def alone(item: Scan | Undo) -> bool:
    """Whether the item has a statement of its own and shares no batch."""
    return isinstance(item, Undo) or (item.bill is not None and item.refusal is None)


def entry(row: Any) -> Entry:
    """The ledger entry in a row of one of the three statements."""
    replay, number, scan_id, outcome, refusal, *rest = row
    return Entry(number, scan_id, replay, _OUTCOMES[outcome], _REFUSALS[refusal] if refusal else None, *rest)
