"""Records many rows at a time for an import: the statements that scans are recorded with, a batch a transaction.

One connection of its own, so that the scans of people at work wait for nothing but the bags that they share.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Protocol
from uuid import UUID

import asyncpg
import msgspec

from tracetrack_app.domain.outcomes import Entry
from tracetrack_app.domain.rules import RuleError
from tracetrack_app.domain.scans import Actor, Scan
from tracetrack_app.store.bills import Bills
from tracetrack_app.store.database import Connector, connection_lost
from tracetrack_app.store.ledger import Ledger, bag_keys, bill_keys
from tracetrack_app.store.standby import wrote_key
from tracetrack_app.store.statements import RECORD_SCANS, entry, parent_capacity, statement
from tracetrack_app.store.writer import RACES, UnavailableError

_log = logging.getLogger(__name__)
_COLUMNS = RECORD_SCANS.partition(" FROM ")[0]
_RECORD_BILL_SCANS = (
    f"{_COLUMNS} FROM record_bill_scans($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[],"
    " $7::bigint, $8::text, $9::timestamptz, $10::text, $11::text) r"
)
_REGISTER_BAGS = (
    f"{_COLUMNS} FROM register_bags($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[],"
    f" $7::bigint, $8::text, $9::timestamptz, {parent_capacity(10)}, $11::text) r"
)
BILLS = (
    "SELECT upper(code) AS key, code, destination, vehicle_number, capacity, description, bag_count, status FROM bills"
    " WHERE upper(code) = ANY ($1::text[]) AND deleted_at IS NULL"
)
_STATEMENT_TIMEOUT = 60.0
_PATIENCE = 60.0
_ATTEMPTS = 5

Entries = dict[UUID, Entry]
Changed = Callable[[Iterable[str]], Awaitable[None]]


class Registration(msgspec.Struct, frozen=True, gc=False):
    """A bag to be made without scanning it. The scan says who, when and where; its parent is not looked at."""

    scan: Scan
    name: str = ""
    area: str | None = None


class BillDetails(msgspec.Struct, frozen=True, gc=False):
    """A bill as a list has it; `code` as it is to be stored."""

    code: str
    destination: str = ""
    vehicle_number: str = ""
    capacity: int = 50
    description: str = ""


class Recording(Protocol):
    """What an import does with its rows: records them, or only tells what would come of it.

    No two items of a call have the same scan_id or the same code. Everything raises UnavailableError.
    """

    async def scans(self, items: Sequence[Scan]) -> Entries:
        """Parents, made when new, and children into their parents."""

    async def bill_scans(self, items: Sequence[Scan]) -> Entries:
        """Parents onto their bills, in order."""

    async def register(self, items: Sequence[Registration]) -> Entries:
        """Bags made without scanning them; no entry for one that was there."""

    async def find_bills(self, codes: Sequence[str]) -> dict[str, BillDetails]:
        """The bills that there are, by code in upper case."""

    async def create_bill(self, actor: Actor, bill: BillDetails) -> None:
        """Make the bill; nothing is done when it is there by now."""

    async def close(self) -> None:
        """Let go of the connection."""


class Recorder:
    """Records. `changed` is awaited with the cache keys of each batch, and whose it is, before its entries are told.

    `capacity` is that of new parents whose product says none if nobody set one.
    """

    def __init__(self, connector: Connector, ledger: Ledger, *, capacity: int, changed: Changed) -> None:
        self._connector = connector
        # An import tells of a batch, not of each bill that it makes.
        self._bills = Bills(ledger.quietly())
        self._capacity = capacity
        self._timezone = ledger.timezone
        self._changed = changed
        self._connection: Any = None
        self._untold: set[str] = set()

    async def scans(self, items: Sequence[Scan]) -> Entries:
        return await self._record(items, lambda some: statement(some, self._capacity, self._timezone))

    async def bill_scans(self, items: Sequence[Scan]) -> Entries:
        return await self._record(items, self._bill_statement)

    async def register(self, items: Sequence[Registration]) -> Entries:
        return await self._record(items, self._register_statement)

    async def find_bills(self, codes: Sequence[str]) -> dict[str, BillDetails]:
        rows = await self._execute(BILLS, [code.upper() for code in codes])
        return {row["key"]: bill_details(row) for row in rows}

    async def create_bill(self, actor: Actor, bill: BillDetails) -> None:
        try:
            await self._bills.create(
                actor,
                bill.code,
                destination=bill.destination,
                vehicle_number=bill.vehicle_number,
                capacity=bill.capacity,
                description=bill.description,
            )
        except RuleError:
            _log.info("bill %s was made by someone else meanwhile", bill.code)
        self._untold = wrote_key(actor.user_id)

    async def close(self) -> None:
        self._drop()
        if self._untold:
            await self._changed(self._untold)

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()

    async def _record(
        self, items: Sequence[Any], make: Callable[[Sequence[Any]], tuple[str, tuple[Any, ...]]]
    ) -> Entries:
        if not items:
            return {}
        try:
            rows = await self._execute(*_flat(make(items)))
        except UnavailableError:
            raise
        except Exception as error:
            # One row that cannot be recorded must not fail its neighbours.
            if len(items) == 1 or not _of_one_row(error):
                raise
            middle = len(items) // 2
            return {**await self._record(items[:middle], make), **await self._record(items[middle:], make)}
        entries = [entry(row) for row in rows]
        first = items[0].scan if isinstance(items[0], Registration) else items[0]
        await self._changed(_keys(entries) | wrote_key(first.actor.user_id))
        return {each.scan_id: each for each in entries}

    async def _execute(self, sql: str, *arguments: Any) -> Any:
        """Sent again when the connection is lost, which the scan_ids make harmless, and after a lost race."""
        deadline = time.monotonic() + _PATIENCE
        pause, races = 0.05, 0
        while True:
            try:
                if self._connection is None or self._connection.is_closed():
                    self._connection = await self._connector.connect()
                return await self._connection.fetch(sql, *arguments, timeout=_STATEMENT_TIMEOUT)
            except RACES:
                races += 1
                if races >= _ATTEMPTS:
                    raise
            except Exception as error:
                if not connection_lost(error):
                    raise
                self._drop()
                if time.monotonic() > deadline:
                    words = f"{self._connector.explain(error)}; send the same file again: no row counts twice."
                    raise UnavailableError(words, 5) from error
            await asyncio.sleep(pause)
            pause = min(pause * 2, 2.0)

    def _bill_statement(self, items: Sequence[Scan]) -> tuple[str, tuple[Any, ...]]:
        first = items[0]
        return _RECORD_BILL_SCANS, (
            [item.scan_id for item in items],
            [item.code for item in items],
            [item.kind for item in items],
            [item.bill for item in items],
            [item.refusal for item in items],
            [item.station for item in items],
            first.actor.user_id,
            first.source,
            first.captured_at,
            first.actor.area,
            self._timezone,
        )

    def _register_statement(self, items: Sequence[Registration]) -> tuple[str, tuple[Any, ...]]:
        first = items[0].scan
        return _REGISTER_BAGS, (
            [item.scan.scan_id for item in items],
            [item.scan.code for item in items],
            [item.scan.kind for item in items],
            [item.name for item in items],
            [item.area for item in items],
            [item.scan.station for item in items],
            first.actor.user_id,
            first.source,
            first.captured_at,
            self._capacity,
            self._timezone,
        )


def bill_details(row: Any) -> BillDetails:
    """The bill in a row of BILLS."""
    return BillDetails(row["code"], row["destination"], row["vehicle_number"], row["capacity"], row["description"])


def _flat(made: tuple[str, tuple[Any, ...]]) -> tuple[Any, ...]:
    return made[0], *made[1]


def _of_one_row(error: Exception) -> bool:
    return isinstance(error, (*RACES, asyncpg.IntegrityConstraintViolationError, asyncpg.DataError))


def _keys(entries: Sequence[Entry]) -> set[str]:
    keys: set[str] = set()
    for each in entries:
        if each.accepted:
            keys.update(bag_keys(each.code, each.parent))
            keys.update(bill_keys(each.bill))
    return keys
