"""How long changes took, as the status tells it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tracetrack_operator.dependencies.cloud.actions import Modify
from tracetrack_operator.dependencies.cloud.durations import Begun, Changes, last_change
from tracetrack_operator.engine.plan import Disruption

T0 = datetime(2026, 11, 23, 12, tzinfo=UTC)
BEGUN = Begun("modify_db_instance", "reboot", T0)
STARTED = {"operation": "modify_db_instance", "disruption": "reboot", "startedAt": "2026-11-23T12:00:00Z"}


def after(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def test_nothing_is_told_of_an_object_that_was_never_changed() -> None:
    assert last_change({}, None, True, T0) == {}


def test_a_change_has_its_time_once_it_is_done() -> None:
    assert last_change({}, BEGUN, False, after(30)) == STARTED
    assert last_change(STARTED, BEGUN, True, after(431.4)) == {**STARTED, "seconds": 431}


def test_an_operator_that_was_restarted_goes_on_counting() -> None:
    assert last_change(STARTED, None, True, after(600)) == {**STARTED, "seconds": 600}


def test_what_is_done_stays_as_it_was_told() -> None:
    done = {**STARTED, "seconds": 431}
    assert last_change(done, BEGUN, True, after(9000)) == done
    assert last_change(done, None, True, after(9000)) == done


def test_a_call_made_again_while_under_way_counts_from_the_first() -> None:
    again = Begun("modify_db_instance", "reboot", after(70))
    assert last_change(STARTED, again, True, after(100))["seconds"] == 100


def test_a_later_change_takes_the_place_of_the_last() -> None:
    later = Begun("reboot_db_instance", "reboot", after(700))
    found = last_change({**STARTED, "seconds": 431}, later, False, after(701))
    assert found == {"operation": "reboot_db_instance", "disruption": "reboot", "startedAt": "2026-11-23T12:11:40Z"}


def test_a_change_is_remembered_until_the_status_has_its_time() -> None:
    changes = Changes(lambda: T0)
    action = Modify("DB instance x", "rds", "modify_db_instance", None, {}, name="x", disruption=Disruption.REBOOT)
    changes.begin("uid", action, changes.now())
    assert changes.of("uid", {}) == BEGUN
    assert changes.of("uid", STARTED) == BEGUN
    assert changes.of("uid", {**STARTED, "seconds": 5}) is None
    assert changes.of("uid", {}) is None
