"""As `test_kills`, for the flows that end with a deletion: in a file of their own, for a file is one worker's."""

from __future__ import annotations

from tests.integration.operator.kills.conftest import Judge, by_flow
from tests.integration.operator.kills.flows import DELETIONS
from tests.integration.operator.kills.killing import Flow, Sample


@by_flow(DELETIONS)
def test_killed_at_each_call(flow: Flow, judge: Judge, sample: Sample) -> None:
    judge(flow, sample)
