"""What would come of an import, told without recording or locking anything.

The rules are looked at as the database would apply them, on the bags as they are now and with what the earlier rows of
the same import would have changed. People who scan meanwhile can make the outcome another.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from tracetrack_app.domain.outcomes import Entry, Outcome, Refusal
from tracetrack_app.domain.scans import Actor, Scan
from tracetrack_app.store.database import connection_lost
from tracetrack_app.store.recorder import BILLS, BillDetails, Entries, Registration, bill_details
from tracetrack_app.store.statements import RECORD_SCANS, entry, parent_capacity
from tracetrack_app.store.writer import UnavailableError

_PRIOR = (
    RECORD_SCANS.partition(" FROM ")[0]  # noqa: S608
    + " FROM (SELECT true AS replay, l AS entry FROM scan_ledger l WHERE l.scan_id = ANY ($1::uuid[])) r"
)
_BAGS = """
SELECT b.code, b.kind, b.status, b.child_count, b.capacity, b.area, p.code AS holder, x.code AS bill
FROM bags b
LEFT JOIN links k ON k.child_id = b.id LEFT JOIN bags p ON p.id = k.parent_id
LEFT JOIN bill_bags h ON h.bag_id = b.id AND h.removed_at IS NULL LEFT JOIN bills x ON x.id = h.bill_id
WHERE b.code = ANY ($1::text[])
"""
_CAPACITY = (
    "SELECT c.code, p.capacity FROM unnest($1::text[]) c (code)"  # noqa: S608
    f" CROSS JOIN LATERAL product_of(c.code, {parent_capacity(2)}) p"
)


class _Bag:
    """A bag as it is, or as it would be by now."""

    __slots__ = ("bill", "capacity", "child_count", "completed", "holder", "kind")

    def __init__(self, kind: str, capacity: int, child_count: int = 0) -> None:
        self.kind, self.capacity, self.child_count = kind, capacity, child_count
        self.completed = False
        self.holder: str | None = None
        self.bill: str | None = None


class Rehearsal:
    """Tells what a Recorder would. `capacity` is that of new parents whose product says none if nobody set one."""

    def __init__(self, connection: Any, capacity: int) -> None:
        self._connection = connection
        self._capacity = capacity
        self._bags: dict[str, _Bag] = {}
        self._bills: dict[str, BillDetails] = {}
        self._on_bill: Counter[str] = Counter()
        self._closed: set[str] = set()

    async def scans(self, items: Sequence[Scan]) -> Entries:
        entries = await self._prior(items)
        await self._load([item.code for item in items] + [item.parent for item in items if item.parent])
        await self._make_parents([item for item in items if item.scan_id not in entries])
        for item in items:
            if item.scan_id not in entries:
                entries[item.scan_id] = self._scan(item)
        return entries

    async def bill_scans(self, items: Sequence[Scan]) -> Entries:
        entries = await self._prior(items)
        await self._load([item.code for item in items])
        await self.find_bills([item.bill for item in items if item.bill])
        for item in items:
            if item.scan_id not in entries:
                entries[item.scan_id] = self._bill_scan(item)
        return entries

    async def register(self, items: Sequence[Registration]) -> Entries:
        entries = await self._prior([item.scan for item in items])
        await self._load([item.scan.code for item in items])
        for scan in (item.scan for item in items if item.scan.scan_id not in entries):
            if scan.code not in self._bags:
                self._bags[scan.code] = _Bag(scan.kind or "", self._capacity)
                entries[scan.scan_id] = _entry(scan, Outcome.BAG_REGISTERED, None)
        return entries

    async def find_bills(self, codes: Sequence[str]) -> dict[str, BillDetails]:
        keys = [code.upper() for code in codes]
        unknown = [key for key in keys if key not in self._bills]
        for row in await self._fetch(BILLS, unknown) if unknown else ():
            self._bills[row["key"]] = bill_details(row)
            self._on_bill[row["key"]] += row["bag_count"]
            if row["status"] == "completed":
                self._closed.add(row["key"])
        return {key: self._bills[key] for key in keys if key in self._bills}

    async def create_bill(self, actor: Actor, bill: BillDetails) -> None:
        self._bills[bill.code.upper()] = bill

    async def close(self) -> None:
        self._connection.terminate()

    async def _fetch(self, sql: str, *arguments: Any) -> Any:
        try:
            return await self._connection.fetch(sql, *arguments, timeout=60)
        except Exception as error:
            if connection_lost(error):
                raise UnavailableError("The database went away: check the file again.") from error
            raise

    async def _prior(self, items: Sequence[Scan]) -> Entries:
        rows = await self._fetch(_PRIOR, [item.scan_id for item in items])
        return {each.scan_id: each for each in map(entry, rows)}

    async def _load(self, codes: Sequence[str]) -> None:
        for row in await self._fetch(_BAGS, [code for code in codes if code not in self._bags]):
            bag = self._bags[row["code"]] = _Bag(row["kind"], row["capacity"], row["child_count"])
            bag.completed, bag.holder, bag.bill = row["status"] == "completed", row["holder"], row["bill"]

    async def _make_parents(self, items: Sequence[Scan]) -> None:
        new = {item.code for item in items if item.kind == "parent" and item.refusal is None} - self._bags.keys()
        for row in await self._fetch(_CAPACITY, sorted(new), self._capacity) if new else ():
            self._bags[row["code"]] = _Bag("parent", row["capacity"])

    def _scan(self, item: Scan) -> Entry:
        bag, parent = self._bags.get(item.code), self._bags.get(item.parent or "")
        holder = bag.holder if bag is not None else None
        refusal = item.refusal
        if refusal is None and bag is not None and bag.kind != item.kind:
            refusal = Refusal.WRONG_BAG_TYPE
        elif refusal is None and item.kind == "child":
            if parent is None or parent.kind != "parent":
                refusal = Refusal.PARENT_NOT_FOUND
            elif holder is not None:
                refusal = Refusal.DUPLICATE_CHILD
            elif parent.child_count >= parent.capacity:
                refusal = Refusal.CAPACITY_REACHED
            elif parent.completed:
                refusal = Refusal.PARENT_COMPLETED
            else:
                parent.child_count += 1
                bag = self._bags.setdefault(item.code, _Bag("child", self._capacity))
                bag.holder = item.parent
        outcome = Outcome.CHILD_LINKED if item.kind == "child" else Outcome.PARENT_OPENED
        return _entry(item, outcome, refusal, holder=holder, capacity=parent.capacity if parent else None)

    def _bill_scan(self, item: Scan) -> Entry:
        key = (item.bill or "").upper()
        bag, bill = self._bags.get(item.code), self._bills.get(key)
        held = bag.bill if bag is not None else None
        refusal = item.refusal
        if refusal is None:
            if bill is None:
                refusal = Refusal.BILL_NOT_FOUND
            elif bag is None:
                refusal = Refusal.PARENT_NOT_FOUND
            elif bag.kind != "parent":
                refusal = Refusal.WRONG_BAG_TYPE
            elif held is not None:
                same = held.upper() == key
                refusal = Refusal.ALREADY_ON_BILL if same else Refusal.ALREADY_ON_OTHER_BILL
            elif key in self._closed:
                refusal = Refusal.BILL_CLOSED
            elif self._on_bill[key] >= bill.capacity:
                refusal = Refusal.BILL_CAPACITY_REACHED
            else:
                self._on_bill[key] += 1
                bag.bill = bill.code
        capacity = bill.capacity if bill is not None else None
        return _entry(item, Outcome.BILL_LINKED, refusal, holder=held, bill_capacity=capacity)


def _entry(
    scan: Scan,
    outcome: Outcome,
    refusal: Refusal | None,
    *,
    holder: str | None = None,
    capacity: int | None = None,
    bill_capacity: int | None = None,
) -> Entry:
    return Entry(
        id=0,
        scan_id=scan.scan_id,
        replay=False,
        outcome=Outcome.REFUSED if refusal is not None else outcome,
        refusal=refusal,
        code=scan.code,
        kind=scan.kind,
        parent=scan.parent,
        bill=scan.bill,
        holder=holder,
        child_count=None,
        capacity=capacity,
        bill_count=None,
        bill_capacity=bill_capacity,
        station=scan.station,
        captured_at=scan.captured_at,
        recorded_at=datetime.now(UTC),
    )
