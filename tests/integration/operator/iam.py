"""The IAM policy that is generated for the operator, held against the calls that it made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from botocore import xform_name

from tests.aws.settings import ACCOUNT
from tracetrack_operator.aws.calls import CALLS
from tracetrack_operator.aws.policy import policy

Taken = Mapping[str, Any]


def judge(taken: Iterable[Taken], cluster: str) -> None:
    """Fail if a call isn't in the table, or took what the policy doesn't allow."""
    # A deployment may name a region of its own: as in the chart's file, any will do.
    document = policy("*", ACCOUNT, cluster)
    unlisted, denied = set(), []
    for each in taken:
        service, operation = each["call"]
        if (service, xform_name(operation)) not in CALLS:
            unlisted.add(f"{service}.{operation}")
        elif not allows(document, each):
            denied.append(each)
    assert not unlisted, f"add to aws/calls.py: {sorted(unlisted)}"
    assert not denied, f"the policy of aws/policy.py does not allow {len(denied)} of them, such as {denied[:5]}"


def allows(document: Mapping[str, Any], taken: Taken) -> bool:
    """Whether a statement allows the action on the resource. Knows of IAM what our policy has, which denies nothing."""
    return any(
        taken["action"] in statement["Action"]
        and (taken["resource"] == "*" or any(fnmatchcase(taken["resource"], each) for each in statement["Resource"]))
        and all(_holds(test, asked, taken) for test, asked in statement.get("Condition", {}).items())
        for statement in document["Statement"]
    )


def _holds(test: str, asked: Mapping[str, str], taken: Taken) -> bool:
    """Of what AWS calls on our behalf (aws:CalledVia) nothing is known here: that allows none of our own calls."""
    present = {
        **{f"aws:RequestTag/{key}": value for key, value in taken.get("given", {}).items()},
        **{f"aws:ResourceTag/{key}": value for key, value in taken.get("carried", {}).items()},
    }
    if test.startswith("ForAnyValue:"):
        return False
    missing = {"StringLike": False, "StringLikeIfExists": True}[test]
    return all(fnmatchcase(present[key], wanted) if key in present else missing for key, wanted in asked.items())
