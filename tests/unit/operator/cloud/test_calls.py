"""What a call to AWS tells those who read next."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

import pytest

from tracetrack_operator.aws.errors import AwsAlreadyExists, AwsError, AwsThrottled
from tracetrack_operator.aws.inventory import Inventory
from tracetrack_operator.dependencies.cloud.actions import Create, Modify
from tracetrack_operator.dependencies.cloud.asked import Asked
from tracetrack_operator.dependencies.cloud.calls import CloudCalls
from tracetrack_operator.dependencies.cloud.durations import Changes
from tracetrack_operator.engine.errors import WaitingError

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
    calls = CloudCalls(port, inventory, Asked(), Changes(), unused, unused, unused, unused, 1.0, "DBInstance")
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


@pytest.mark.parametrize(
    ("known", "now", "sent"),
    [
        ({}, {}, True),
        ({"MultiAZ": True}, {"MultiAZ": True}, True),
        ({"MultiAZ": True}, {}, True),
        ({}, {"MultiAZ": True}, False),
        ({"StorageType": "gp2"}, {"StorageType": "io1"}, False),
        (None, {"MultiAZ": True}, True),
    ],
)
async def test_what_has_come_to_wait_since_it_was_decided_on_holds_a_change(
    known: dict[str, Any] | None, now: dict[str, Any], sent: bool
) -> None:
    async def waiting(*_: Any) -> dict[str, Any]:
        return now

    aws = Answering({})
    port: Any = aws
    unused: Any = None
    inventory = Inventory(port)
    await inventory.db_instances("eu", 60, "shop")
    calls = CloudCalls(port, inventory, Asked(), Changes(), unused, waiting, unused, unused, 1.0, "DBInstance")
    asked = frozenset({("backupRetentionDays", "14")})
    change = Modify("shop", "rds", "modify_db_instance", "eu", {}, name="shop", uid="uid-1", asked=asked, beside=known)
    with nullcontext() if sent else pytest.raises(WaitingError, match="somebody has just left"):
        await calls.modify(change)
    assert calls.asked.of("uid-1") == (asked if sent else frozenset())
    await inventory.db_instances("eu", 60, "shop")
    assert aws.read == 2, "either way, what was read before is not good enough"
