"""What the comparison of a plan with what was then done takes for the same."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.operator.terminal import REDACTED, executed, planned
from tracetrack_operator.cli.report import UNKNOWN_UID

TAGS = [{"Key": "tracetrack.io/uid", "Value": UNKNOWN_UID}, {"Key": "tracetrack.io/name", "Value": "demo"}]
GIVEN = {
    "DBInstanceIdentifier": "d",
    "MasterUserPassword": REDACTED,
    "VpcSecurityGroupIds": ["sg-1", "sg-2"],
    "EnableCloudwatchLogsExports": [],
    "Tags": TAGS,
}
SENT = {
    "DBInstanceIdentifier": "d",
    "VpcSecurityGroupIds": ["sg-1", "sg-2"],
    "Tags": [TAGS[1], {"Key": "tracetrack.io/uid", "Value": "u"}],
}


def plan(parameters: dict[str, Any]) -> Any:
    return planned({"aws": [{"operation": "create_db_instance", "parameters": parameters}]}, "u")


def done(parameters: dict[str, Any]) -> Any:
    return executed([{"operation": "CreateDBInstance", "params": parameters}])


def test_a_call_is_what_was_planned_with_its_lists_and_tags() -> None:
    assert plan(GIVEN) == done(SENT)


@pytest.mark.parametrize(
    "other",
    [
        {"VpcSecurityGroupIds": ["sg-1"]},
        {"VpcSecurityGroupIds": ["sg-2", "sg-1"]},
        {"Tags": TAGS[1:]},
        {"Tags": [*SENT["Tags"][:1], {"Key": "tracetrack.io/uid", "Value": "another"}]},
        {"EnableCloudwatchLogsExports": ["postgresql"]},
    ],
)
def test_another_list_or_tag_is_another_call(other: dict[str, Any]) -> None:
    assert plan(GIVEN) != done({**SENT, **other})
