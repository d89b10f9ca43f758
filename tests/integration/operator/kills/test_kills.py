"""The operator killed at every call it makes to AWS, and started again: nothing twice, nothing left, the same end."""

from __future__ import annotations

import pytest

from tests.integration.operator.kills.conftest import Judge, by_flow
from tests.integration.operator.kills.flows import DELETIONS, MAKING
from tests.integration.operator.kills.flows_of_databases import DATABASE_FLOWS
from tests.integration.operator.kills.killing import Flow, all_points, sampled
from tests.integration.operator.kills.more_flows import MORE_FLOWS


@by_flow(MAKING)
def test_killed_at_each_call(flow: Flow, judge: Judge) -> None:
    """A sample of the moments, see `sampled`; every call is in it."""
    judge(flow, sampled)


@pytest.mark.kill
@pytest.mark.timeout(3600)
@by_flow([*MAKING, *DELETIONS, *MORE_FLOWS, *DATABASE_FLOWS])
def test_killed_at_each_moment_of_each_call(flow: Flow, judge: Judge) -> None:
    judge(flow, all_points)
