"""Lists recorded row by row, tens of thousands at a time, by the rules of scans and into the same ledger.

A row's scan_id comes from the file's digest, the sheet, the row and its codes: the same file sent again, or gone on
with after an interruption, counts nothing twice. A row that was refused then is looked at anew.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import IO, Any, TypeVar
from uuid import UUID, uuid5

import msgspec

from tracetrack_app.domain import codes
from tracetrack_app.domain.imports import Counts, Fate, RowResult
from tracetrack_app.domain.outcomes import Entry, Refusal, detail
from tracetrack_app.domain.scans import Actor, Scan
from tracetrack_app.ingest.scans import RawScan, judge
from tracetrack_app.ingest.sheets import Form, Line, Sheet, UnrecognisedError, read
from tracetrack_app.ingest.tables import TableError, open_tables
from tracetrack_app.store.recorder import BillDetails, Entries, Recording, Registration

SOURCE = "import"
CHUNK = 500
MAX_BILL = 50
BILL_CAPACITY = 50
_LARGEST_BILL = 500
_SPACE = UUID("6f1b8a52-6f0c-5d0e-9d4e-3a0f5c1f8b77")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Upload:
    """A file as it was sent. `open` gives it from its start; whoever opens closes it."""

    name: str
    open: Callable[[], IO[bytes]]


Told = Callable[[Sheet, Sequence[RowResult], Counts], Awaitable[None]]
"""Awaited with each piece of a sheet that is done."""


class Importer:
    """One import. `began` is PostgreSQL's time before its first row; `areas` are those that a bag may be of."""

    def __init__(
        self, recording: Recording, actor: Actor, began: datetime, areas: frozenset[str], told: Told | None = None
    ) -> None:
        self._recording = recording
        self._actor = actor
        self._began = began
        self._areas = areas
        self._told = told
        self._digest: dict[str, str] = {}
        self._opened: set[tuple[UUID, str]] = set()
        self._bills: dict[str, BillDetails] = {}
        self.counts = Counts()

    async def run(self, uploads: Sequence[Upload], form: Form | None) -> Counts:
        """All sheets of all files, one after another; without `form` each by its columns.

        Raises TableError before anything is recorded, UnavailableError after a part of it may have been.
        """
        with ExitStack() as stack:
            sheets = await asyncio.to_thread(self._look, uploads, form, stack)
            for sheet, space in sheets:
                await self._sheet(sheet, space)
        return self.counts

    def _look(self, uploads: Sequence[Upload], form: Form | None, stack: ExitStack) -> list[tuple[Sheet, UUID]]:
        found: list[tuple[Sheet, UUID]] = []
        refused: list[str] = []
        for upload in uploads:
            file = stack.enter_context(upload.open())
            digest = _digest(file)
            if digest in self._digest:
                self.counts.skipped.append(f"{upload.name} is the same file as {self._digest[digest]}.")
                continue
            self._digest[digest] = upload.name
            for table in open_tables(upload.name, file):
                try:
                    sheets = read(table, form)
                except UnrecognisedError as error:
                    refused.append(str(error))
                    continue
                for sheet in sheets:
                    sheet.count()
                    self.counts.total += sheet.rows
                    found.append((sheet, uuid5(_SPACE, f"{digest}/{table.sheet}/{sheet.form}")))
        if not found:
            raise TableError(" ".join(refused) or "There are no rows in what was sent.")
        self.counts.skipped += refused
        return found

    async def _sheet(self, sheet: Sheet, space: UUID) -> None:
        work = {
            Form.CHILD_PARENT: self._children,
            Form.PARENT_BILL: self._parents,
            Form.BAGS: self._bags,
            Form.BILLS: self._new_bills,
        }[sheet.form]
        lines = sheet.lines()

        def piece() -> list[Line]:
            return list(islice(lines, CHUNK))

        # The next rows are read while these are recorded.
        chunk = await asyncio.to_thread(piece)
        while chunk:
            following = asyncio.create_task(asyncio.to_thread(piece))
            try:
                results = await work(sheet, space, chunk)
                self.counts.add(results)
                if self._told is not None:
                    await self._told(sheet, results, self.counts)
            finally:
                chunk = await following

    # --- children into parents

    async def _children(self, sheet: Sheet, space: UUID, lines: Sequence[Line]) -> list[RowResult]:
        scans: dict[int, Scan] = {}
        for line in lines:
            if not line.problem:
                scans[line.number] = self._scan(sheet, space, line, "child", codes.Kind.CHILD, line.values["parent"])
        entries: Entries = {}
        for batch in _apart(scans.values(), lambda scan: scan.code if scan.refusal is None else None):
            entries |= await self._recorded(self._recording.scans, [*self._new_parents(sheet, space, batch), *batch])
        return [self._result(sheet, line, scans.get(line.number), entries) for line in lines]

    def _new_parents(self, sheet: Sheet, space: UUID, batch: Sequence[Scan]) -> list[Scan]:
        """A scan of each parent that this sheet names for the first time."""
        parents = []
        for scan in batch:
            if scan.refusal is None and scan.parent is not None and (space, scan.parent) not in self._opened:
                self._opened.add((space, scan.parent))
                parents.append(
                    Scan(
                        uuid5(space, f"parent/{scan.parent}"),
                        scan.parent,
                        codes.Kind.PARENT,
                        None,
                        scan.actor,
                        SOURCE,
                        scan.captured_at,
                        scan.station,
                    )
                )
        return parents

    # --- parents onto bills

    async def _parents(self, sheet: Sheet, space: UUID, lines: Sequence[Line]) -> list[RowResult]:
        problems: dict[int, str] = {}
        named: dict[str, Line] = {}
        for line in lines:
            problem = line.problem or _bill_problem(line)
            if problem:
                problems[line.number] = problem
            else:
                named.setdefault(line.values["bill"].upper(), line)
        await self._ensure_bills(sheet, named)
        scans = {
            line.number: self._scan(sheet, space, line, "parent", codes.Kind.PARENT, None, line.values["bill"])
            for line in lines
            if line.number not in problems
        }
        entries = await self._recorded(self._recording.bill_scans, list(scans.values()))
        return [
            self._result(sheet, line, scans.get(line.number), entries, problems.get(line.number, "")) for line in lines
        ]

    async def _ensure_bills(self, sheet: Sheet, named: dict[str, Line]) -> None:
        unknown = [line.values["bill"] for key, line in named.items() if key not in self._bills]
        if unknown:
            self._bills |= await self._recording.find_bills(unknown)
        new = []
        for key, line in named.items():
            if key not in self._bills:
                # Large enough for its own list, where that does not say how large.
                least = min(max(BILL_CAPACITY, sheet.by_bill[key]), _LARGEST_BILL)
                self._bills[key] = _details(line, least)
                new.append(self._bills[key])
        await self._create(new)

    # --- bills

    async def _new_bills(self, sheet: Sheet, space: UUID, lines: Sequence[Line]) -> list[RowResult]:
        usable = [line.values["bill"] for line in lines if not line.problem]
        found = await self._recording.find_bills(usable)
        new: list[BillDetails] = []
        results = []
        for line in lines:
            reason = line.problem or _bill_problem(line)
            fate = Fate.REFUSED
            if not reason:
                wanted = _details(line, BILL_CAPACITY)
                there = found.get(wanted.code.upper())
                reason = _difference(line, wanted, there) if there is not None else ""
                fate = Fate.REFUSED if reason else Fate.UNCHANGED if there is not None else Fate.IMPORTED
                if there is None:
                    found[wanted.code.upper()] = wanted
                    new.append(wanted)
            results.append(_row(line, fate, reason))
        await self._create(new)
        return results

    async def _create(self, bills: Sequence[BillDetails]) -> None:
        """One after another: bills are numbered in the order of the list."""
        for bill in bills:
            await self._recording.create_bill(self._actor, bill)

    # --- bags

    async def _bags(self, sheet: Sheet, space: UUID, lines: Sequence[Line]) -> list[RowResult]:
        items: dict[int, Registration] = {}
        problems: dict[int, str] = {}
        for line in lines:
            values = line.values
            area = values.get("area", "").lower().replace(" ", "_")
            kind = values.get("type", "").lower().removesuffix(" bag")
            problem = line.problem
            if not problem and kind not in ("", "parent", "child"):
                problem = f"{sheet.title('type')} is {values['type']}: it must be parent or child."
            if not problem and area and area not in self._areas:
                problem = f"{sheet.title('area')}: there is no area {values['area']}."
            if problem:
                problems[line.number] = problem
                continue
            scan = self._scan(sheet, space, line, "code", codes.Kind(kind) if kind else None, None)
            if scan.kind == codes.Kind.CHILD and scan.refusal is Refusal.PARENT_REQUIRED:
                scan = msgspec.structs.replace(scan, refusal=None)
            if scan.refusal is not None:
                problems[line.number] = self._reason(sheet, line, scan)
            else:
                items[line.number] = Registration(scan, values.get("name", "")[:100], area or None)
        entries: Entries = {}
        for batch in _apart(items.values(), lambda item: item.scan.code):
            entries |= await self._recording.register(batch)
        return [
            self._registered(line, items[line.number], entries)
            if line.number in items
            else _row(line, Fate.REFUSED, problems[line.number])
            for line in lines
        ]

    def _registered(self, line: Line, item: Registration, entries: Entries) -> RowResult:
        entry = entries.get(item.scan.scan_id)
        if entry is None:
            return _row(line, Fate.UNCHANGED, f"Bag {item.scan.code} exists already.")
        return _row(line, self._accepted(entry))

    # --- what the forms share

    def _scan(
        self,
        sheet: Sheet,
        space: UUID,
        line: Line,
        column: str,
        expect: codes.Kind | None,
        parent: str | None,
        bill: str | None = None,
    ) -> Scan:
        code = line.values[column]
        number = uuid5(space, f"{line.number}/{code.upper()}/{(parent or bill or '').upper()}")
        station = f"row {line.number} of {sheet.table.where}"
        return judge(RawScan(number, code, self._actor, SOURCE, self._began, parent, bill, station, expect))

    async def _recorded(self, record: Callable[[Sequence[Scan]], Awaitable[Entries]], scans: Sequence[Scan]) -> Entries:
        if not scans:
            return {}
        entries = await record(scans)
        again = {
            scan.scan_id: msgspec.structs.replace(scan, scan_id=uuid5(scan.scan_id, self._began.isoformat()))
            for scan in scans
            if self._is_old(entry := entries[scan.scan_id]) and not entry.accepted
        }
        if again:
            anew = await record(list(again.values()))
            entries |= {number: anew[scan.scan_id] for number, scan in again.items()}
        return entries

    def _is_old(self, entry: Entry) -> bool:
        """Whether the entry was made before this import, not by an earlier piece of it."""
        return entry.replay and entry.recorded_at < self._began

    def _accepted(self, entry: Entry) -> Fate:
        return Fate.REPEATED if self._is_old(entry) else Fate.IMPORTED

    def _result(self, sheet: Sheet, line: Line, scan: Scan | None, entries: Entries, problem: str = "") -> RowResult:
        if scan is None:
            return _row(line, Fate.REFUSED, problem or line.problem)
        entry = entries[scan.scan_id]
        if entry.accepted:
            return _row(line, self._accepted(entry))
        same = entry.refusal is Refusal.DUPLICATE_CHILD and entry.holder == scan.parent
        if same or entry.refusal is Refusal.ALREADY_ON_BILL:
            return _row(line, Fate.UNCHANGED, detail(entry), entry.holder)
        return _row(line, Fate.REFUSED, self._reason(sheet, line, scan, entry), entry.holder)

    def _reason(self, sheet: Sheet, line: Line, scan: Scan, entry: Entry | None = None) -> str:
        if scan.refusal is Refusal.MALFORMED_CODE:
            for column in ("child", "code", "parent"):
                if column in line.values:
                    try:
                        (codes.parse_parent if column == "parent" else codes.parse)(line.values[column])
                    except codes.MalformedCodeError as error:
                        return f"{sheet.title(column)} “{line.values[column][:60]}”: {error}"
        if scan.refusal is Refusal.WRONG_BAG_TYPE:
            return f"{scan.code} is the code of a {scan.kind} bag: it does not fit here."
        return detail(entry) if entry is not None else ""


def _digest(file: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while piece := file.read(1 << 20):
        digest.update(piece)
    file.seek(0)
    return digest.hexdigest()


def _row(line: Line, fate: Fate, reason: str = "", holder: str | None = None) -> RowResult:
    return RowResult(line.number, fate, reason, holder, line.cells if fate is Fate.REFUSED else ())


def _apart(items: Iterable[T], key: Callable[[T], Any]) -> Iterable[list[T]]:
    """The items in order, in batches none of which has a key twice; None is no key."""
    batch: list[T] = []
    seen: set[Any] = set()
    for item in items:
        mark = key(item)
        if mark is not None and mark in seen:
            yield batch
            batch, seen = [], set()
        seen.add(mark)
        batch.append(item)
    if batch:
        yield batch


def _bill_problem(line: Line) -> str:
    bill, capacity = line.values["bill"], line.values.get("capacity", "")
    if len(bill) > MAX_BILL:
        return f"The bill's id is longer than {MAX_BILL} characters."
    if capacity and not (capacity.isascii() and capacity.isdecimal() and 1 <= int(capacity[:9]) <= _LARGEST_BILL):
        return f"The bill's capacity is {capacity[:20]}: it must be a whole number from 1 to {_LARGEST_BILL}."
    return ""


def _details(line: Line, capacity: int) -> BillDetails:
    values = line.values
    return BillDetails(
        values["bill"],
        values.get("destination", "")[:100],
        values.get("vehicle", "")[:50],
        int(values.get("capacity") or capacity),
        values.get("description", ""),
    )


def _difference(line: Line, wanted: BillDetails, there: BillDetails) -> str:
    """In words, what the list says otherwise than the bill; cells left empty say nothing."""
    pairs = (
        ("destination", wanted.destination, there.destination),
        ("vehicle", wanted.vehicle_number, there.vehicle_number),
        ("capacity", str(wanted.capacity), str(there.capacity)),
        ("description", wanted.description, there.description),
    )
    found = [f"{name} {value or 'none'}" for name, want, value in pairs if line.values.get(name) and want != value]
    return f"Bill {there.code} exists already, with {', '.join(found)}: change it on its page." if found else ""
