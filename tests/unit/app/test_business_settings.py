"""What an admin may set, and what not."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.unit.app.test_settings import GOOD
from tracetrack_app.domain.business_settings import SETTINGS, Values
from tracetrack_app.settings import Settings
from tracetrack_app.store.business_settings import defaults


@pytest.mark.parametrize(
    ("name", "given", "kept"),
    [
        ("parent_capacity", 1, 1),
        ("parent_capacity", 1000, 1000),
        ("parent_capacity", 40.0, 40),
        ("undo_window_minutes", 1440, 1440),
        ("registration", "off", "off"),
        ("require_admin_totp", True, True),
        ("require_admin_totp", False, False),
    ],
)
def test_what_is_taken(name: str, given: Any, kept: Any) -> None:
    found = SETTINGS[name].check(given)
    assert (found, type(found)) == (kept, type(kept))


@pytest.mark.parametrize(
    ("name", "given", "remedy"),
    [
        *(
            ("parent_capacity", wrong, "give a whole number from 1 to 1000")
            for wrong in (0, -1, 1001, 30.5, "30", True, None, [30], float("nan"), float("inf"), 10**400)
        ),
        ("undo_window_minutes", 1441, "give a whole number from 1 to 1440"),
        *(
            ("registration", wrong, "give one of approval, open, off")
            for wrong in ("maybe", "", "OFF", 0, False, None, ["off"], {})
        ),
        *(("require_admin_totp", wrong, "give true or false") for wrong in ("true", 1, 0, 1.0, None, [])),
    ],
)
def test_what_is_refused_says_what_to_give(name: str, given: Any, remedy: str) -> None:
    with pytest.raises(ValueError, match=f"^{remedy}$"):
        SETTINGS[name].check(given)


@pytest.mark.parametrize(
    ("name", "text", "kept"),
    [
        ("parent_capacity", "40", 40),
        ("registration", "Open", "open"),
        ("require_admin_totp", "TRUE", True),
        ("require_admin_totp", "false", False),
        ("parent_capacity", "4_0", None),
        ("parent_capacity", "٤٠", None),
        ("parent_capacity", "9" * 5000, None),
        ("registration", "maybe", None),
        ("require_admin_totp", "yes", None),
    ],
)
def test_words_of_a_command_are_read(name: str, text: str, kept: Any) -> None:
    if kept is None:
        with pytest.raises(ValueError, match=r"^give "):
            SETTINGS[name].read(text)
    else:
        assert SETTINGS[name].read(text) == kept


def test_each_has_its_value_and_its_default_is_the_environments() -> None:
    assert {each.name for each in msgspec.structs.fields(Values)} == set(SETTINGS)
    own = {
        "TRACETRACK_PARENT_CAPACITY": "44",
        "TRACETRACK_REGISTRATION": "open",
        "TRACETRACK_REQUIRE_ADMIN_TOTP": "true",
    }
    assert set(own) == {each.variable for each in SETTINGS.values()} - {None}
    for environ in (GOOD, GOOD | own):
        values = defaults(Settings.load(environ))
        for setting in SETTINGS.values():
            assert setting.check(values.of(setting)) == values.of(setting)
    assert values == Values(parent_capacity=44, undo_window_minutes=60, registration="open", require_admin_totp=True)
