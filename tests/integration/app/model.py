"""What random histories are made of, and what the rules say of them: bags, children, bills and returns in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import strategies as st

from tracetrack_app.domain.scans import Actor

CAPACITY, BILL_CAPACITY = 2, 1
PARENTS = ["SB00001", "SB00002", "M444-00003"]
CHILDREN = [f"CHILD{number}" for number in range(6)]
BILLS = ["Truck 1", "Truck 2"]
ACTORS = [
    Actor(user_id=1),
    Actor(user_id=2, area="lucknow"),
    Actor(user_id=3, area="jaipur"),
    Actor(fleet="lucknow", scanner="lucknow-0001"),
]


@dataclass(frozen=True)
class Op:
    """One operation: a scan, an undo, or a change by hand.

    `again` sends the scan_id of the operation that many places back instead of a new one.
    """

    what: str
    code: str | None
    parent: str | None
    bill: str | None
    actor: int
    writer: int
    again: int


# Weighted by hand: most scans of mere chance would be refused, and the rules behind the first would not be met.
_anyone = st.sampled_from([0, 0, 0, 3, 3, 1, 2])
_desk = st.sampled_from([0, 0, 0, 1])
_writer = st.integers(0, 1)
_again = st.sampled_from([0] * 20 + [1, 2, 4])
_parents, _children = st.sampled_from(PARENTS), st.sampled_from(CHILDREN)
_bills = st.sampled_from([*BILLS * 2, "Truck 9"])
_nothing = st.none()


def _ops(
    weight: int,
    what: Sequence[str],
    code: st.SearchStrategy[Any] = _nothing,
    parent: st.SearchStrategy[Any] = _nothing,
    bill: st.SearchStrategy[Any] = _nothing,
    actor: st.SearchStrategy[int] = _anyone,
    again: st.SearchStrategy[int] = _again,
) -> list[st.SearchStrategy[Op]]:
    return [st.builds(Op, st.sampled_from(what), code, parent, bill, actor, _writer, again)] * weight


_never = st.just(0)
OPERATIONS = st.one_of(
    *_ops(6, ["scan"], _children, _parents),
    *_ops(2, ["scan"], _parents),
    *_ops(2, ["scan"], _parents, _nothing, _bills),
    *_ops(1, ["undo"], _children, st.one_of(_nothing, _parents)),
    *_ops(2, ["undo"], _nothing, _parents, again=_never),
    *_ops(3, ["complete", "complete", "reopen", "return"], _parents, actor=_desk, again=_never),
    *_ops(1, ["take off"], _parents, _nothing, st.sampled_from(BILLS), actor=_desk, again=_never),
    *_ops(1, ["return", "cancel"], _parents, actor=_never, again=_never),
)
BY_HAND = frozenset({"complete", "reopen", "return", "take off", "cancel"})


@dataclass
class Model:
    """Bags as the rules would have them: `areas` of parents and children that exist, links as (entry, parent)."""

    areas: dict[str, str | None] = field(default_factory=dict)
    links: dict[str, tuple[int, str]] = field(default_factory=dict)
    bills: dict[str, str] = field(default_factory=dict)
    finished: set[str] = field(default_factory=set)
    returned: set[str] = field(default_factory=set)
    """On the open ticket."""

    def status(self, bag: str) -> str:
        count = self.inside(bag)
        return "completed" if bag in self.finished else "in_progress" if count else "pending"

    def inside(self, parent: str | None) -> int:
        return sum(holder == parent for _, holder in self.links.values())

    def on(self, bill: str) -> int:
        return sum(held == bill for held in self.bills.values())

    def refusal(self, row: Any, area: str | None) -> tuple[str | None, str | None]:
        """(why the scan or undo in this ledger row would be refused now, the holder), or (None, None)."""
        code, parent = row["code"], row["parent"]
        if area is not None and any(self.areas.get(bag, area) != area for bag in (code, parent) if bag is not None):
            return "area_denied", None
        if row["bill"] is not None:
            return self._billing(code, row["bill"])
        if code not in CHILDREN:
            return None, None
        holder = self.links[code][1] if code in self.links else None
        if parent not in self.areas:
            return "parent_not_found", holder
        if holder is not None:
            return "duplicate_child", holder
        if self.inside(parent) >= CAPACITY:
            return "capacity_reached", None
        return ("parent_completed" if parent in self.finished else None), None

    def with_child_of(self, other: Model, code: str) -> Model:
        """This, but with the bag `code` where it is in the other."""
        links = {child: link for child, link in self.links.items() if child != code}
        if code in other.links:
            links[code] = other.links[code]
        return replace(self, links=links)

    def _billing(self, code: str, bill: str) -> tuple[str | None, str | None]:
        held = self.bills.get(code)
        if bill not in BILLS:
            return "bill_not_found", held
        if code not in self.areas:
            return "parent_not_found", None
        if held is not None:
            return ("already_on_bill" if held == bill else "already_on_other_bill"), held
        return ("bill_capacity_reached", None) if self.on(bill) >= BILL_CAPACITY else (None, None)

    def undo_refusal(self, op: Op, area: str | None) -> str | None:
        if area is not None and any(self.areas.get(bag, area) != area for bag in (op.code, op.parent) if bag):
            return "area_denied"
        if op.code is not None:
            holder = self.links.get(op.code, (0, None))[1]
            if holder is None or op.parent not in (None, holder):
                return "not_linked"
            return "area_denied" if area is not None and self.areas[holder] != area else None
        return None if self.inside(op.parent) else "nothing_to_undo"

    def rule(self, op: Op, area: str | None) -> str | None:
        """Why a change by hand would be refused now."""
        code = op.code or ""
        if code not in self.areas or (area is not None and self.areas[code] != area):
            return "bag_not_found"
        match op.what:
            case "complete":
                return "parent_completed" if code in self.finished else None if self.inside(code) else "parent_empty"
            case "reopen":
                full = self.inside(code) >= CAPACITY
                return "parent_open" if code not in self.finished else "parent_completed" if full else None
            case "return":
                if code not in self.bills:
                    return "on_no_bill"
                return "already_returned" if code in self.returned else None
            case _:
                return None if self.bills.get(code) == op.bill else "not_on_bill"

    def apply(self, row: Any, area: str | None) -> None:
        """Take an accepted entry into the model. Fails where a rule forbids it."""
        code, parent, outcome = row["code"], row["parent"], row["outcome"]
        if outcome == "unlinked":
            assert self.links.pop(code) == (row["reverses"], parent), dict(row)
            assert row["child_count"] == self.inside(parent)
            if self.inside(parent) in (0, CAPACITY - 1):
                self.finished.discard(parent)
            return
        if outcome in ("parent_completed", "parent_reopened"):
            change = Op("complete" if outcome == "parent_completed" else "reopen", code, None, None, 0, 0, 0)
            assert self.rule(change, area) is None, (dict(row), self)
            (self.finished.add if outcome == "parent_completed" else self.finished.discard)(code)
            assert row["child_count"] == self.inside(code)
            return
        if outcome in ("bill_unlinked", "returned"):
            if outcome == "returned":
                assert code not in self.returned
                self.returned.add(code)
            assert self.bills.pop(code) == row["bill"], dict(row)
            assert (row["bill_count"], row["child_count"]) == (self.on(row["bill"]), self.inside(code)), dict(row)
            return
        assert self.refusal(row, area) == (None, None), (dict(row), self)
        made = code not in self.areas
        assert row["made_bag"] is (made and outcome in ("parent_created", "child_linked")), dict(row)
        if outcome == "child_linked":
            self.links[code] = (row["id"], parent)
            self.areas[code] = self.areas[parent]
            assert row["child_count"] == self.inside(parent) <= CAPACITY
            if self.inside(parent) == CAPACITY:
                self.finished.add(parent)
        elif outcome == "bill_linked":
            self.bills[code] = row["bill"]
            assert row["bill_count"] == self.on(row["bill"]) <= BILL_CAPACITY
            assert row["child_count"] == self.inside(code), (dict(row), self)
        else:
            assert outcome == ("parent_created" if made else "parent_opened")
            self.areas.setdefault(code, area)
