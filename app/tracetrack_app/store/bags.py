"""Bags changed otherwise than by a scan: registered, finished, filled by hand, assigned, deleted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from tracetrack_app.domain.codes import Code, Kind
from tracetrack_app.domain.outcomes import Change, Entry, Outcome, detail
from tracetrack_app.domain.rules import Rule, RuleError
from tracetrack_app.domain.scans import Actor, Scan, Undo
from tracetrack_app.store.feed import NO_COUNTS, Counts, change, event
from tracetrack_app.store.ledger import Ledger, Line, bag_keys
from tracetrack_app.store.statements import entry, parent_capacity, statement

LOCKED = "SELECT * FROM bags WHERE code = $1 FOR NO KEY UPDATE"


@dataclass(frozen=True, slots=True)
class Fill:
    """A parent after a change."""

    code: str
    child_count: int
    capacity: int
    completed: bool
    entry_id: int | None = None


@dataclass(frozen=True, slots=True)
class Edited:
    """What a parent's list of children came to; all of it or nothing."""

    parent: str
    child_count: int
    linked: list[str]
    unlinked: list[str]


@dataclass(frozen=True, slots=True)
class Assignment:
    """What to set; a field left out stays. An `area` of "" takes the bag out of its area, a `product` of "" too."""

    name: str | None = None
    area: str | None = None
    product: str | None = None


async def locked_bag(connection: Any, code: str, actor: Actor, kind: Kind | None = None) -> Any:
    """The bag's row, locked. Raises RuleError: not found (or not of the actor's area), of the other kind."""
    row = await connection.fetchrow(LOCKED, code)
    if row is None or (actor.area is not None and row["area"] != actor.area):
        raise RuleError(Rule.BAG_NOT_FOUND, f"Bag {code} does not exist.", code=code)
    if kind is not None and row["kind"] != kind:
        raise RuleError(Rule.WRONG_BAG_TYPE, f"{code} is a {row['kind']} bag, not a {kind}.", code=code)
    return row


class Bags:
    """`capacity` is that of parents whose product says none if nobody set one."""

    def __init__(self, ledger: Ledger, capacity: int) -> None:
        self._ledger = ledger
        self._capacity = capacity

    async def register(
        self, actor: Actor, code: Code, *, name: str = "", source: str, scan_id: UUID | None = None
    ) -> int:
        """Make a bag without scanning it; its id. Raises RuleError when the code is taken."""

        async def work(connection: Any) -> tuple[int, list[str]]:
            bag_id = await connection.fetchval(
                "INSERT INTO bags (code, kind, name, capacity, product_id, area)"  # noqa: S608
                " SELECT $1, $2, $3, CASE WHEN $2 = 'parent' THEN p.capacity ELSE $5 END,"
                f" CASE WHEN $2 = 'parent' THEN p.product_id END, $4 FROM product_of($1, {parent_capacity(5)}) p"
                " ON CONFLICT (code) DO NOTHING RETURNING id",
                code.text,
                code.kind.value,
                name,
                actor.area,
                self._capacity,
            )
            if bag_id is None:
                raise RuleError(Rule.BAG_EXISTS, f"Bag {code.text} exists already.", code=code.text)
            line = Line(Outcome.BAG_REGISTERED, code.text, code.kind, made_bag=True)
            await self._ledger.enter(connection, [line], actor, source, [scan_id or uuid4()])
            return bag_id, bag_keys(code.text)

        return await self._ledger.change(work)

    async def complete(self, actor: Actor, parent: str, *, source: str, short: bool = True) -> Fill:
        """Finish a parent, full or not. Raises RuleError: not found, empty, done already, short unless `short`."""

        async def work(connection: Any) -> tuple[Fill, list[str]]:
            row = await locked_bag(connection, parent, actor, Kind.PARENT)
            count, capacity = row["child_count"], row["capacity"]
            facts = {"code": parent, "child_count": count, "expected_count": capacity}
            if row["status"] == "completed":
                raise RuleError(Rule.PARENT_COMPLETED, f"Parent bag {parent} is completed already.", **facts)
            if count == 0:
                raise RuleError(Rule.PARENT_EMPTY, f"Parent bag {parent} is empty: scan its children first.", **facts)
            if count < capacity and not short:
                message = f"Parent bag {parent} has {count} of {capacity} children: confirm to finish it short."
                raise RuleError(Rule.PARENT_SHORT, message, **facts)
            await connection.execute(
                "UPDATE bags SET status = 'completed', updated_at = now() WHERE id = $1", row["id"]
            )
            line = Line(
                Outcome.PARENT_COMPLETED, parent, Kind.PARENT, child_count=count, capacity=capacity, area=row["area"]
            )
            [number] = await self._ledger.enter(connection, [line], actor, source)
            return Fill(parent, count, capacity, True, number), bag_keys(parent)

        return await self._ledger.change(work)

    async def reopen(self, actor: Actor, parent: str, *, source: str) -> Fill:
        """Let a finished parent take children again. Raises RuleError: not found, not finished, full."""

        async def work(connection: Any) -> tuple[Fill, list[str]]:
            row = await locked_bag(connection, parent, actor, Kind.PARENT)
            count, capacity = row["child_count"], row["capacity"]
            facts = {"code": parent, "child_count": count, "expected_count": capacity}
            if row["status"] != "completed":
                raise RuleError(Rule.PARENT_OPEN, f"Parent bag {parent} is not completed.", **facts)
            if count >= capacity:
                message = f"Parent bag {parent} is full ({count}): take a child out of it instead."
                raise RuleError(Rule.PARENT_COMPLETED, message, **facts)
            await connection.execute(
                "UPDATE bags SET status = 'in_progress', updated_at = now() WHERE id = $1", row["id"]
            )
            line = Line(
                Outcome.PARENT_REOPENED, parent, Kind.PARENT, child_count=count, capacity=capacity, area=row["area"]
            )
            [number] = await self._ledger.enter(connection, [line], actor, source)
            return Fill(parent, count, capacity, False, number), bag_keys(parent)

        return await self._ledger.change(work)

    async def set_children(self, actor: Actor, parent: str, children: Sequence[str], *, source: str) -> Edited:
        """Make these (well-formed child codes) the children of the parent. Raises RuleError when one is refused."""
        wanted = list(dict.fromkeys(children))

        async def work(connection: Any) -> tuple[Edited, list[str]]:
            row = await locked_bag(connection, parent, actor, Kind.PARENT)
            rows = await connection.fetch(
                "SELECT c.code FROM links k JOIN bags c ON c.id = k.child_id WHERE k.parent_id = $1 ORDER BY c.code",
                row["id"],
            )
            present = [line["code"] for line in rows]
            linked = sorted(set(wanted) - set(present))
            unlinked = [code for code in present if code not in set(wanted)]
            now = datetime.now(UTC)
            finished_short = row["status"] == "completed" and row["child_count"] < row["capacity"]
            done: list[Entry] = []
            for code in unlinked:
                done += await self._record(connection, [Undo(uuid4(), code, parent, actor, source, now)])
            if linked and row["status"] == "completed":
                await connection.execute("UPDATE bags SET status = 'in_progress' WHERE id = $1", row["id"])
            if linked:
                done += await self._record(
                    connection, [Scan(uuid4(), code, Kind.CHILD, parent, actor, source, now) for code in linked]
                )
            refused = [made for made in done if made.refusal is not None]
            if refused:
                reasons = [{"code": made.code, "reason": made.refusal, "detail": detail(made)} for made in refused]
                raise RuleError(
                    Rule.CHILDREN_REFUSED,
                    f"Nothing was changed: {detail(refused[0])}"
                    + (f" And {len(refused) - 1} more." if len(refused) > 1 else ""),
                    parent=parent,
                    refused=reasons,
                )
            count = len(present) - len(unlinked) + len(linked)
            if linked and finished_short:
                await connection.execute("UPDATE bags SET status = 'completed' WHERE id = $1", row["id"])
            self._ledger.tell(*map(event, done))
            changes = {"linked": linked, "unlinked": unlinked}
            await self._ledger.note(connection, "bag.edit_children", "bag", parent, after=changes)
            return Edited(parent, count, linked, unlinked), bag_keys(parent, *linked, *unlinked)

        return await self._ledger.change(work)

    async def _record(self, connection: Any, items: Sequence[Scan | Undo]) -> list[Entry]:
        sql, arguments = statement(items, self._capacity, self._ledger.timezone)
        return [entry(row) for row in await connection.fetch(sql, *arguments)]

    async def assign(self, actor: Actor, code: str, assignment: Assignment) -> None:
        """Set a bag's name, area (its children's too) and product. Raises RuleError."""

        async def work(connection: Any) -> tuple[None, list[str]]:
            row = await locked_bag(connection, code, actor)
            keys = bag_keys(code)
            if assignment.name is not None:
                await connection.execute("UPDATE bags SET name = $2 WHERE id = $1", row["id"], assignment.name)
            if assignment.product is not None:
                await self._set_product(connection, row, assignment.product)
            if assignment.area is not None:
                keys += await _set_area(connection, row, assignment.area or None)
            after = await connection.fetchrow("UPDATE bags SET updated_at = now() WHERE id = $1 RETURNING *", row["id"])
            counts = Counts(after["child_count"], after["capacity"]) if row["kind"] == Kind.PARENT else NO_COUNTS
            told = change(Change.BAG_CHANGED, code, after["updated_at"], area=after["area"], counts=counts)
            self._ledger.tell(told)
            wanted = {name: value for name, value in asdict(assignment).items() if value is not None}
            before = {name: row[name] for name in wanted if name in ("name", "area")}
            await self._ledger.note(connection, "bag.assign", "bag", code, before=before, after=wanted)
            return None, keys

        await self._ledger.change(work)

    async def _set_product(self, connection: Any, row: Any, name: str) -> None:
        if row["kind"] != Kind.PARENT:
            raise RuleError(Rule.WRONG_BAG_TYPE, f"{row['code']} is a child bag: only parents have a product.")
        product = await connection.fetchrow(
            f"SELECT id, coalesce(capacity, {parent_capacity(2)}) AS capacity FROM products"  # noqa: S608
            " WHERE lower(name) = lower($1) OR ($1 = '' AND is_default)",
            name,
            self._capacity,
        )
        if product is None:
            raise RuleError(Rule.PRODUCT_NOT_FOUND, f"There is no product {name!r}.", product=name)
        if product["capacity"] < row["child_count"]:
            raise RuleError(
                Rule.CAPACITY_BELOW_CONTENT,
                f"Parent bag {row['code']} holds {row['child_count']} children, more than the {product['capacity']} of"
                f" product {name!r}: take some out first.",
                code=row["code"],
            )
        await connection.execute(
            "UPDATE bags SET product_id = $2, capacity = $3,"
            " status = CASE WHEN child_count >= $3 THEN 'completed'"
            " WHEN child_count = capacity AND child_count < $3 THEN 'in_progress' ELSE status END WHERE id = $1",
            row["id"],
            product["id"],
            product["capacity"],
        )

    async def delete(self, actor: Actor, code: str, *, source: str) -> None:
        """Delete a bag that is linked to nothing and never was billed. Raises RuleError."""

        async def work(connection: Any) -> tuple[None, list[str]]:
            row = await locked_bag(connection, code, actor)
            facts = await connection.fetchrow(
                "SELECT (SELECT b.code FROM links k JOIN bags b ON b.id = k.parent_id WHERE k.child_id = $1) AS parent,"
                " (SELECT b.code FROM bill_bags k JOIN bills b ON b.id = k.bill_id"
                "  WHERE k.bag_id = $1 AND k.removed_at IS NULL) AS bill,"
                " EXISTS (SELECT FROM bill_bags WHERE bag_id = $1) AS billed",
                row["id"],
            )
            if row["child_count"]:
                message = f"Bag {code} holds {row['child_count']} children: take them out first."
                raise RuleError(Rule.BAG_IN_USE, message, code=code)
            if facts["parent"]:
                message = f"Bag {code} is linked to {facts['parent']}: unlink it first."
                raise RuleError(Rule.BAG_IN_USE, message, code=code, holder=facts["parent"])
            if facts["bill"]:
                message = f"Bag {code} is on bill {facts['bill']}: take it off first."
                raise RuleError(Rule.BAG_IN_USE, message, code=code, holder=facts["bill"])
            if facts["billed"]:
                message = f"Bag {code} was on a bill before: it stays, for the record."
                raise RuleError(Rule.BAG_HAS_HISTORY, message, code=code)
            await connection.execute("DELETE FROM bags WHERE id = $1", row["id"])
            line = Line(Outcome.BAG_DELETED, code, row["kind"], area=row["area"])
            await self._ledger.enter(connection, [line], actor, source)
            await self._ledger.note(connection, "bag.delete", "bag", code, before={"kind": row["kind"]})
            return None, bag_keys(code)

        await self._ledger.change(work)


async def _set_area(connection: Any, row: Any, area: str | None) -> list[str]:
    if area is not None and not await connection.fetchval("SELECT EXISTS (SELECT FROM areas WHERE name = $1)", area):
        raise RuleError(Rule.AREA_NOT_FOUND, f"There is no area {area!r}.", area=area)
    holder = await connection.fetchval(
        "SELECT b.code FROM links k JOIN bags b ON b.id = k.parent_id WHERE k.child_id = $1", row["id"]
    )
    if holder is not None:
        message = f"{row['code']} is in {holder}: assign that one, its children follow."
        raise RuleError(Rule.BAG_IN_USE, message, code=row["code"], holder=holder)
    rows = await connection.fetch(
        "UPDATE bags SET area = $2, updated_at = now()"
        " WHERE id = $1 OR id IN (SELECT child_id FROM links WHERE parent_id = $1) RETURNING code",
        row["id"],
        area,
    )
    return bag_keys(*(line["code"] for line in rows))
