from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tracetrack_operator.dependencies.cloud.window import Window

SUNDAY = datetime(2026, 11, 22, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "moment", "inside"),
    [
        ("sun:02:00-sun:03:00", SUNDAY + timedelta(hours=1, minutes=59), False),
        ("sun:02:00-sun:03:00", SUNDAY + timedelta(hours=2), True),
        ("sun:02:00-sun:03:00", SUNDAY + timedelta(hours=2, minutes=59, seconds=59), True),
        ("sun:02:00-sun:03:00", SUNDAY + timedelta(hours=3), False),
        ("Sun:02:00-Sun:03:00", SUNDAY + timedelta(days=1, hours=2), False),
        ("sun:23:30-mon:00:30", SUNDAY + timedelta(hours=24), True),
        ("sun:23:30-mon:00:30", SUNDAY - timedelta(minutes=10), False),
        ("sat:23:00-sun:01:00", SUNDAY, True),
    ],
)
def test_inside(text: str, moment: datetime, inside: bool) -> None:
    assert Window.parse(text).contains(moment) == inside


def test_the_next_start_is_never_now() -> None:
    window = Window.parse("sun:02:00-sun:03:00")
    assert window.next_start(SUNDAY) == SUNDAY + timedelta(hours=2)
    assert window.next_start(SUNDAY + timedelta(hours=2, seconds=5)) == SUNDAY + timedelta(days=7, hours=2)


@pytest.mark.parametrize("text", ["", "sunday", "sun:02:00", "xyz:02:00-sun:03:00"])
def test_what_is_no_window_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no maintenance window"):
        Window.parse(text)
