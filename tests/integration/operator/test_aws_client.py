from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.aws.emulator import Emulator
from tracetrack_operator.aws.client import AWS_CALLS, AWS_THROTTLES, AwsClient
from tracetrack_operator.aws.errors import AwsThrottled


@pytest.fixture
def client(aws: Emulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[AwsClient]:
    for name, value in aws.environ().items():
        monkeypatch.setenv(name, value)
    made = AwsClient()
    yield made
    made.close()


@pytest.mark.parametrize(
    ("service", "operation", "called", "parameters"),
    [
        ("rds", "describe_db_instances", "DescribeDBInstances", {}),
        ("iot", "describe_thing_type", "DescribeThingType", {"thingTypeName": "any"}),
    ],
)
async def test_every_throttled_attempt_is_counted_whether_or_not_the_call_succeeds_at_last(
    aws: Emulator, client: AwsClient, service: str, operation: str, called: str, parameters: dict[str, str]
) -> None:
    throttles = AWS_THROTTLES.labels(service, operation)
    refused = AWS_CALLS.labels(service, operation, "Throttled")
    before, refused_before = throttles._value.get(), refused._value.get()
    aws.faults.add(service, called, kind="throttle", times=2)
    if service == "iot":
        aws.client("iot").create_thing_type(**parameters)
    await client.call(service, operation, **parameters)
    assert (throttles._value.get() - before, refused._value.get() - refused_before) == (2, 0)
    aws.faults.add(service, called, kind="throttle", times=None)
    with pytest.raises(AwsThrottled):
        await client.call(service, operation, **parameters)
    assert (throttles._value.get() - before, refused._value.get() - refused_before) == (5, 1)
    assert sum(call["fault"] == "throttle" for call in aws.calls(service, called)) == 5
