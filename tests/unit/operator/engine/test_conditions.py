from __future__ import annotations

from typing import Any

import pytest

from tracetrack_operator.engine import conditions as module
from tracetrack_operator.engine.conditions import MAX_MESSAGE, Conditions, Transition

BEFORE = "2020-01-01T00:00:00Z"


def condition(type_: str, status: str, reason: str = "R", message: str = "m", generation: int = 1) -> dict[str, Any]:
    return {
        "type": type_,
        "status": status,
        "reason": reason,
        "message": message,
        "observedGeneration": generation,
        "lastTransitionTime": BEFORE,
    }


def test_an_unchanged_condition_is_equal_to_itself() -> None:
    previous = [condition("Ready", "True", "Ready", ""), condition("DatabaseReady", "True", "Up", "")]
    now = Conditions(previous, 1)
    now.true("DatabaseReady", "Up")
    now.roll_up(["DatabaseReady"])
    assert now.to_list() == previous
    assert now.transitions() == []


def test_last_transition_time_moves_with_the_status_only() -> None:
    now = Conditions([condition("A", "False", "Waiting"), condition("B", "False", "Waiting")], 7)
    now.false("A", "Broken", "another reason")
    now.true("B", "Fine")
    a, b = now.to_list()
    assert a["lastTransitionTime"] == BEFORE
    assert b["lastTransitionTime"] > BEFORE
    assert {a["observedGeneration"], b["observedGeneration"]} == {7}


def test_a_transition_is_a_changed_status_or_reason_but_not_a_changed_message() -> None:
    now = Conditions([condition("A", "False", "Waiting"), condition("B", "False", "Waiting")], 1)
    now.false("A", "Waiting", "for 3 of 5")
    now.false("B", "Broken", "look at it")
    now.unknown("C", "NotYetKnown", "new")
    assert now.transitions() == [
        Transition("B", "False", "Broken", "look at it"),
        Transition("C", "Unknown", "NotYetKnown", "new"),
    ]


@pytest.mark.parametrize(
    ("statuses", "status", "reason"),
    [
        (("True", "True"), "True", "Ready"),
        (("True", "False"), "False", "CacheReason"),
        (("False", "False"), "False", "DatabaseReason"),
        (("Unknown", "False"), "Unknown", "DatabaseReason"),
    ],
)
def test_ready_is_the_first_part_that_is_not(statuses: tuple[str, str], status: str, reason: str) -> None:
    now = Conditions([], 1)
    setters = {"True": now.true, "False": now.false, "Unknown": now.unknown}
    setters[statuses[0]]("DatabaseReady", "DatabaseReason", "database message")
    setters[statuses[1]]("CacheReady", "CacheReason", "cache message")
    now.roll_up(["DatabaseReady", "CacheReady"])
    ready = now.to_list()[0]
    assert (ready["type"], ready["status"], ready["reason"]) == ("Ready", status, reason)
    assert now.is_true("Ready") is (status == "True")


def test_a_part_nobody_has_set_makes_ready_unknown_and_is_named() -> None:
    now = Conditions([condition("DatabaseReady", "True")], 1)
    now.roll_up(["DatabaseReady"])
    assert "DatabaseReady" not in now, "what it was before is not what it is now"
    assert now.to_list()[0]["status"] == "Unknown"
    assert "DatabaseReady" in now.to_list()[0]["message"]


def test_a_long_message_is_cut_to_what_the_api_server_takes() -> None:
    now = Conditions([], 1)
    now.false("A", "Broken", "x" * (MAX_MESSAGE + 1))
    assert len(now.to_list()[0]["message"]) == MAX_MESSAGE == module.MAX_MESSAGE
    assert MAX_MESSAGE < 32768
