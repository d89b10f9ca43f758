"""What each scanner needs, for every state a crash or a hand can leave it in."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.unit.operator.fleet.samples import SETUP, ready_slice, target, target_of
from tracetrack_operator.api.slice import Scanner, ScannerState
from tracetrack_operator.fleet.observe import Observed
from tracetrack_operator.fleet.plan import FleetPlan, Need, need_of, plan
from tracetrack_operator.fleet.slices import SliceRecord, certificate_file, key_file
from tracetrack_operator.fleet.target import Target

NAME = "lucknow-0001"
THEN = datetime(2026, 11, 2, tzinfo=UTC)


def _entry(state: ScannerState = ScannerState.READY, **fields: Any) -> Scanner:
    return Scanner(name=NAME, thing_name=f"kind_north_{NAME}", state=state, **fields)


KEY, CERT = {key_file(NAME): "k"}, {certificate_file(NAME): "c"}
ASKED = _entry(ScannerState.CERTIFICATE_REQUESTED, requested_at=THEN)
SAVED = _entry(ScannerState.KEY_SAVED)
ISSUED = _entry(ScannerState.CERTIFICATE_ISSUED, requested_at=THEN, certificate_id="id")
READY = _entry(requested_at=THEN, certificate_id="id")
RETIRING = _entry(ScannerState.RETIRING, certificate_id="id")


@pytest.mark.parametrize(
    ("data", "entry", "slice_uid", "changes", "need"),
    [
        pytest.param({}, None, "", {"in_group": False}, Need.MAKE, id="nothing yet"),
        pytest.param({}, None, "s", {"in_group": False}, Need.MAKE, id="new in an old slice"),
        pytest.param(KEY, None, "", {"in_group": False}, Need.RESOLVE, id="killed between Secret and slice"),
        pytest.param(KEY, None, "s", {"in_group": False}, Need.ASK, id="killed between them in an old slice"),
        pytest.param(KEY, SAVED, "s", {"in_group": False}, Need.ASK, id="refused earlier"),
        pytest.param(KEY, ASKED, "s", {}, Need.RESOLVE, id="answer lost"),
        pytest.param(KEY | CERT, ISSUED, "s", {}, Need.FINISH, id="not attached yet"),
        pytest.param(KEY, ISSUED, "s", {}, Need.FINISH, id="certificate not in the Secret"),
        pytest.param(KEY | CERT, READY, "s", {}, None, id="ready"),
        pytest.param(KEY | CERT, READY, "s", {"current": False}, Need.UPDATE, id="attributes changed"),
        pytest.param(KEY | CERT, READY, "s", {"in_group": False}, Need.FINISH, id="thing deleted by hand"),
        pytest.param(KEY | CERT, None, "", {}, Need.RESOLVE, id="slice deleted by hand"),
        pytest.param(KEY | CERT, None, "s", {}, Need.RESOLVE, id="entry deleted by hand"),
        pytest.param({}, READY, "s", {}, Need.REISSUE, id="Secret deleted by hand"),
        pytest.param({}, ASKED, "s", {"in_group": False}, Need.REISSUE, id="Secret deleted while asking"),
        pytest.param({}, None, "", {}, Need.REISSUE, id="Secret and slice deleted by hand"),
        pytest.param(KEY | CERT, READY, "s", {"wanted": False}, Need.RETIRE, id="scaled down"),
        pytest.param(KEY, ASKED, "s", {"wanted": False}, Need.RETIRE, id="scaled down while asking"),
        pytest.param(KEY | CERT, RETIRING, "s", {}, Need.RETIRE, id="wanted again while retiring"),
    ],
)
def test_need(
    data: dict[str, str], entry: Scanner | None, slice_uid: str, changes: dict[str, bool], need: Need | None
) -> None:
    record = SliceRecord(0, "lucknow-0", {NAME: entry} if entry else {}, dict(data), slice_uid=slice_uid)
    state = {"wanted": True, "in_group": True, "current": True} | changes
    assert need_of(record, NAME, entry, **state) is need


def _plan(of: Target, *slices: SliceRecord, strays: tuple[str, ...] = (), without: str = "") -> FleetPlan:
    present = {of.names.thing(name) for record in slices for name in record.entries} - {without} | set(strays)
    return plan(Observed(of, True, SETUP.signing, slices), SETUP, present)


def test_a_fleet_that_is_as_it_should_be_needs_nothing() -> None:
    of = target(150)
    assert not _plan(of, ready_slice(of, 0, 150), ready_slice(of, 1, 150))


def test_a_new_fleet_gets_its_slices_in_order() -> None:
    todo = _plan(target(250))
    assert [(each.record.name, len(each.needs)) for each in todo.slices] == [
        ("lucknow-0", 100),
        ("lucknow-1", 100),
        ("lucknow-2", 50),
    ]
    assert list(todo.slices[0].needs)[:2] == ["lucknow-0001", "lucknow-0002"]
    assert set(todo.slices[0].needs.values()) == {Need.MAKE}


def test_scaling_down_takes_the_last_ones_first_and_the_last_slice_first() -> None:
    big, small = target(203), target(99)
    todo = _plan(small, *(ready_slice(big, index, 203) for index in range(3)))
    assert [each.record.index for each in todo.slices] == [2, 1, 0]
    assert list(todo.slices[0].needs) == ["lucknow-0203", "lucknow-0202", "lucknow-0201"]
    assert next(iter(todo.slices[1].needs)) == "lucknow-0200"
    assert list(todo.slices[2].needs) == ["lucknow-0100"]


def test_an_emptied_slice_goes_and_the_first_one_of_a_fleet_of_none_too() -> None:
    of = target(0)
    record = SliceRecord(0, "lucknow-0", slice_uid="s", secret_uid="k")
    assert [each.record.name for each in _plan(of, record).doomed] == ["lucknow-0"]


def test_things_that_no_scanner_answers_for_are_strays() -> None:
    of = target(2)
    todo = _plan(of, ready_slice(of, 0, 2), strays=("kind_north_lucknow-0007",))
    assert todo.strays == ("kind_north_lucknow-0007",)
    assert not todo.slices


def test_a_raised_key_generation_only_refreshes_the_secret() -> None:
    of = target(2)
    record = ready_slice(of, 0, 2)
    raised = target(2, credentials={"keyGeneration": 2})
    todo = _plan(raised, record)
    assert [(each.needs, each.refresh) for each in todo.slices] == [({}, True)]
    before = dict(record.data)
    assert record.refresh(raised, SETUP)
    assert ".2." in record.data["lucknow-0001.device-key"]
    assert {name for name in before if before[name] != record.data[name]} == {
        "lucknow-0001.device-key",
        "lucknow-0002.device-key",
    }
    assert not record.refresh(raised, SETUP)


def test_a_deleted_fleet_retires_everything() -> None:
    of = target(3)
    record = ready_slice(of, 0, 3)
    obj = {**of.obj, "metadata": {**of.obj["metadata"], "deletionTimestamp": "2026-11-03T00:00:00Z"}}
    todo = _plan(target_of(obj), record)
    assert list(todo.slices[0].needs.items()) == [(f"lucknow-000{n}", Need.RETIRE) for n in (3, 2, 1)]
