"""Return tickets: parents that come back to a C&F point leave their bill, with a snapshot of what they were.

The list of them may come from a standby (Ledger.report); one ticket, which is scanned on to, does not.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import asyncpg

from tracetrack_app.domain.codes import Kind
from tracetrack_app.domain.outcomes import Change, Outcome
from tracetrack_app.domain.rules import Rule, RuleError
from tracetrack_app.domain.scans import Actor
from tracetrack_app.store.bags import locked_bag
from tracetrack_app.store.bills import find_bill, off_bill, take_off
from tracetrack_app.store.feed import change
from tracetrack_app.store.ledger import Ledger, Line, bag_keys, bill_keys

_TICKET = (
    "SELECT t.id, t.code, t.location, t.notes, t.status, t.created_by, u.username AS creator, t.created_at,"
    " t.closed_at, count(r.entry_id) AS bag_count, coalesce(sum(r.weight_kg), 0) AS weight_kg"
    " FROM return_tickets t LEFT JOIN users u ON u.id = t.created_by"
    " LEFT JOIN return_ticket_bags r ON r.ticket_id = t.id AND r.restored_at IS NULL"
)
_RESTORED = "SELECT child_count, capacity, area FROM bags WHERE id = $1 FOR NO KEY UPDATE"
_HELD = "SELECT b.code FROM bill_bags k JOIN bills b ON b.id = k.bill_id WHERE k.bag_id = $1 AND k.removed_at IS NULL"
_ON_TICKET = (
    "SELECT EXISTS (SELECT FROM return_ticket_bags WHERE ticket_id = $1 AND bag_id = $2 AND restored_at IS NULL)"
)


@dataclass(frozen=True, slots=True)
class Ticket:
    """`status` is open, finalised or cancelled; `bag_count` and `weight_kg` are of what was returned on it."""

    id: int
    code: str
    location: str
    notes: str
    status: str
    created_by: int
    creator: str | None
    created_at: datetime
    closed_at: datetime | None
    bag_count: int
    weight_kg: Decimal


@dataclass(frozen=True, slots=True)
class ReturnedParent:
    """What a parent was when it came back."""

    code: str
    bill_id: int
    bill: str
    child_count: int
    weight_kg: Decimal
    scanned_at: datetime
    restored: bool


@dataclass(frozen=True, slots=True)
class Returned:
    """A parent taken off its bill, and the ticket afterwards."""

    code: str
    bill_id: int
    bill: str
    child_count: int
    ticket: Ticket


@dataclass(frozen=True, slots=True)
class Cancelled:
    """`restored` are back on their bills; `left_out` could not be: code and why."""

    ticket: Ticket
    restored: list[str]
    left_out: dict[str, str]


class Returns:
    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def open(self, actor: Actor, location: str, *, code: str | None = None, notes: str = "") -> Ticket:
        """A new ticket; without a code it gets RT and a number. Raises RuleError when the code is taken."""

        async def work(connection: Any) -> tuple[Ticket, list[str]]:
            number = await connection.fetchval("SELECT nextval('return_tickets_id_seq')")
            text = code or f"RT{number:06d}"
            try:
                await connection.execute(
                    "INSERT INTO return_tickets (id, code, location, notes, created_by) VALUES ($1, $2, $3, $4, $5)",
                    number,
                    text,
                    location,
                    notes,
                    actor.user_id,
                )
            except asyncpg.UniqueViolationError:
                raise RuleError(Rule.TICKET_EXISTS, f"Return ticket {text} exists already.", ticket=text) from None
            made = await _find(connection, number)
            self._ledger.tell(change(Change.RETURN_OPENED, text, made.created_at))
            await self._ledger.note(connection, "return.open", "return", text, after={"location": location})
            return made, []

        return await self._ledger.change(work)

    async def get(self, ticket: int) -> Ticket:
        """Raises RuleError when there is none."""
        return await self._ledger.read(lambda connection: _find(connection, ticket))

    async def page(self, before: int | None, limit: int, status: str | None = None) -> list[Ticket]:
        """Tickets, newest first, those made before the one with the id `before`."""

        async def work(connection: Any) -> list[Ticket]:
            rows = await connection.fetch(
                f"{_TICKET} WHERE ($1::bigint IS NULL OR t.id < $1) AND ($3::text IS NULL OR t.status = $3)"
                " GROUP BY t.id, u.username ORDER BY t.id DESC LIMIT $2",
                before,
                limit,
                status,
            )
            return [Ticket(**dict(row)) for row in rows]

        return await (self._ledger.report if before is None else self._ledger.read)(work)

    async def parents(self, ticket_id: int) -> list[ReturnedParent]:
        """What was scanned on the ticket, oldest first."""

        async def work(connection: Any) -> list[ReturnedParent]:
            rows = await connection.fetch(
                "SELECT b.code, r.bill_id, l.code AS bill, r.child_count, r.weight_kg, r.scanned_at,"
                " r.restored_at IS NOT NULL AS restored"
                " FROM return_ticket_bags r JOIN bags b ON b.id = r.bag_id JOIN bills l ON l.id = r.bill_id"
                " WHERE r.ticket_id = $1 ORDER BY r.entry_id",
                ticket_id,
            )
            return [ReturnedParent(**dict(row)) for row in rows]

        return await self._ledger.read(work)

    async def scan(self, actor: Actor, ticket: int, parent: str, *, source: str) -> Returned:
        """Take the parent off the bill it is on and keep what it was. Raises RuleError."""

        async def work(connection: Any) -> tuple[Returned, list[str]]:
            found = await _open(connection, ticket)
            bill_id = await connection.fetchval(
                "SELECT k.bill_id FROM bags b JOIN bill_bags k ON k.bag_id = b.id AND k.removed_at IS NULL"
                " WHERE b.code = $1",
                parent,
            )
            if bill_id is not None:
                await connection.execute("SELECT FROM bills WHERE id = $1 FOR NO KEY UPDATE", bill_id)
            row = await locked_bag(connection, parent, actor, Kind.PARENT)
            taken = await take_off(connection, bill_id, row["id"]) if bill_id is not None else None
            if taken is None:
                message = f"{parent} is on no bill: there is nothing to return it from."
                raise RuleError(Rule.ON_NO_BILL, message, code=parent)
            bill = await find_bill(connection, bill_id)
            if await connection.fetchval(_ON_TICKET, ticket, row["id"]):
                message = (
                    f"{parent} came back on return ticket {found.code} before it was put on bill {bill.code}: "
                    "finalise this ticket and return it on another."
                )
                raise RuleError(Rule.ALREADY_RETURNED, message, code=parent, bill=bill.code, ticket=found.code)
            [entry] = await self._ledger.enter(
                connection, [off_bill(Outcome.RETURNED, row, bill, taken)], actor, source
            )
            await connection.execute(
                "INSERT INTO return_ticket_bags (ticket_id, bag_id, bill_id, entry_id, child_count, weight_kg)"
                " SELECT $1, $2, $3, $4, $5::integer, $5::integer * child_weight_kg FROM products"
                " WHERE id = $6 OR ($6::bigint IS NULL AND is_default)",
                ticket,
                row["id"],
                bill_id,
                entry,
                row["child_count"],
                row["product_id"],
            )
            done = Returned(parent, bill_id, bill.code, row["child_count"], await _find(connection, ticket))
            return done, [*bill_keys(bill.code), *bag_keys(parent)]

        return await self._ledger.change(work)

    async def finalise(self, actor: Actor, ticket: int) -> Ticket:
        """Close the ticket as it is. Raises RuleError: not found, closed, nothing on it."""

        async def work(connection: Any) -> tuple[Ticket, list[str]]:
            found = await _open(connection, ticket)
            if found.bag_count == 0:
                message = f"Return ticket {found.code} is empty: scan a parent bag or cancel it."
                raise RuleError(Rule.TICKET_EMPTY, message, ticket=found.code)
            closed = await _close(connection, ticket, "finalised", actor)
            self._ledger.tell(change(Change.RETURN_FINALISED, found.code, closed.closed_at or closed.created_at))
            await self._ledger.note(connection, "return.finalise", "return", found.code)
            return closed, []

        return await self._ledger.change(work)

    async def cancel(self, actor: Actor, ticket: int, *, source: str) -> Cancelled:
        """Put every parent back on the bill it left, where that is still possible. Raises RuleError."""

        async def work(connection: Any) -> tuple[Cancelled, list[str]]:
            await _open(connection, ticket)
            rows = await connection.fetch(
                "SELECT r.entry_id, r.bill_id, r.bag_id, b.code, l.code AS bill, l.deleted_at"
                " FROM return_ticket_bags r JOIN bags b ON b.id = r.bag_id JOIN bills l ON l.id = r.bill_id"
                " WHERE r.ticket_id = $1 AND r.restored_at IS NULL ORDER BY r.bill_id, b.code",
                ticket,
            )
            restored, left_out, keys = [], {}, []
            for row in rows:
                problem = await self._restore(connection, row, actor, source)
                if problem is not None:
                    left_out[row["code"]] = problem
                    continue
                restored.append(row["code"])
                keys += [*bag_keys(row["code"]), *bill_keys(row["bill"])]
            closed = await _close(connection, ticket, "cancelled", actor)
            self._ledger.tell(change(Change.RETURN_CANCELLED, closed.code, closed.closed_at or closed.created_at))
            facts = {"restored": restored, "left_out": sorted(left_out)}
            await self._ledger.note(connection, "return.cancel", "return", closed.code, after=facts)
            return Cancelled(closed, restored, left_out), keys

        return await self._ledger.change(work)

    async def _restore(self, connection: Any, row: Any, actor: Actor, source: str) -> str | None:
        """Put one parent back on its bill; why not, in words."""
        await connection.execute("SELECT FROM bills WHERE id = $1 FOR NO KEY UPDATE", row["bill_id"])
        bag = await connection.fetchrow(_RESTORED, row["bag_id"])
        held = await connection.fetchval(_HELD, row["bag_id"])
        if held is not None:
            return f"It is on bill {held} meanwhile."
        if row["deleted_at"] is not None:
            return f"Bill {row['bill']} was deleted."
        bill = await find_bill(connection, row["bill_id"])
        if bill.bag_count >= bill.capacity:
            return f"Bill {bill.code} is full."
        line = Line(
            Outcome.BILL_LINKED,
            row["code"],
            Kind.PARENT,
            bill=bill.code,
            child_count=bag["child_count"],
            capacity=bag["capacity"],
            bill_count=bill.bag_count + 1,
            bill_capacity=bill.capacity,
            area=bag["area"],
        )
        [entry] = await self._ledger.enter(connection, [line], actor, source)
        await connection.execute(
            "INSERT INTO bill_bags (bill_id, bag_id, entry_id) VALUES ($1, $2, $3)",
            row["bill_id"],
            row["bag_id"],
            entry,
        )
        await connection.execute(
            "UPDATE return_ticket_bags SET restored_at = now() WHERE entry_id = $1", row["entry_id"]
        )
        return None


async def _find(connection: Any, ticket: int) -> Ticket:
    row = await connection.fetchrow(f"{_TICKET} WHERE t.id = $1 GROUP BY t.id, u.username", ticket)
    if row is None:
        raise RuleError(Rule.TICKET_NOT_FOUND, f"There is no return ticket {ticket}.", ticket=str(ticket))
    return Ticket(**dict(row))


async def _open(connection: Any, ticket: int) -> Ticket:
    await connection.execute("SELECT FROM return_tickets WHERE id = $1 FOR NO KEY UPDATE", ticket)
    found = await _find(connection, ticket)
    if found.status != "open":
        raise RuleError(Rule.TICKET_CLOSED, f"Return ticket {found.code} is {found.status}.", ticket=found.code)
    return found


async def _close(connection: Any, ticket: int, status: str, actor: Actor) -> Ticket:
    await connection.execute(
        "UPDATE return_tickets SET status = $2, closed_at = now(), closed_by = $3 WHERE id = $1",
        ticket,
        status,
        actor.user_id,
    )
    return await _find(connection, ticket)
