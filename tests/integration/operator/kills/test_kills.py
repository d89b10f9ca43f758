"""The operator killed at every call it makes to AWS, and started again: nothing twice, nothing left, the same end."""

from __future__ import annotations

import pytest
from botocore import xform_name

from tests.integration.operator.kills.conftest import Judge, by_flow
from tests.integration.operator.kills.flows import ALONE, DELETIONS, FLEET_DELETIONS, FLEETS, MAKING
from tests.integration.operator.kills.flows_of_databases import DATABASE_FLOWS
from tests.integration.operator.kills.killing import Flow, Killing, all_points
from tests.integration.operator.kills.more_flows import MORE_FLOWS
from tests.integration.operator.kills.rare_flows import RARE_FLOWS
from tracetrack_operator.aws.calls import CALLS

FLOWS = (*ALONE, *MAKING, *FLEETS, *DELETIONS, *FLEET_DELETIONS, *MORE_FLOWS, *DATABASE_FLOWS, *RARE_FLOWS)
_AFTER_A_KILL = "asked only where a kill or a person left something, as in test_fleet_kills"
KILLED_ELSEWHERE: dict[tuple[str, str], str] = {
    ("iot", "list_certificates"): _AFTER_A_KILL,
    ("iot", "describe_certificate"): _AFTER_A_KILL,
    ("iot", "list_thing_principals"): _AFTER_A_KILL,
}
"""Calls that no flow makes undisturbed, and why."""


@pytest.mark.kill
@pytest.mark.timeout(3600)
@by_flow(FLOWS)
def test_killed_at_each_moment_of_each_call(flow: Flow, judge: Judge) -> None:
    judge(flow, all_points)


@pytest.mark.kill
@pytest.mark.timeout(3600)
def test_every_call_that_the_operator_may_make_is_one_of_a_flow(killing: Killing) -> None:
    """After the others: only flows that they haven't run are run here."""
    for flow in FLOWS:
        if flow.name not in killing.seen:
            killing.undisturbed(flow)
    called = {(service, xform_name(operation)) for calls in killing.seen.values() for service, operation in calls}
    assert sorted(CALLS.keys() - called - KILLED_ELSEWHERE.keys()) == []
    assert sorted(called & KILLED_ELSEWHERE.keys()) == [], "a flow makes it now: take it out of KILLED_ELSEWHERE"
    assert sorted(KILLED_ELSEWHERE.keys() - CALLS.keys()) == []
