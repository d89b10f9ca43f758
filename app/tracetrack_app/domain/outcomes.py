"""What a scan led to. The identifiers are stored in the ledger and sent to clients: they never change meaning."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

import msgspec

from tracetrack_app.domain.codes import NOT_A_CODE


class Outcome(StrEnum):
    """What was done, for an accepted entry; REFUSED for one that changed nothing."""

    PARENT_CREATED = "parent_created"
    PARENT_OPENED = "parent_opened"
    CHILD_LINKED = "child_linked"
    BILL_LINKED = "bill_linked"
    UNLINKED = "unlinked"
    BILL_UNLINKED = "bill_unlinked"
    RETURNED = "returned"
    PARENT_COMPLETED = "parent_completed"
    PARENT_REOPENED = "parent_reopened"
    BAG_REGISTERED = "bag_registered"
    BAG_DELETED = "bag_deleted"
    REFUSED = "refused"


class Change(StrEnum):
    """What is no ledger entry and is told to whoever watches all the same."""

    BAG_CHANGED = "bag_changed"
    BILL_CREATED = "bill_created"
    BILL_CHANGED = "bill_changed"
    BILL_COMPLETED = "bill_completed"
    BILL_REOPENED = "bill_reopened"
    BILL_DELETED = "bill_deleted"
    RETURN_OPENED = "return_opened"
    RETURN_FINALISED = "return_finalised"
    RETURN_CANCELLED = "return_cancelled"
    IMPORT_PROGRESS = "import_progress"
    IMPORT_FINISHED = "import_finished"
    IMPORT_FAILED = "import_failed"


class Refusal(StrEnum):
    """Why a scan was refused."""

    MALFORMED_CODE = "malformed_code"
    MALFORMED_SCAN = "malformed_scan"
    PARENT_REQUIRED = "parent_required"
    PARENT_NOT_FOUND = "parent_not_found"
    PARENT_COMPLETED = "parent_completed"
    CAPACITY_REACHED = "capacity_reached"
    DUPLICATE_CHILD = "duplicate_child"
    WRONG_BAG_TYPE = "wrong_bag_type"
    SELF_LINK = "self_link"
    BILL_NOT_FOUND = "bill_not_found"
    BILL_CLOSED = "bill_closed"
    BILL_CAPACITY_REACHED = "bill_capacity_reached"
    ALREADY_ON_BILL = "already_on_bill"
    ALREADY_ON_OTHER_BILL = "already_on_other_bill"
    SCAN_ID_REUSED = "scan_id_reused"
    NOTHING_TO_UNDO = "nothing_to_undo"
    NOT_LINKED = "not_linked"
    AREA_DENIED = "area_denied"


MALFORMED = frozenset({Refusal.MALFORMED_CODE, Refusal.MALFORMED_SCAN, Refusal.PARENT_REQUIRED, Refusal.SCAN_ID_REUSED})
"""Refusals of the request itself, whatever the state of the bags: HTTP 422 rather than 409."""


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One ledger entry, as recorded.

    `replay` tells that the scan_id had been recorded before this call. `child_count` and `capacity` are the parent's
    after the scan, `bill_count` and `bill_capacity` the bill's; None where none is concerned. `holder` is the parent
    or bill that holds the bag already; `area` is that of the bag or of who scanned it.
    """

    id: int
    scan_id: UUID
    replay: bool
    outcome: Outcome
    refusal: Refusal | None
    code: str
    kind: str | None
    parent: str | None
    bill: str | None
    holder: str | None
    child_count: int | None
    capacity: int | None
    bill_count: int | None
    bill_capacity: int | None
    station: str
    captured_at: datetime
    recorded_at: datetime
    area: str | None = None

    @property
    def accepted(self) -> bool:
        return self.refusal is None


_TITLES = {
    Refusal.MALFORMED_CODE: "Not a bag code",
    Refusal.MALFORMED_SCAN: "The scan is not well formed",
    Refusal.PARENT_REQUIRED: "A child bag needs its parent",
    Refusal.PARENT_NOT_FOUND: "The parent bag does not exist",
    Refusal.PARENT_COMPLETED: "The parent bag is completed",
    Refusal.CAPACITY_REACHED: "The parent bag is full",
    Refusal.DUPLICATE_CHILD: "The child bag is already in a parent bag",
    Refusal.WRONG_BAG_TYPE: "The bag is of the other type",
    Refusal.SELF_LINK: "A bag cannot be put into itself",
    Refusal.BILL_NOT_FOUND: "The bill does not exist",
    Refusal.BILL_CLOSED: "The bill is completed",
    Refusal.BILL_CAPACITY_REACHED: "The bill is full",
    Refusal.ALREADY_ON_BILL: "The parent bag is already on this bill",
    Refusal.ALREADY_ON_OTHER_BILL: "The parent bag is on another bill",
    Refusal.SCAN_ID_REUSED: "The scan_id belongs to another scan",
    Refusal.NOTHING_TO_UNDO: "Nothing to undo",
    Refusal.NOT_LINKED: "The child bag is in no parent bag",
    Refusal.AREA_DENIED: "The bag is of another area",
}


def title(refusal: Refusal) -> str:
    """One short sentence, the same for every case of this refusal."""
    return _TITLES[refusal]


def detail(entry: Entry) -> str:
    """The refusal of this entry in words, naming the bags; English."""
    code, parent, bill, holder = entry.code, entry.parent, entry.bill, entry.holder
    words = {
        Refusal.MALFORMED_CODE: NOT_A_CODE,
        Refusal.PARENT_REQUIRED: f"{code} is a child bag: send the code of its parent with it.",
        Refusal.PARENT_NOT_FOUND: f"Parent bag {parent or code} does not exist: scan the parent first.",
        Refusal.PARENT_COMPLETED: f"Parent bag {parent} is completed.",
        Refusal.CAPACITY_REACHED: f"Maximum {entry.capacity} child bags reached for {parent}.",
        Refusal.DUPLICATE_CHILD: f"DUPLICATE: {code} is already linked to {holder}.",
        Refusal.WRONG_BAG_TYPE: f"{code} is a {entry.kind} bag: it does not fit here.",
        Refusal.SELF_LINK: f"{code} cannot be linked to itself.",
        Refusal.BILL_NOT_FOUND: f"Bill {bill} does not exist.",
        Refusal.BILL_CLOSED: f"Bill {bill} is completed.",
        Refusal.BILL_CAPACITY_REACHED: f"Bill {bill} is full ({entry.bill_capacity} parent bags).",
        Refusal.ALREADY_ON_BILL: f"{code} is already on bill {bill}.",
        Refusal.ALREADY_ON_OTHER_BILL: f"{code} is already on bill {holder}.",
        Refusal.SCAN_ID_REUSED: "This scan_id was sent before with another code, parent or bill: make a new one.",
        Refusal.NOTHING_TO_UNDO: f"No scan of {parent} is recent enough to undo: name the child to take out.",
        Refusal.NOT_LINKED: f"{code} is not linked to {parent or 'a parent bag'}.",
        Refusal.AREA_DENIED: f"{code} is not of your area: ask an admin to assign it.",
    }
    return words.get(entry.refusal, title(entry.refusal)) if entry.refusal else ""
