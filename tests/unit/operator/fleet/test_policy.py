"""What a scanner may do at the broker, read as AWS reads it."""

from __future__ import annotations

import fnmatch
import json
from dataclasses import replace

import pytest

from tests.unit.operator.fleet.samples import SETUP, target
from tracetrack_operator.fleet import policy

THING = "kind_north_lucknow-0001"
OTHER = "kind_north_lucknow-0002"
SCANS = "tracetrack/kind/north/demo/{}/scans"


def _allows(action: str, resource: str, thing: str = THING) -> bool:
    for statement in policy.document(target().names, SETUP.arn_head)["Statement"]:
        resources = statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]]
        patterns = [pattern.replace("${iot:Connection.Thing.ThingName}", thing) for pattern in resources]
        if statement["Action"] == action and any(
            fnmatch.fnmatchcase(f"{SETUP.arn_head}:{resource}", pattern) for pattern in patterns
        ):
            return True
    return False


@pytest.mark.parametrize(
    ("action", "resource", "allowed"),
    [
        ("iot:Connect", f"client/{THING}", True),
        ("iot:Connect", f"client/{OTHER}", False),
        ("iot:Publish", f"topic/{SCANS.format(THING)}", True),
        ("iot:Publish", f"topic/{SCANS.format(OTHER)}", False),
        ("iot:Publish", "topic/tracetrack/kind/south/demo/kind_north_lucknow-0001/scans", False),
        ("iot:Publish", f"topic/tracetrack/kind/north/demo/{THING}/commands", False),
        ("iot:Publish", f"topic/$aws/things/{THING}/shadow/update", True),
        ("iot:Publish", f"topic/$aws/things/{OTHER}/shadow/update", False),
        ("iot:Publish", f"topic/$aws/things/{THING}/shadow/delete", False),
        ("iot:Subscribe", f"topicfilter/tracetrack/kind/north/demo/{THING}/commands", True),
        ("iot:Subscribe", "topicfilter/tracetrack/#", False),
        ("iot:Subscribe", f"topicfilter/tracetrack/kind/north/demo/{OTHER}/commands", False),
        ("iot:Receive", f"topic/tracetrack/kind/north/demo/{THING}/commands", True),
        ("iot:Receive", f"topic/$aws/things/{THING}/shadow/update/delta", True),
        ("iot:Receive", f"topic/$aws/things/{OTHER}/shadow/update/delta", False),
        ("iot:Receive", f"topic/{SCANS.format(OTHER)}", False),
    ],
)
def test_a_scanner_may_be_itself_and_nothing_else(action: str, resource: str, allowed: bool) -> None:
    assert _allows(action, resource) is allowed


def test_connecting_needs_a_certificate_attached_to_the_thing() -> None:
    connect = policy.document(target().names, SETUP.arn_head)["Statement"][0]
    assert connect["Condition"] == {"Bool": {"iot:Connection.Thing.IsAttached": "true"}}


def test_the_only_wildcard_is_under_the_scanners_own_shadow() -> None:
    text = policy.text(target().names, SETUP.arn_head)
    assert text.count("*") == text.count("$aws/things/${iot:Connection.Thing.ThingName}/shadow/*") == 2


def test_the_longest_names_fit_in_what_aws_allows() -> None:
    names = replace(target().names, cluster="c" * 63, namespace="n" * 63, deployment="d" * 40)
    text = policy.text(names, "arn:aws-us-gov:iot:ap-southeast-1:123456789012")
    assert len("".join(text.split())) <= 2048
    assert json.loads(text)["Version"] == "2012-10-17"
