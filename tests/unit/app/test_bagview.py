"""What a scan does to what is cached of a parent."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from tracetrack_app.domain.outcomes import Entry, Outcome, Refusal
from tracetrack_app.domain.scans import Actor, Scan
from tracetrack_app.store.bagview import BAG, BagView, patched, steps_of
from tracetrack_app.store.views import changes_of

AT = datetime(2026, 1, 5, 10, tzinfo=UTC)
LATER = AT + timedelta(seconds=1, microseconds=7)


def parent(*children: str, version: int = 10, capacity: int = 3, status: str = "in_progress") -> BagView:
    return BagView(
        version, len(children), capacity, status, AT, children, 1, "SB00001", "parent", "", None, None, None, None, AT
    )


def entry(number: int, outcome: Outcome, code: str, count: int | None, **more: object) -> Entry:
    facts: dict[str, object] = {"replay": False, "refusal": None, "parent": "SB00001", "bill": None, "kind": "child"}
    facts |= {"recorded_at": LATER, **more}
    return Entry(
        id=number, scan_id=uuid4(), outcome=outcome, code=code, holder=None, child_count=count, capacity=3,
        bill_count=None, bill_capacity=None, station="", captured_at=LATER, **facts,
    )  # type: ignore[arg-type]  # fmt: skip


def patch(*entries: Entry) -> bytes:
    return steps_of(entries)["bag:SB00001"]


def linked(number: int, code: str, count: int, at: datetime = LATER) -> Entry:
    return entry(number, Outcome.CHILD_LINKED, code, count, recorded_at=at)


def unlinked(number: int, code: str, count: int, at: datetime = LATER) -> Entry:
    return entry(number, Outcome.UNLINKED, code, count, recorded_at=at)


def test_a_value_survives_redis() -> None:
    bag = parent("AAAA", "BBBB")
    assert BAG.decode(BAG.encode(bag)) == bag


def test_children_come_and_go_in_the_order_of_their_entries() -> None:
    after = patched(parent("AAAA"), patch(linked(12, "CCCC", 3), linked(11, "BBBB", 2)))
    assert after is not None
    assert (after.children, after.child_count, after.status) == (("AAAA", "BBBB", "CCCC"), 3, "completed")
    assert (after.version, after.updated_at) == (12, LATER)
    after = patched(after, patch(unlinked(13, "BBBB", 2)))
    assert after is not None
    assert (after.children, after.child_count, after.status) == (("AAAA", "CCCC"), 2, "in_progress")


def test_the_last_child_taken_out_leaves_it_pending() -> None:
    after = patched(parent("AAAA"), patch(unlinked(11, "AAAA", 0)))
    assert after is not None
    assert (after.children, after.status) == ((), "pending")


def test_one_finished_short_stays_so_when_a_child_is_taken_out() -> None:
    after = patched(parent("AAAA", "BBBB", status="completed"), patch(unlinked(11, "AAAA", 1)))
    assert after is not None
    assert after.status == "completed"


def test_an_entry_that_the_value_holds_already_changes_nothing() -> None:
    bag = parent("AAAA", "BBBB", version=12)
    assert patched(bag, patch(linked(11, "BBBB", 2))) == bag
    # Linked, undone and linked again: counts alone would take the first link for the last.
    undone = parent("AAAA", version=12)
    assert patched(undone, patch(linked(11, "BBBB", 2))) == undone


@pytest.mark.parametrize(
    "step", [linked(12, "CCCC", 3), linked(12, "AAAA", 2), unlinked(12, "BBBB", 0), unlinked(12, "AAAA", 1)]
)
def test_a_value_that_missed_something_is_dropped(step: Entry) -> None:
    assert patched(parent("AAAA"), patch(step)) is None


def test_what_scans_change() -> None:
    accepted = [
        entry(1, Outcome.PARENT_CREATED, "SB00001", 0, parent=None, kind="parent"),
        entry(2, Outcome.PARENT_OPENED, "SB00002", 0, parent=None, kind="parent"),
        linked(3, "AAAA", 1),
        entry(4, Outcome.BILL_LINKED, "SB00003", 1, parent=None, bill="b-7"),
        entry(5, Outcome.REFUSED, "BBBB", 30, refusal=Refusal.CAPACITY_REACHED),
    ]
    keys, patches = changes_of(accepted)
    assert keys == {"bag:SB00001", "bag:AAAA", "bag:SB00003", "bill:B-7"} - set(patches)
    assert set(patches) == {"bag:SB00001"}


def test_what_was_recorded_by_another_call_is_dropped_not_patched() -> None:
    keys, patches = changes_of([entry(3, Outcome.CHILD_LINKED, "AAAA", 1, replay=True), linked(4, "BBBB", 2)])
    assert (keys, patches) == ({"bag:AAAA", "bag:BBBB", "bag:SB00001"}, {})


def test_a_scan_of_unknown_fate_is_dropped_not_patched() -> None:
    lost = Scan(uuid4(), "CCCC", "child", "SB00001", Actor(user_id=1), "test", AT, bill="b-7")
    keys, patches = changes_of([linked(4, "BBBB", 2)], [lost])
    assert (keys, patches) == ({"bag:BBBB", "bag:CCCC", "bag:SB00001", "bill:B-7"}, {})
