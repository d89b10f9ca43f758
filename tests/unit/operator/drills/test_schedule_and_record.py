"""When drills begin, and what is remembered of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.unit.operator.deployment.factory import owner
from tracetrack_operator.api.drill import DrillSpec
from tracetrack_operator.drills.manifests import record_config
from tracetrack_operator.drills.record import FAILED, KEY, PASSED, Record, Run
from tracetrack_operator.drills.schedule import InvalidSchedule, Schedule
from tracetrack_operator.manifests.parent import Parent

NOW = datetime(2026, 11, 23, 19, 0, tzinfo=UTC)


def spec(**fields: Any) -> DrillSpec:
    return DrillSpec.model_validate(fields)


@pytest.mark.parametrize(
    ("fields", "after", "wanted"),
    [
        ({"schedule": "0 3 * * SUN"}, NOW, datetime(2026, 11, 29, 3, tzinfo=UTC)),
        ({"schedule": "0 3 * * *", "timeZone": "Asia/Kolkata"}, NOW, datetime(2026, 11, 23, 21, 30, tzinfo=UTC)),
        ({"schedule": "0 * * * *"}, NOW, NOW + timedelta(hours=1)),
        # The hour that the clocks pass over, and the one that they take twice.
        (
            {"schedule": "30 2 * * *", "timeZone": "Europe/Berlin"},
            datetime(2026, 3, 29, 0, 0, tzinfo=UTC),
            datetime(2026, 3, 29, 1, 0, tzinfo=UTC),
        ),
        (
            {"schedule": "30 2 * * *", "timeZone": "Europe/Berlin"},
            datetime(2026, 10, 25, 0, 30, tzinfo=UTC),
            datetime(2026, 10, 26, 1, 30, tzinfo=UTC),
        ),
    ],
)
def test_the_next_drill_is_in_the_time_zone_of_the_schedule(
    fields: dict[str, str], after: datetime, wanted: datetime
) -> None:
    schedule = Schedule.of(spec(**fields))
    assert schedule is not None
    assert schedule.next(after) == wanted


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"schedule": "0 3 30 2 *"}, "spec.database.drill.schedule 0 3 30 2 * never comes"),
        ({"schedule": "0 24 * * *"}, "spec.database.drill.schedule 0 24 * * * never comes"),
        ({"schedule": "0 3 * * FOO"}, "spec.database.drill.schedule"),
        ({"schedule": "0 3 * * *", "timeZone": "Asia/Nowhere"}, "spec.database.drill.timeZone Asia/Nowhere"),
    ],
)
def test_what_never_comes_is_refused_by_the_field(fields: dict[str, str], words: str) -> None:
    with pytest.raises(InvalidSchedule, match=words.replace("*", r"\*")):
        Schedule.of(spec(**fields))


def test_without_a_schedule_there_is_none() -> None:
    assert Schedule.of(spec()) is None


RUN = Run(NOW, "rds:demo-2026-11-23-03-10", NOW - timedelta(hours=16), "17.6")
OVER = RUN.ended(NOW + timedelta(minutes=31), PASSED, "fine", 1260)


@pytest.mark.parametrize(
    "record",
    [
        Record("", NOW),
        Record("0 3 * * * UTC", NOW, "1").begun(RUN, "2"),
        Record("0 3 * * * UTC", NOW, "1").begun(RUN, "").ended(OVER),
        Record("", NOW).ended(OVER).begun(RUN, "3").ended(RUN.ended(NOW, FAILED, "no", None)),
    ],
)
def test_a_record_reads_as_it_was_written(record: Record) -> None:
    assert Record.of(record_config(Parent.of(owner()), record)) == record


def test_the_last_good_one_is_kept_beside_the_last() -> None:
    record = Record("", NOW).ended(OVER).ended(RUN.ended(NOW + timedelta(days=7), FAILED, "no"))
    assert record.passed == OVER.finished
    assert record.last is not None
    assert record.last.result == FAILED
    assert OVER.status() == {
        "startedAt": "2026-11-23T19:00:00Z",
        "finishedAt": "2026-11-23T19:31:00Z",
        "snapshot": RUN.snapshot,
        "rtoSeconds": 1260,
        "rpoSeconds": 57600,
        "result": "Passed",
        "message": "fine",
    }


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schedule": "", "since": "yesterday"}', '{"since": 1}'])
def test_a_spoilt_record_is_none(text: str) -> None:
    assert Record.of({"data": {KEY: text}}) is None
    assert Record.of({}) is None
    assert Record.of(None) is None


def test_by_another_schedule_nothing_is_overdue() -> None:
    later = NOW + timedelta(days=30)
    assert Record("0 3 * * * UTC", NOW).scheduled("0 4 * * * UTC", later).since == later
    assert Record("0 3 * * * UTC", NOW).scheduled("0 3 * * * UTC", later).since == NOW
