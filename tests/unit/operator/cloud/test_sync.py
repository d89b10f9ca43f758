"""What is done with differences, and what a person is told of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from tracetrack_operator.api.cloud import DriftPolicy
from tracetrack_operator.dependencies.cloud.fields import Comparison, Field, Origin, compare
from tracetrack_operator.dependencies.cloud.sync import Rules, Sync, decide, key, verdict
from tracetrack_operator.dependencies.cloud.window import Window
from tracetrack_operator.engine.plan import Disruption

OUTSIDE, INSIDE = datetime(2026, 11, 23, 12, tzinfo=UTC), datetime(2026, 11, 29, 2, 30, tzinfo=UTC)
RULES = Rules(
    "demo", 3, DriftPolicy.CORRECT, frozenset(), Window.parse("sun:02:00-sun:03:00"), "sun:02:00-sun:03:00", OUTSIDE
)


def field(name: str, disruption: Disruption) -> Field:
    return Field(name, name.title(), lambda item: item.get(name), disruption, "modify", "it is so.")


TABLE = (
    field("days", Disruption.ONLINE),
    field("size", Disruption.REBOOT),
    field("zone", Disruption.REPLACE),
)
DECLARED = {"days": 7, "size": "large", "zone": "a"}


def compared(item: dict[str, Any], agreed: dict[str, Any] | None = None, **pending: Any) -> Comparison:
    return compare(
        TABLE, DECLARED, item, pending, {"days": 1, "size": "small", "zone": "b"} if agreed is None else agreed
    )


def sorted_out(
    item: dict[str, Any], rules: Rules = RULES, agreed: dict[str, Any] | None = None, **pending: Any
) -> Sync:
    return decide("DB x", compared(item, agreed, **pending).differences, frozenset(), rules, {})


def names(differences: Any) -> list[str]:
    return [each.field.name for each in differences]


def test_online_now_restarts_later_replacements_never() -> None:
    found = sorted_out({"days": 1, "size": "small", "zone": "b"})
    assert (names(found.now), names(found.held), names(found.refused)) == (["days"], ["size"], ["zone"])
    inside = sorted_out({"days": 1, "size": "small", "zone": "b"}, replace(RULES, now=INSIDE))
    assert (names(inside.now), names(inside.held), names(inside.refused)) == (["days", "size"], [], ["zone"])


def test_an_approval_lets_these_changes_go_and_no_later_ones() -> None:
    held = sorted_out({"days": 7, "size": "small", "zone": "a"})
    assert names(held.held) == ["size"]
    approved = replace(RULES, approvals=frozenset({held.tokens}))
    assert names(sorted_out({"days": 7, "size": "small", "zone": "a"}, approved).now) == ["size"]
    later = sorted_out({"days": 7, "size": "small", "zone": "a"}, replace(approved, generation=4))
    assert names(later.held) == ["size"]
    assert later.tokens != held.tokens


def test_an_approval_of_several_holds_while_they_are_made_one_by_one() -> None:
    both = sorted_out({"days": 1, "size": "small", "zone": "a"}, agreed={})
    assert names(both.held) == ["days", "size"]
    approved = replace(RULES, approvals=frozenset(both.tokens.split(",")))
    assert names(sorted_out({"days": 7, "size": "small", "zone": "a"}, approved, agreed={}).now) == ["size"]


@pytest.mark.parametrize(
    ("policy", "now", "reported"),
    [(DriftPolicy.CORRECT, ["days"], []), (DriftPolicy.REPORT, [], ["days"])],
)
def test_what_was_changed_by_hand_goes_by_the_policy(policy: DriftPolicy, now: list[str], reported: list[str]) -> None:
    rules = replace(RULES, policy=policy)
    by_hand = sorted_out({"days": 3, "size": "large", "zone": "a"}, rules, agreed=DECLARED)
    assert (names(by_hand.now), names(by_hand.reported)) == (now, reported)
    declared_anew = sorted_out({"days": 3, "size": "large", "zone": "a"}, rules, agreed={**DECLARED, "days": 3})
    assert names(declared_anew.now) == ["days"], "a change of the spec is made under either policy"


def test_what_was_never_seen_as_declared_waits_for_approval_even_in_the_window() -> None:
    rules = replace(RULES, now=INSIDE)
    found = sorted_out({"days": 3, "size": "large", "zone": "a"}, rules, agreed={})
    assert names(found.held) == ["days"]
    approved = replace(rules, approvals=frozenset({found.tokens}))
    assert names(sorted_out({"days": 3, "size": "large", "zone": "a"}, approved, agreed={}).now) == ["days"]


def test_what_aws_has_queued_by_somebody_else_is_withdrawn() -> None:
    queued = compared({"days": 7, "size": "large", "zone": "a"}, DECLARED, Size="huge").differences
    assert [(d.field.name, d.wanted, d.disruption) for d in queued] == [("size", "large", Disruption.ONLINE)]


def test_what_was_queued_before_an_adoption_stays_until_that_is_approved() -> None:
    item = {"days": 7, "size": "large", "zone": "a"}
    found = compared(item, {}, Size="huge")
    assert [(d.field.name, d.origin) for d in found.differences] == [("size", Origin.UNKNOWN)]
    assert "size" not in found.agreed, "the next look must not take it for a hand's change"
    later = decide("DB x", compared(item, dict(found.agreed), Size="huge").differences, frozenset(), RULES, {})
    assert (names(later.now), names(later.held)) == ([], ["size"])


def test_what_was_asked_a_moment_ago_is_not_asked_again() -> None:
    differences = compared({"days": 1, "size": "large", "zone": "a"}).differences
    found = decide("DB x", differences, frozenset(map(key, differences)), RULES, {})
    assert (names(found.asked), found.now) == (["days"], ())
    assert verdict("DB x", "available", True, found, RULES).reason == "Modifying"


def test_agreed_values_are_remembered_until_others_agree() -> None:
    found = compared({"days": 7, "size": "small", "zone": "a"}, {"days": 1, "size": "small"})
    assert found.agreed == {"days": 7, "size": "small", "zone": "a"}
    assert [d.origin for d in found.differences] == [Origin.SPEC]
    assert not compare(TABLE, {**DECLARED, "size": None}, {"days": 7, "size": "x", "zone": "a"}, {}, {}).differences


@pytest.mark.parametrize(
    ("item", "agreed", "policy", "reason", "words"),
    [
        (DECLARED, DECLARED, DriftPolicy.CORRECT, "Ready", "DB x is as declared."),
        (
            {**DECLARED, "size": "small"},
            {"size": "small"},
            DriftPolicy.CORRECT,
            "AwaitingApproval",
            "size small → large (reboot) waits for the maintenance window sun:02:00-sun:03:00 UTC (next "
            "2026-11-29T02:00Z). To have it done now: kubectl annotate --overwrite ttd demo tracetrack.io/approve=",
        ),
        (
            {**DECLARED, "zone": "b"},
            {"zone": "b"},
            DriftPolicy.CORRECT,
            "ReplaceRequired",
            "zone can't be changed from b to a in place: it is so.",
        ),
        ({**DECLARED, "days": 1}, DECLARED, DriftPolicy.REPORT, "Drifted", "days 1 → 7 (online)"),
        ({**DECLARED, "days": 1}, {"days": 1}, DriftPolicy.CORRECT, "Modifying", "DB x is being changed: days 1 → 7"),
        ({**DECLARED, "days": 1}, {}, DriftPolicy.CORRECT, "AwaitingApproval", "never seen as declared"),
    ],
)
def test_what_is_told(
    item: dict[str, Any], agreed: dict[str, Any], policy: DriftPolicy, reason: str, words: str
) -> None:
    rules = replace(RULES, policy=policy)
    told = verdict("DB x", "available", True, sorted_out(item, rules, agreed), rules)
    assert told.reason == reason
    assert words in told.message


def test_without_a_window_only_an_approval_helps() -> None:
    rules = replace(RULES, window=None, window_text="")
    found = sorted_out({**DECLARED, "size": "small"}, rules, {"size": "small"})
    assert "waits for approval." in verdict("DB x", "available", True, found, rules).message
