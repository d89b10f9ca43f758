"""Fleets when answers get lost, calls are throttled, and others own the names."""

from __future__ import annotations

import pytest

from tests.integration.operator.conftest import eventually
from tests.integration.operator.fleets import Fleets


@pytest.mark.parametrize(
    "operation",
    [
        *("CreateCertificateFromCsr", "CreateThing", "AddThingToThingGroup", "AttachPolicy", "AttachThingPrincipal"),
        *("CreateThingGroup", "CreatePolicy", "CreateThingType"),
    ],
)
def test_a_lost_answer_makes_nothing_twice(fleets: Fleets, operation: str) -> None:
    fleets.aws.faults.add("iot", operation, kind="lost", times=2)
    fleets.create(replicas=4)
    fleets.wait_ready(4, timeout=60)
    fleets.assert_provisioned(4)
    assert fleets.groups() == fleets.policies() == {fleets.group()}
    assert fleets.aws.faults.rules()[0]["fired"] >= 1


def test_a_lost_answer_of_the_signing_secret(fleets: Fleets) -> None:
    fleets.aws.faults.add("secretsmanager", "CreateSecret", kind="lost")
    fleets.create(replicas=1)
    fleets.wait_ready(1)
    fleets.assert_provisioned(1)


def test_failures_of_aws_while_issuing_make_no_second_certificate(fleets: Fleets) -> None:
    fleets.aws.faults.add("iot", "CreateCertificateFromCsr", kind="error", times=3)
    fleets.create(replicas=3)
    fleets.wait_ready(3, timeout=60)
    fleets.assert_provisioned(3)


def test_throttled_calls_recover(fleets: Fleets) -> None:
    for operation in ("CreateCertificateFromCsr", "CreateThing", "AttachPolicy"):
        fleets.aws.faults.add("iot", operation, kind="throttle", times=5)
    fleets.create(replicas=3)
    fleets.wait_ready(3, timeout=60)
    fleets.assert_provisioned(3)


@pytest.mark.parametrize(
    ("code", "reason", "remedy"),
    [
        ("AccessDeniedException", "AwsAccessDenied", "IAM policy of the operator's role"),
        ("UnrecognizedClientException", "AwsCredentials", "credentials"),
        ("ThrottlingException", "AwsThrottled", "quota"),
    ],
)
def test_what_aws_refuses_is_told_with_a_remedy_and_mends_itself(
    fleets: Fleets, code: str, reason: str, remedy: str
) -> None:
    fleets.aws.faults.add("iot", "*", kind="error", code=code, status=400, times=None)
    fleets.create(replicas=1)
    assert remedy in fleets.wait_for("False", reason)
    events = fleets.kubectl("get", "events", "--field-selector", f"reason={reason}")
    assert "lucknow" in events
    fleets.aws.faults.clear()
    fleets.wait_ready(1, timeout=60)
    fleets.assert_provisioned(1)


def test_a_foreign_thing_is_told_of_and_keeps_nobody_else_back(fleets: Fleets) -> None:
    taken = f"{fleets.group()}-0002"
    fleets.iot.create_thing(thingName=taken, attributePayload={"attributes": {"tracetrack-uid": "someone"}})
    fleets.create(replicas=3)
    eventually(lambda: "2 of 3 scanners provisioned" in fleets.wait_for("False", "OwnershipConflict"))
    message = fleets.wait_for("False", "OwnershipConflict")
    assert taken in message
    assert "uid someone" in message
    assert fleets.iot.describe_thing(thingName=taken)["attributes"] == {"tracetrack-uid": "someone"}
    assert len(fleets.certificates()) == 2
    blocked = fleets.scanners()[1]
    assert blocked.state == "KeySaved"
    fleets.iot.delete_thing(thingName=taken)
    fleets.wait_ready(3, timeout=60)
    fleets.assert_provisioned(3)


@pytest.mark.parametrize("what", ["group", "policy", "signing secret"])
def test_a_foreign_name_is_a_conflict_and_is_left_alone(fleets: Fleets, what: str) -> None:
    tags = [{"Key": "tracetrack.io/uid", "Value": "someone"}, {"Key": "tracetrack.io/name", "Value": "other"}]
    if what == "group":
        fleets.iot.create_thing_group(thingGroupName=fleets.group(), tags=tags)
    elif what == "policy":
        fleets.iot.create_policy(policyName=fleets.group(), policyDocument="{}", tags=tags)
    else:
        name = f"tracetrack/test/{fleets.namespace}/lucknow/signing"
        fleets.secrets.create_secret(Name=name, SecretString="theirs", Tags=tags)
    fleets.create(replicas=1)
    message = fleets.wait_for("False", "OwnershipConflict")
    assert "uid someone" in message
    assert fleets.certificates() == {}
    fleets.kubectl("delete", "scannerfleet", "lucknow", "--timeout=30s")
    if what == "group":
        assert fleets.groups() == {fleets.group()}
    elif what == "policy":
        assert fleets.iot.get_policy(policyName=fleets.group())["policyDocument"] == "{}"
    else:
        assert fleets.secrets.get_secret_value(SecretId=name)["SecretString"] == "theirs"


def test_a_secret_of_someone_else_is_not_overwritten(fleets: Fleets) -> None:
    fleets.kubectl("create", "secret", "generic", "lucknow-0", "--from-literal=theirs=1")
    fleets.create(replicas=1)
    assert "Secret" in fleets.wait_for("False", "OwnershipConflict")
    assert fleets.secret("lucknow-0") == {"theirs": "1"}
    fleets.kubectl("delete", "secret", "lucknow-0")
    fleets.wait_ready(1, timeout=60)
