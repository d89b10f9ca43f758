"""Bills as the existing clients name and show them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from starlette.requests import Request

from tracetrack_app.domain.codes import clean_text
from tracetrack_app.domain.rules import RuleError
from tracetrack_app.http.replies import Refused, service_of
from tracetrack_app.store.bill_reports import BillLine
from tracetrack_app.store.bills import Bill, BilledParent, Weights

MAX_CODE = 50


def number(text: str, name: str, lowest: int = 0) -> int:
    """A whole number in a field. Raises Refused."""
    text = text.strip()
    if not (text.isascii() and text.isdigit() and len(text) <= 18 and int(text) >= lowest):
        raise Refused(400, f"{name} must be a whole number of at least {lowest}.", error_code="bad_request")
    return int(text)


def which(text: str) -> int | str:
    """A bill as a client names it: the number in the database, or the id that is on the paper."""
    text = clean_text(text, MAX_CODE)
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else text


async def named(request: Request, fields: Mapping[str, str]) -> Bill:
    """The bill in the field `bill_id`, by number or by code. Raises Refused, RuleError."""
    text = fields.get("bill_id", "")
    if not text.strip():
        raise Refused(400, "bill_id is missing.", error_type="missing_data", error_code="bad_request")
    bills, name = service_of(request).bills, which(text)
    try:
        return await bills.get(name)
    except RuleError:
        if isinstance(name, str):
            raise
        return await bills.get(str(name))


def summary(bill: Bill) -> dict[str, Any]:
    """A bill as every call shows it. `parent_bag_count` is its capacity: so the existing clients read it."""
    return {
        "id": bill.id,
        "bill_id": bill.code,
        "description": bill.description,
        "destination": bill.destination,
        "vehicle_number": bill.vehicle_number,
        "status": bill.status,
        "parent_bag_count": bill.capacity,
        "linked_count": bill.bag_count,
        "created_by": bill.creator,
        "created_at": bill.created_at.isoformat(),
        "updated_at": bill.updated_at.isoformat(),
        "completed_at": bill.completed_at.isoformat() if bill.completed_at else None,
    }


def billed_parent(parent: BilledParent) -> dict[str, Any]:
    return {
        "id": parent.id,
        "qr_id": parent.code,
        "status": parent.status,
        "child_count": parent.child_count,
        "expected_count": parent.capacity,
        "weight_kg": float(parent.actual_kg),
        "expected_weight_kg": float(parent.expected_kg),
        "linked_at": parent.linked_at.isoformat(),
    }


def whole(bill: Bill, weights: Weights, parents: list[BilledParent]) -> dict[str, Any]:
    return {
        **summary(bill),
        "actual_weight_kg": float(weights.actual_kg),
        "expected_weight_kg": float(weights.expected_kg),
        "total_child_count": weights.children,
        "parent_bags": [billed_parent(parent) for parent in parents],
    }


def counts(bill: Bill, weights: Weights) -> dict[str, Any]:
    """What follows a change of a bill."""
    return {
        "linked_count": bill.bag_count,
        "expected_count": bill.capacity,
        "actual_weight": float(weights.actual_kg),
        "expected_weight": float(weights.expected_kg),
    }


def listed(line: BillLine) -> dict[str, Any]:
    return {
        "id": line.id,
        "bill_id": line.code,
        "destination": line.destination,
        "vehicle_number": line.vehicle_number,
        "status": line.status,
        "parent_bag_count": line.capacity,
        "linked_count": line.bag_count,
        "total_child_count": line.children,
        "actual_weight_kg": float(line.actual_kg),
        "expected_weight_kg": float(line.expected_kg),
        "created_by": line.creator,
        "created_at": line.created_at.isoformat(),
        "completed_at": line.completed_at.isoformat() if line.completed_at else None,
    }


def day(query: Mapping[str, str], name: str) -> date | None:
    """A day as YYYY-MM-DD. Raises Refused."""
    text = query.get(name, "").strip()
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Refused(400, f"{name} must be a day such as 2026-01-31.", error_code="bad_request") from None


def wants_page(request: Request) -> bool:
    """Whether a browser asks, rather than a script."""
    return "text/html" in request.headers.get("accept", "")
