"""Killed at each call once while a fleet goes.

Files of their own go beside each other, since a file is one worker's.
"""

from __future__ import annotations

from tests.integration.operator.kills.conftest import Judge, by_flow
from tests.integration.operator.kills.flows import FLEET_DELETIONS
from tests.integration.operator.kills.killing import Flow, Sample


@by_flow(FLEET_DELETIONS)
def test_killed_at_each_call(flow: Flow, judge: Judge, sample: Sample) -> None:
    judge(flow, sample)
