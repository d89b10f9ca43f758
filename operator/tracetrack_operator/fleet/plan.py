"""What each scanner of a fleet needs next: pure, from records and the listing of its thing group."""

from collections.abc import Set
from dataclasses import dataclass, field
from enum import StrEnum

from ..api.constants import SLICE_CAPACITY
from ..api.slice import Scanner, ScannerState
from .observe import Observed
from .slices import ENDPOINT, SliceRecord, certificate_file, key_file
from .target import Setup


class Need(StrEnum):
    """MAKE: a key, and all that follows. ASK: a certificate for the key it has. RESOLVE: find out whether a
    certificate was issued whose answer we lost. FINISH: put in place what should be there. REISSUE: its private key
    is lost, so is the use of its certificate: start anew. UPDATE: only the thing's type or attributes. RETIRE: take
    it out of service."""

    MAKE = "make"
    ASK = "ask"
    RESOLVE = "resolve"
    FINISH = "finish"
    REISSUE = "reissue"
    UPDATE = "update"
    RETIRE = "retire"


def need_of(
    record: SliceRecord, scanner: str, entry: Scanner | None, *, wanted: bool, in_group: bool, current: bool
) -> Need | None:
    """What one scanner needs, None when it is as it should be.

    `in_group` tells whether its thing was in the group when that was last listed; `current` whether the things of
    the slice have the type and attributes the spec asks for.
    """
    if not wanted or (entry and entry.state is ScannerState.RETIRING):
        return Need.RETIRE
    keyed, certified = key_file(scanner) in record.data, certificate_file(scanner) in record.data
    known = entry.certificate_id if entry else None
    if not keyed:
        lost = known or (entry and entry.requested_at) or in_group
        return Need.REISSUE if lost else Need.MAKE
    if known is None:
        slice_lost = entry is None and (certified or not record.slice_uid)
        return Need.RESOLVE if slice_lost or (entry and entry.requested_at) else Need.ASK
    if not certified or not in_group or entry is None or entry.state is not ScannerState.READY:
        return Need.FINISH
    return None if current else Need.UPDATE


@dataclass(frozen=True)
class SlicePlan:
    """The work on one slice. `needs` is in the order of work; `refresh` is set when what its Secret holds for the
    scanners beside their keys and certificates is stale."""

    record: SliceRecord
    needs: dict[str, Need]
    refresh: bool = False

    @property
    def removes(self) -> bool:
        return any(need is Need.RETIRE for need in self.needs.values())

    @property
    def pending(self) -> set[str]:
        """The scanners that are to be made or brought up to date."""
        stale = set(self.record.scanners) if self.refresh else set()
        return {scanner for scanner in stale | self.needs.keys() if self.needs.get(scanner) is not Need.RETIRE}

    @property
    def empty(self) -> bool:
        """Whether the slice holds and needs nothing, so that it may go."""
        return not self.needs and not self.record.scanners


@dataclass(frozen=True)
class FleetPlan:
    """`slices` in the order of work: what is to be removed from the last one down, then what is to be provisioned.

    `strays` are things in the group that belong to no scanner of ours.
    """

    slices: tuple[SlicePlan, ...] = ()
    strays: tuple[str, ...] = ()
    doomed: tuple[SlicePlan, ...] = field(default=())

    def __bool__(self) -> bool:
        return bool(self.slices or self.strays or self.doomed)


def plan(
    observed: Observed, setup: Setup | None, present: Set[str] | None, foreign: Set[str] = frozenset()
) -> FleetPlan:
    """What is to do for a fleet. `present` are the things in its group, None when it hasn't been listed; `foreign`
    are those of them that were found to be someone else's.
    """
    target = observed.target
    records = {record.index: record for record in observed.slices}
    count = -(-target.replicas // SLICE_CAPACITY)
    for index in range(count):
        records.setdefault(index, SliceRecord(index, target.names.slice(index), thing_hash=target.thing_hash))
    plans = [_plan_slice(observed, record, setup, present) for _, record in sorted(records.items())]
    known = {target.names.thing(name) for each in plans for name in (*each.record.scanners, *each.needs)}
    removing = [each for each in reversed(plans) if each.removes]
    others = [each for each in plans if not each.removes and (each.needs or each.refresh)]
    return FleetPlan(
        slices=(*removing, *others),
        strays=tuple(sorted((present or set()) - known - foreign)),
        doomed=tuple(each for each in plans if each.empty and (each.record.slice_uid or each.record.secret_uid)),
    )


def _plan_slice(observed: Observed, record: SliceRecord, setup: Setup | None, present: Set[str] | None) -> SlicePlan:
    target = observed.target
    wanted = set(target.names.scanners(record.index, target.replicas))
    current = record.thing_hash == target.thing_hash
    needs: dict[str, Need] = {}
    for scanner in sorted(wanted | set(record.scanners), key=target.names.number):
        entry = record.entries.get(scanner)
        need = need_of(
            record,
            scanner,
            entry,
            wanted=scanner in wanted,
            in_group=(entry is not None and present is None) or target.names.thing(scanner) in (present or ()),
            current=current,
        )
        if need is not None:
            needs[scanner] = need
    retiring = [scanner for scanner, need in needs.items() if need is Need.RETIRE]
    ordered = dict.fromkeys((*reversed(retiring), *(s for s in needs if needs[s] is not Need.RETIRE)))
    return SlicePlan(record, {scanner: needs[scanner] for scanner in ordered}, _stale(observed, record, setup))


def _stale(observed: Observed, record: SliceRecord, setup: Setup | None) -> bool:
    """Whether device keys and settings in the slice's Secret aren't what they should be, as far as can be told."""
    target = observed.target
    if target.deleting or not record.scanners:
        return False
    if any(entry.key_generation != target.generation for entry in record.entries.values()):
        return True
    if setup is None:
        # AWS hasn't been looked at since the operator began: it goes by the mirror, and takes the endpoint as it is.
        if observed.signing is None:
            return False
        setup = Setup(observed.signing, "", record.data.get(ENDPOINT, ""))
    return record.copy().refresh(target, setup)
