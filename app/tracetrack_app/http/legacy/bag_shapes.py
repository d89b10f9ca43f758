"""Bags as the existing clients name and show them."""

from __future__ import annotations

from typing import Any

from tracetrack_app.domain.codes import MalformedCodeError, parse
from tracetrack_app.store.lists import BagLine, Child, FoundBill, Whereabouts


def which(text: str) -> int | str:
    """A bag as a client names it: the number in the database, or its code."""
    text = text.strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else code_of(text)


def code_of(text: str) -> str:
    """The stored form of a code, also of one that is none: there is no such bag, then."""
    try:
        return parse(text).text
    except MalformedCodeError as error:
        return error.text


def listed(bag: BagLine) -> dict[str, Any]:
    return {
        "id": bag.id,
        "qr_id": bag.code,
        "type": bag.kind,
        "name": bag.name,
        "status": bag.status,
        "child_count": bag.child_count,
        "expected_count": bag.capacity if bag.kind == "parent" else None,
        "dispatch_area": bag.area,
        "created_at": bag.created_at.isoformat(),
    }


def whole(bag: BagLine, where: Whereabouts) -> dict[str, Any]:
    return {
        **listed(bag),
        "updated_at": bag.updated_at.isoformat(),
        "parent_qr": where.parent,
        "bill_id": where.bill,
        "bill_number": where.bill_id,
    }


def child_of(child: Child) -> dict[str, Any]:
    return {
        "id": child.id,
        "qr_id": child.code,
        "name": child.name,
        "linked_at": child.linked_at.isoformat() if child.linked_at else None,
        "scanned_by": child.linked_by,
    }


def fill_of(parent: BagLine) -> dict[str, Any]:
    return {
        "parent_qr": parent.code,
        "child_count": parent.child_count,
        "expected_count": parent.capacity,
        "status": parent.status,
    }


def bill_of(bill: FoundBill) -> dict[str, Any]:
    return {
        "id": bill.id,
        "bill_id": bill.code,
        "destination": bill.destination,
        "status": bill.status,
        "linked_count": bill.bag_count,
        "parent_bag_count": bill.capacity,
    }
