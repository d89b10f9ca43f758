from __future__ import annotations

from typing import Any

import pytest

from tracetrack_operator.engine import conditions as module
from tracetrack_operator.engine.conditions import MAX_MESSAGE, Conditions, Transition
from tracetrack_operator.engine.guide import Guide

GUIDE = Guide("page", frozenset({"Progressing"}))
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


def test_what_is_not_true_tells_where_its_reason_is_explained() -> None:
    now = Conditions([], 1)
    now.true("A", "Fine", "All is well.")
    now.false("B", "Broken", "Mend it.")
    now.unknown("C", "Denied", "Allow it")
    now.false("D", "Progressing", "1 of 2.")
    now.roll_up("ABCD")
    assert {c["type"]: c["message"] for c in now.to_list(GUIDE)} == {
        "Ready": "Mend it. See page#broken.",
        "A": "All is well.",
        "B": "Mend it. See page#broken.",
        "C": "Allow it. See page#denied.",
        "D": "1 of 2. See page#progressing.",
    }
    assert {t.message for t in now.transitions() if t.type == "B"} == {"Mend it."}


def test_the_address_outlives_the_cut() -> None:
    now = Conditions([], 1)
    now.false("A", "Broken", "x" * 2 * MAX_MESSAGE)
    message = now.to_list(GUIDE)[0]["message"]
    assert len(message) == MAX_MESSAGE
    assert message.endswith("x… See page#broken.")


def test_a_condition_kept_from_earlier_is_left_as_it_was() -> None:
    earlier = [condition("A", "False", "Broken", "Mend it. See page#broken."), condition("B", "False", message="Old.")]
    now = Conditions(earlier, 2)
    for each in earlier:
        now.keep(each)
    assert now.to_list(GUIDE) == now.to_list(Guide("elsewhere")) == earlier
    now.roll_up(["A"])
    assert now.to_list(GUIDE)[0]["message"] == "Mend it. See page#broken."
    now.false("B", "Broken", "New.")
    assert now.to_list(GUIDE)[2]["message"] == "New. See page#broken."
