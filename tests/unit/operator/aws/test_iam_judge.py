"""The evaluator that the integration run holds the operator's calls to its policy with: it must be able to refuse."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.operator.iam import allows, judge
from tracetrack_operator.aws.policy import policy

OURS, THEIRS = ({"tracetrack.io/cluster": cluster} for cluster in ("prod", "other"))
DB = "arn:aws:rds:eu-central-1:123456789012:db:shop"


def taken(action: str, resource: str = DB, **tags: dict[str, str]) -> dict[str, Any]:
    service, _, operation = action.partition(":")
    return {"call": [service, operation], "action": action, "resource": resource, **tags}


@pytest.mark.parametrize(
    ("wanted", "allowed"),
    [
        (taken("rds:DescribeDBInstances"), True),
        (taken("rds:DescribeDBInstances", "*"), True),
        (taken("rds:DescribeDBInstances", DB.replace("123456789012", "1")), False),
        (taken("rds:DeleteDBInstance", carried=OURS), True),
        (taken("rds:DeleteDBInstance", carried=THEIRS), False),
        (taken("rds:DeleteDBInstance"), False),
        (taken("rds:CreateDBInstance", given=OURS), True),
        (taken("rds:CreateDBInstance"), False),
        (taken("rds:AddTagsToResource", given=OURS), True),
        (taken("rds:AddTagsToResource", given=OURS, carried=OURS), True),
        (taken("rds:AddTagsToResource", given=OURS, carried=THEIRS), False),
        (taken("rds:AddTagsToResource", given=THEIRS), False),
        (taken("rds:RebootDBCluster", carried=OURS), False),
        (taken("iot:DeleteThing", "arn:aws:iot:eu-central-1:123456789012:thing/prod_shop_x"), True),
        (taken("iot:DeleteThing", "arn:aws:iot:eu-central-1:123456789012:thing/other_shop_x"), False),
        (taken("kms:Decrypt", "arn:aws:kms:eu-central-1:123456789012:key/1"), False),
    ],
)
def test_action_resource_and_tags_decide(wanted: dict[str, Any], allowed: bool) -> None:
    assert allows(policy("eu-central-1", "123456789012", "prod"), wanted) is allowed


def test_what_is_unlisted_or_denied_is_named() -> None:
    judge([taken("rds:DescribeDBInstances")], "prod")
    with pytest.raises(AssertionError, match=r"rds\.CopyDBSnapshot"):
        judge([taken("rds:CopyDBSnapshot")], "prod")
    with pytest.raises(AssertionError, match="rds:DeleteDBInstance"):
        judge([taken("rds:DeleteDBInstance", carried=THEIRS)], "prod")
