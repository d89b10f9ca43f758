"""What a call to AWS tells those who read next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tracetrack_operator.aws.errors import AwsAlreadyExists, AwsError, AwsThrottled
from tracetrack_operator.aws.inventory import Inventory
from tracetrack_operator.dependencies.cloud.actions import Create
from tracetrack_operator.dependencies.cloud.asked import Asked
from tracetrack_operator.dependencies.cloud.calls import CloudCalls
from tracetrack_operator.dependencies.cloud.durations import Changes

CREATE = Create(
    "DB instance shop",
    "rds",
    "create_db_instance",
    "eu",
    {"DBInstanceIdentifier": "shop", "Tags": [{"Key": "tracetrack.io/uid", "Value": "uid-1"}]},
    name="shop",
    uid="uid-1",
)


class Answering:
    """AWS that answers a creation with `answer`, and lists nothing."""

    def __init__(self, answer: Mapping[str, Any] | Exception) -> None:
        self.answer = answer
        self.read = 0

    async def call(self, *_: str, **__: Any) -> Any:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def pages(self, *_: str, **__: Any) -> Any:
        self.read += 1
        for item in ():
            yield item


async def after(answer: Mapping[str, Any] | Exception) -> tuple[Mapping[str, Any], int]:
    """What is known of the instances after the call, and how often they were read for it."""
    aws = Answering(answer)
    port: Any = aws
    inventory = Inventory(port)
    await inventory.db_instances("eu", 60, "shop")
    unused: Any = None
    calls = CloudCalls(port, inventory, Asked(), Changes(), unused, unused, unused, 1.0, "DBInstance")
    try:
        await calls.create(CREATE)
    except AwsError as error:
        if not isinstance(answer, Exception) or error is not answer:
            raise
    return await inventory.db_instances("eu", 60, "shop"), aws.read


async def test_the_answer_is_the_first_description() -> None:
    found, reads = await after({"DBInstance": {"DBInstanceIdentifier": "shop", "DBInstanceStatus": "creating"}})
    assert reads == 1
    assert found["shop"]["DBInstanceStatus"] == "creating"
    assert found["shop"]["TagList"] == CREATE.parameters["Tags"], "it is known whose it is"


@pytest.mark.parametrize(
    ("failure", "reads"),
    [
        (AwsThrottled("Throttling", "AwsThrottled", "too fast"), 1),
        (AwsAlreadyExists("DBInstanceAlreadyExists", "AwsAlreadyExists", "there is one"), 2),
        (AwsError("InternalFailure", "AwsUnavailable", "no answer"), 2),
    ],
)
async def test_only_what_may_have_been_made_is_looked_for(failure: AwsError, reads: int) -> None:
    assert await after(failure) == ({}, reads)
