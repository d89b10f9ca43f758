"""One pass over a slice of scanners that are in place and behind their spec."""

from __future__ import annotations

from typing import Any

from tests.unit.operator.fleet.rig import FakeAws
from tests.unit.operator.fleet.samples import SETUP, ready_slice, target
from tracetrack_operator.engine.errors import TerminalError
from tracetrack_operator.fleet.halt import Halt
from tracetrack_operator.fleet.observe import Observed
from tracetrack_operator.fleet.plan import FleetPlan, Need, plan
from tracetrack_operator.fleet.slices import SliceRecord
from tracetrack_operator.fleet.slicework import SliceWork
from tracetrack_operator.fleet.sweep import CertificateSweeper
from tracetrack_operator.fleet.target import Target
from tracetrack_operator.fleet.things import Things

PLAIN, DOCKED = target(3), target(3, attributes={"dock": "7"})


class Saver:
    """Stands in for the cluster: `saved` is the record as it was written last."""

    def __init__(self, record: SliceRecord) -> None:
        self.record = record
        self.saved = record.copy()

    async def save(self) -> None:
        self.saved = self.record.copy()


def _todo(of: Target, record: SliceRecord) -> FleetPlan:
    return plan(Observed(of, True, SETUP.signing, (record,)), SETUP, None)


async def _work(aws: FakeAws, of: Target, record: SliceRecord, halt: Halt, window: int = 4) -> Any:
    """Towards `of`; gives the record as saved."""
    (todo,) = _todo(of, record).slices
    saver: Any = Saver(record)
    sweeper = CertificateSweeper(aws, set, settle_seconds=0.0)
    present = {of.names.thing(name) for name in record.entries}
    await SliceWork(of, SETUP, todo, saver, Things(aws, sweeper, of), sweeper, present, halt, window).run()
    return saver.saved


def _in_place() -> tuple[FakeAws, SliceRecord]:
    aws, record = FakeAws(), ready_slice(PLAIN, 0, 3)
    aws.things = {entry.thing_name: PLAIN.attributes for entry in record.entries.values()}
    return aws, record


async def test_an_update_that_succeeds_clears_the_message_of_the_one_that_failed() -> None:
    aws, record = _in_place()
    aws.refusals["update_thing"] = TerminalError("AwsInvalidRequest", "AWS refuses the attributes.")
    failed = await _work(aws, DOCKED, record, Halt(60.0))
    assert {entry.message for entry in failed.entries.values()} == {"AWS refuses the attributes."}
    aws.refusals.clear()
    done = await _work(aws, DOCKED, failed, Halt(60.0))
    assert {entry.message for entry in done.entries.values()} == {None}
    assert {attributes["dock"] for attributes in aws.things.values()} == {"7"}
    assert not _todo(DOCKED, done)


async def test_half_an_update_taken_back_is_taken_back_from_every_thing() -> None:
    aws, record = _in_place()
    halt = Halt(60.0)

    async def change_of_mind(_: dict[str, Any]) -> None:
        halt.ask()

    aws.before["update_thing"] = change_of_mind
    half = await _work(aws, DOCKED, record, halt, window=1)
    assert sorted("dock" in attributes for attributes in aws.things.values()) == [False, False, True]
    assert set(_todo(PLAIN, half).slices[0].needs.values()) == {Need.UPDATE}
    done = await _work(aws, PLAIN, half, Halt(60.0))
    assert not [attributes for attributes in aws.things.values() if "dock" in attributes]
    assert not _todo(PLAIN, done)
