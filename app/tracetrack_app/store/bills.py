"""Bills: made, changed, finished, reopened, deleted, and parents taken off them. Parents get on by a scan."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

import asyncpg

from tracetrack_app.domain.codes import Kind
from tracetrack_app.domain.outcomes import Change, Outcome
from tracetrack_app.domain.rules import Rule, RuleError
from tracetrack_app.domain.scans import Actor
from tracetrack_app.store.bags import locked_bag
from tracetrack_app.store.feed import Counts, Placed, change
from tracetrack_app.store.ledger import Ledger, Line, bag_keys, bill_keys

_WEIGHTS = """
SELECT coalesce(sum(b.child_count * coalesce(p.child_weight_kg, d.child_weight_kg)), 0) AS actual,
       coalesce(sum(coalesce(p.parent_weight_kg, d.parent_weight_kg)), 0) AS expected,
       coalesce(sum(b.child_count), 0)::bigint AS children
FROM bill_bags k
JOIN bags b ON b.id = k.bag_id
LEFT JOIN products p ON p.id = b.product_id
CROSS JOIN (SELECT * FROM products WHERE is_default) d
WHERE k.bill_id = $1 AND k.removed_at IS NULL
"""


@dataclass(frozen=True, slots=True)
class Bill:
    """`bag_count` are the parents on it. Times are aware."""

    id: int
    code: str
    description: str
    destination: str
    vehicle_number: str
    capacity: int
    bag_count: int
    status: str
    created_by: int | None
    creator: str | None
    created_at: datetime
    updated_at: datetime
    completed_at: datetime | None


@dataclass(frozen=True, slots=True)
class Weights:
    """Kilograms: of the children there are, and of the parents as they should be."""

    actual_kg: Decimal
    expected_kg: Decimal
    children: int


@dataclass(frozen=True, slots=True)
class BilledParent:
    """A parent on a bill; weights in kilograms, `linked_at` when it was put there."""

    id: int
    code: str
    child_count: int
    capacity: int
    status: str
    actual_kg: Decimal
    expected_kg: Decimal
    linked_at: datetime


@dataclass(frozen=True, slots=True)
class BillChange:
    """What to set; a field left out stays."""

    destination: str | None = None
    vehicle_number: str | None = None
    capacity: int | None = None
    description: str | None = None


class StaleError(Exception):
    """The bill is not as it was seen; nothing was changed."""


def _noted(bill: Bill) -> dict[str, Any]:
    """What the audit log keeps of a bill."""
    names = ("destination", "vehicle_number", "capacity", "description", "bag_count", "status")
    return {name: getattr(bill, name) for name in names}


def _event(what: Change, bill: Bill) -> Placed:
    """A bill is of no area: only those see it whom none limits."""
    counts = Counts(bill_count=bill.bag_count, bill_capacity=bill.capacity)
    return change(what, bill.code, bill.updated_at, bill=bill.code, counts=counts)


def _bill(row: Any) -> Bill:
    return Bill(**dict(row))


_COLUMNS = (
    "b.id, b.code, b.description, b.destination, b.vehicle_number, b.capacity, b.bag_count, b.status, b.created_by,"
    " u.username AS creator, b.created_at, b.updated_at, b.completed_at"
    " FROM bills b LEFT JOIN users u ON u.id = b.created_by WHERE b.deleted_at IS NULL AND"
)


class Bills:
    """A bill is named by its database id, as the old contract does, or by its code in any case.

    One bill is read from the primary, for it is what people are scanning on to; lists are in bill_reports.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def get(self, bill: int | str) -> Bill:
        """Raises RuleError when there is none, UnavailableError."""
        return await self._ledger.read(lambda connection: find_bill(connection, bill))

    async def weights(self, bill_id: int) -> Weights:
        async def work(connection: Any) -> Weights:
            row = await connection.fetchrow(_WEIGHTS, bill_id)
            return Weights(row["actual"], row["expected"], row["children"])

        return await self._ledger.read(work)

    async def parents(self, bill_id: int) -> list[BilledParent]:
        """The parents on the bill, in the order in which they were put there."""

        async def work(connection: Any) -> list[BilledParent]:
            rows = await connection.fetch(
                "SELECT b.id, b.code, b.child_count, b.capacity, b.status,"
                " b.child_count * coalesce(p.child_weight_kg, d.child_weight_kg) AS actual_kg,"
                " coalesce(p.parent_weight_kg, d.parent_weight_kg) AS expected_kg, l.recorded_at AS linked_at"
                " FROM bill_bags k JOIN bags b ON b.id = k.bag_id JOIN scan_ledger l ON l.id = k.entry_id"
                " LEFT JOIN products p ON p.id = b.product_id"
                " CROSS JOIN (SELECT * FROM products WHERE is_default) d"
                " WHERE k.bill_id = $1 AND k.removed_at IS NULL ORDER BY k.entry_id",
                bill_id,
            )
            return [BilledParent(**dict(row)) for row in rows]

        return await self._ledger.read(work)

    async def create(
        self,
        actor: Actor,
        code: str,
        *,
        destination: str = "",
        vehicle_number: str = "",
        capacity: int,
        description: str = "",
    ) -> Bill:
        """Raises RuleError when the code is taken, in any case."""

        async def work(connection: Any) -> tuple[Bill, list[str]]:
            try:
                number = await connection.fetchval(
                    "INSERT INTO bills (code, destination, vehicle_number, capacity, description, created_by)"
                    " VALUES ($1, $2, $3, $4, $5, $6) RETURNING id",
                    code,
                    destination,
                    vehicle_number,
                    capacity,
                    description,
                    actor.user_id,
                )
            except asyncpg.UniqueViolationError:
                message = f"Bill {code} exists already: choose another id."
                raise RuleError(Rule.BILL_EXISTS, message, bill=code) from None
            made = await find_bill(connection, number)
            self._ledger.tell(_event(Change.BILL_CREATED, made))
            await self._ledger.note(connection, "bill.create", "bill", code, after=_noted(made))
            return made, bill_keys(code)

        return await self._ledger.change(work)

    async def change(self, bill: int | str, change: BillChange, *, seen: datetime | None = None) -> Bill:
        """Raises RuleError: not found, a capacity below what is on it; StaleError when not as updated at `seen`."""

        async def work(connection: Any) -> tuple[Bill, list[str]]:
            found = await _locked(connection, bill)
            if seen is not None and found.updated_at != seen:
                raise StaleError
            if change.capacity is not None and change.capacity < found.bag_count:
                raise RuleError(
                    Rule.CAPACITY_BELOW_CONTENT,
                    f"Bill {found.code} has {found.bag_count} parent bags: its capacity cannot be {change.capacity}.",
                    bill=found.code,
                    bill_count=found.bag_count,
                )
            await connection.execute(
                "UPDATE bills SET destination = coalesce($2, destination),"
                " vehicle_number = coalesce($3, vehicle_number), capacity = coalesce($4, capacity),"
                " description = coalesce($5, description), updated_at = now() WHERE id = $1",
                found.id,
                change.destination,
                change.vehicle_number,
                change.capacity,
                change.description,
            )
            after = await find_bill(connection, found.id)
            old, new = _noted(found), _noted(after)
            names = [name for name in new if new[name] != old[name]]
            if names:
                self._ledger.tell(_event(Change.BILL_CHANGED, after))
            await self._ledger.note(
                connection,
                "bill.update",
                "bill",
                found.code,
                before={name: old[name] for name in names},
                after={name: new[name] for name in names},
            )
            return after, bill_keys(found.code)

        return await self._ledger.change(work)

    async def complete(self, bill: int | str) -> Bill:
        """Raises RuleError: not found, empty, completed already."""

        async def work(connection: Any) -> tuple[Bill, list[str]]:
            found = await _locked(connection, bill)
            if found.status == "completed":
                raise RuleError(Rule.BILL_CLOSED, f"Bill {found.code} is completed already.", bill=found.code)
            if found.bag_count == 0:
                message = f"Bill {found.code} is empty: put at least one parent bag on it."
                raise RuleError(Rule.BILL_EMPTY, message, bill=found.code)
            await connection.execute(
                "UPDATE bills SET status = 'completed', completed_at = now(), updated_at = now() WHERE id = $1",
                found.id,
            )
            after = await find_bill(connection, found.id)
            self._ledger.tell(_event(Change.BILL_COMPLETED, after))
            await self._ledger.note(connection, "bill.complete", "bill", found.code, after=_noted(after))
            return after, bill_keys(found.code)

        return await self._ledger.change(work)

    async def reopen(self, bill: int | str) -> Bill:
        """Raises RuleError: not found, not completed."""

        async def work(connection: Any) -> tuple[Bill, list[str]]:
            found = await _locked(connection, bill)
            if found.status != "completed":
                raise RuleError(Rule.BILL_OPEN, f"Bill {found.code} is not completed.", bill=found.code)
            await connection.execute(
                "UPDATE bills SET status = CASE WHEN bag_count > 0 THEN 'processing' ELSE 'new' END,"
                " completed_at = NULL, updated_at = now() WHERE id = $1",
                found.id,
            )
            after = await find_bill(connection, found.id)
            self._ledger.tell(_event(Change.BILL_REOPENED, after))
            await self._ledger.note(connection, "bill.reopen", "bill", found.code, after=_noted(after))
            return after, bill_keys(found.code)

        return await self._ledger.change(work)

    async def remove(self, actor: Actor, bill: int | str, parent: str, *, source: str) -> Bill:
        """Take a parent off the bill. Raises RuleError: not found, not on it, the bill is completed."""

        async def work(connection: Any) -> tuple[Bill, list[str]]:
            found = await _locked(connection, bill)
            if found.status == "completed":
                message = f"Bill {found.code} is completed: reopen it first."
                raise RuleError(Rule.BILL_CLOSED, message, bill=found.code)
            row = await locked_bag(connection, parent, actor, Kind.PARENT)
            taken = await take_off(connection, found.id, row["id"])
            if taken is None:
                message = f"{parent} is not on bill {found.code}."
                raise RuleError(Rule.NOT_ON_BILL, message, code=parent, bill=found.code)
            after = await find_bill(connection, found.id)
            line = off_bill(Outcome.BILL_UNLINKED, row, after, taken)
            await self._ledger.enter(connection, [line], actor, source)
            return after, [*bill_keys(found.code), *bag_keys(parent)]

        return await self._ledger.change(work)

    async def delete(self, actor: Actor, bill: int | str, *, source: str) -> Bill:
        """Delete a bill; its parents may go on another. What was on it stays in the ledger. Raises RuleError."""

        async def work(connection: Any) -> tuple[Bill, list[str]]:
            found = await _locked(connection, bill)
            rows = await connection.fetch(
                "SELECT b.* FROM bags b JOIN bill_bags k ON k.bag_id = b.id"
                " WHERE k.bill_id = $1 AND k.removed_at IS NULL ORDER BY b.code FOR NO KEY UPDATE OF b",
                found.id,
            )
            lines = []
            for row in rows:
                taken = await take_off(connection, found.id, row["id"])
                if taken is not None:
                    lines.append(off_bill(Outcome.BILL_UNLINKED, row, await find_bill(connection, found.id), taken))
            await self._ledger.enter(connection, lines, actor, source)
            at = await connection.fetchval(
                "UPDATE bills SET deleted_at = now(), updated_at = now() WHERE id = $1 RETURNING deleted_at", found.id
            )
            self._ledger.tell(_event(Change.BILL_DELETED, replace(found, bag_count=0, updated_at=at)))
            bags = [row["code"] for row in rows]
            await self._ledger.note(
                connection, "bill.delete", "bill", found.code, before={**_noted(found), "parents": bags}
            )
            return found, [*bill_keys(found.code), *bag_keys(*(row["code"] for row in rows))]

        return await self._ledger.change(work)


async def take_off(connection: Any, bill_id: int, bag_id: int) -> int | None:
    """End a parent's stay on the bill; the entry that had put it there, None if it is not there."""
    entry: int | None = await connection.fetchval(
        "UPDATE bill_bags SET removed_at = now() WHERE bill_id = $1 AND bag_id = $2 AND removed_at IS NULL"
        " RETURNING entry_id",
        bill_id,
        bag_id,
    )
    return entry


def off_bill(outcome: Outcome, row: Any, bill: Bill, reverses: int) -> Line:
    """The entry of a parent that left the bill; `bill` is as it is afterwards."""
    return Line(
        outcome,
        row["code"],
        Kind.PARENT,
        bill=bill.code,
        child_count=row["child_count"],
        capacity=row["capacity"],
        bill_count=bill.bag_count,
        bill_capacity=bill.capacity,
        reverses=reverses,
        area=row["area"],
    )


async def find_bill(connection: Any, bill: int | str) -> Bill:
    """Raises RuleError when there is none, or it was deleted."""
    where = "b.id = $1" if isinstance(bill, int) else "upper(b.code) = upper($1)"
    row = await connection.fetchrow(f"SELECT {_COLUMNS} {where}", bill)
    if row is None:
        raise RuleError(Rule.BILL_NOT_FOUND, f"Bill {bill} does not exist.", bill=str(bill))
    return _bill(row)


async def _locked(connection: Any, bill: int | str) -> Bill:
    found = await find_bill(connection, bill)
    await connection.execute("SELECT FROM bills WHERE id = $1 FOR NO KEY UPDATE", found.id)
    return await find_bill(connection, found.id)
