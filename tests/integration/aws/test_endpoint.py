"""What the endpoint does whatever the service: validation, unsupported calls, faults, quotas, the record."""

from __future__ import annotations

import time
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, ConnectionError, HTTPClientError

from tests.aws.emulator import Emulator, EmulatorError
from tests.aws.fixtures import refuse_unsupported
from tests.integration.aws.support import refused

ONCE = Config(retries={"mode": "standard", "total_max_attempts": 1})


def test_the_environment_is_all_that_boto3_needs(aws: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in aws.environ().items():
        monkeypatch.setenv(name, value)
    session = boto3.session.Session()
    assert session.client("sts").get_caller_identity()["Account"] == "123456789012"
    thing = session.client("iot").create_thing(thingName="t")["thingArn"]
    assert thing == "arn:aws:iot:eu-central-1:123456789012:thing/t"


@pytest.mark.parametrize(
    ("service", "call", "code", "parameters", "word"),
    [
        ("iot", "create_thing", "InvalidRequestException", {"thingName": "a b"}, "thingName"),
        ("iot", "create_thing", "InvalidRequestException", {"thingName": "x" * 129}, "128"),
        (
            "iot",
            "create_thing",
            "InvalidRequestException",
            {"thingName": "t", "attributePayload": {"attributes": {"a": "ä"}}},
            "attributePayload.attributes.a.value",
        ),
        ("iot", "list_things", "InvalidRequestException", {"maxResults": 251}, "250"),
        (
            "iot",
            "update_certificate",
            "InvalidRequestException",
            {"certificateId": "a" * 64, "newStatus": "GONE"},
            "enum",
        ),
        ("secretsmanager", "create_secret", "ValidationException", {"Name": "n" * 513}, "512"),
        (
            "sts",
            "assume_role",
            "ValidationError",
            {"RoleArn": "arn:aws:iam::1:role/a b", "RoleSessionName": "a b"},
            "roleSessionName",
        ),
    ],
)
def test_the_service_checks_what_boto3_does_not(
    aws: Emulator, service: str, call: str, code: str, parameters: dict[str, Any], word: str
) -> None:
    assert word in refused(code, getattr(aws.client(service), call), **parameters)


def test_no_secret_is_in_a_refusal_or_in_the_record(aws: Emulator) -> None:
    secrets = aws.client("secretsmanager")
    secrets.create_secret(Name="a", SecretString="hunter2-hunter2")
    assert "hunter2" not in refused(
        "ValidationException", secrets.create_secret, Name="b", SecretString="hunter2" * 9999
    )
    assert "hunter2" not in str(aws.calls())


def test_an_unsupported_call_fails_by_name_and_once(aws_emulator: Emulator) -> None:
    aws_emulator.reset()
    message = refused("UnsupportedByEmulator", aws_emulator.client("iot").list_fleet_metrics)
    assert "iot:ListFleetMetrics" in message
    refused(
        "UnsupportedByEmulator",
        aws_emulator.client("rds").create_db_cluster,
        DBClusterIdentifier="c",
        Engine="aurora-postgresql",
    )
    refused(
        "UnsupportedByEmulator", aws_emulator.client("ec2").describe_capacity_block_offerings, CapacityDurationHours=1
    )
    assert [call["operation"] for call in aws_emulator.unsupported()] == [
        "ListFleetMetrics",
        "CreateDBCluster",
        "DescribeCapacityBlockOfferings",
    ]
    with pytest.raises(pytest.fail.Exception, match="iot:ListFleetMetrics"):
        refuse_unsupported(aws_emulator)
    aws_emulator.reset()
    refuse_unsupported(aws_emulator)


@pytest.mark.parametrize(
    ("service", "operation", "call", "code"),
    [
        ("iot", "ListThings", "list_things", "ThrottlingException"),
        ("rds", "DescribeDBInstances", "describe_db_instances", "Throttling"),
        ("secretsmanager", "ListSecrets", "list_secrets", "ThrottlingException"),
    ],
)
def test_throttling_is_survived_by_retries_and_seen_without(
    aws: Emulator, service: str, operation: str, call: str, code: str
) -> None:
    aws.faults.add(service, operation, kind="throttle", times=2)
    answer = getattr(aws.client(service), call)()
    assert answer["ResponseMetadata"]["RetryAttempts"] == 2
    aws.faults.add(service, operation, kind="throttle")
    refused(code, getattr(aws.client(service, config=ONCE), call))
    assert [entry["fault"] for entry in aws.calls(service)] == ["throttle", "throttle", None, "throttle"]
    assert [rule["fired"] for rule in aws.faults.rules()] == [2, 1]


def test_a_server_error_executes_nothing(aws: Emulator) -> None:
    aws.faults.add("iot", "CreateThing", kind="error", match={"thingName": "two"})
    iot = aws.client("iot", config=ONCE)
    iot.create_thing(thingName="one")
    with pytest.raises(ClientError) as error:
        iot.create_thing(thingName="two")
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500
    assert [thing["thingName"] for thing in iot.list_things()["things"]] == ["one"]


def test_a_lost_answer_leaves_the_work_done(aws: Emulator) -> None:
    aws.faults.add("secretsmanager", "CreateSecret", kind="lost")
    once = aws.client("secretsmanager", config=ONCE)
    with pytest.raises((ConnectionClosedError, ConnectionError, HTTPClientError)):
        once.create_secret(Name="a", SecretString="x")
    assert once.get_secret_value(SecretId="a")["SecretString"] == "x"
    assert aws.calls("secretsmanager", "CreateSecret")[0]["status"] == 200


def test_latency_delays_and_a_probability_spares_some(aws: Emulator) -> None:
    aws.faults.add("sts", "*", kind="latency", seconds=0.4)
    began = time.monotonic()
    aws.client("sts").get_caller_identity()
    assert time.monotonic() - began >= 0.4
    aws.faults.add("iot", "ListThings", kind="throttle", times=None, probability=0.5)
    iot = aws.client("iot", config=ONCE)
    outcomes = set()
    for _ in range(40):
        try:
            iot.list_things()
            outcomes.add("answered")
        except ClientError:
            outcomes.add("throttled")
    assert outcomes == {"answered", "throttled"}


def test_a_fault_that_makes_no_sense_is_refused(aws: Emulator) -> None:
    with pytest.raises(EmulatorError, match=r"fault\.kind"):
        aws.faults.add("iot", "ListThings", kind="explode")  # type: ignore[arg-type]
    with pytest.raises(EmulatorError, match=r"fault\.seconds"):
        aws.faults.add("iot", "ListThings", kind="latency")


def test_quotas_throttle_who_is_too_fast_only(aws: Emulator) -> None:
    iot = aws.client("iot", config=ONCE)
    for _ in range(15):
        iot.list_things()
    aws.quotas(True)
    refused("ThrottlingException", lambda: [iot.list_things() for _ in range(40)])
    throttled = [call for call in aws.calls("iot", "ListThings") if call["error"] == "ThrottlingException"]
    assert len(throttled) == 1
    aws.quotas(True, {"iot:ListThings": 1000})
    for _ in range(40):
        iot.list_things()


def test_a_reset_empties_the_account(aws: Emulator) -> None:
    aws.client("iot").create_thing(thingName="t")
    aws.client("secretsmanager").create_secret(Name="s", SecretString="x")
    aws.faults.add("iot", "*", kind="throttle", times=None)
    aws.reset()
    assert aws.client("iot").list_things()["things"] == []
    assert aws.client("secretsmanager").list_secrets()["SecretList"] == []
    assert [call["operation"] for call in aws.calls()] == ["ListThings", "ListSecrets"]
