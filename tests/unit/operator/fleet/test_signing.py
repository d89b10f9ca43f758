"""The signing secret of a fleet that is deleted and made again."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.operator.fleet.samples import fleet_object, target_of
from tracetrack_operator.aws.errors import AwsConflict, AwsNotFound
from tracetrack_operator.fleet import signing
from tracetrack_operator.fleet.errors import OwnershipConflict
from tracetrack_operator.fleet.target import Target


class Killed(Exception):
    """Stands for the end of the process."""


class SecretsManager:
    """One secret, as AWS keeps it. `killed_before` names the call at which the operator is killed, once."""

    def __init__(self) -> None:
        self.tags: dict[str, str] | None = None
        self.value = ""
        self.deleted = False
        self.killed_before = ""

    async def call(self, service: str, operation: str, /, *, region: str | None = None, **given: Any) -> dict[str, Any]:
        if operation == self.killed_before:
            self.killed_before = ""
            raise Killed(operation)
        answer: dict[str, Any] = getattr(self, f"_{operation}")(**given) or {}
        return answer

    def _create_secret(self, *, Tags: list[dict[str, str]], SecretString: str, **_: Any) -> dict[str, Any]:  # noqa: N803
        if self.tags is not None:
            raise AwsConflict("InvalidRequestException", "AwsConflict", "it exists, or waits for its deletion")
        self.value = SecretString
        self._tag_resource(Tags=Tags)
        return {"ARN": "arn"}

    def _describe_secret(self, **_: Any) -> dict[str, Any]:
        if self.tags is None:
            raise AwsNotFound("ResourceNotFoundException", "AwsNotFound", "no such secret")
        tags = [{"Key": key, "Value": value} for key, value in self.tags.items()]
        return {"Tags": tags, **({"DeletedDate": "soon"} if self.deleted else {})}

    def _tag_resource(self, *, Tags: list[dict[str, str]], **_: Any) -> None:  # noqa: N803
        assert not self.deleted, "AWS tags nothing that waits for its deletion"
        self.tags = {**(self.tags or {}), **{tag["Key"]: tag["Value"] for tag in Tags}}

    def _delete_secret(self, **_: Any) -> None:
        self.deleted = True

    def _restore_secret(self, **_: Any) -> None:
        self.deleted = False

    def _get_secret_value(self, **_: Any) -> dict[str, Any]:
        assert not self.deleted
        return {"SecretString": self.value, "ARN": "arn"}


def again(uid: str) -> Target:
    """The fleet of the same name, made anew."""
    made = fleet_object()
    made["metadata"]["uid"] = uid
    return target_of(made)


async def lives(aws: SecretsManager, of: Target, *, deletes: bool = False) -> signing.Signing | None:
    """What the operator comes to, started again where it was killed."""
    while True:
        try:
            if deletes:
                await signing.delete(aws, of)  # type: ignore[arg-type]
                return None
            return await signing.ensure(aws, of, None)  # type: ignore[arg-type]
        except Killed:
            continue


@pytest.mark.parametrize("operation", ["restore_secret", "tag_resource", "get_secret_value"])
async def test_it_is_had_back_wherever_the_operator_was_killed(operation: str) -> None:
    aws = SecretsManager()
    before = await lives(aws, again("first"))
    await lives(aws, again("first"), deletes=True)
    aws.killed_before = operation
    assert await lives(aws, again("second")) == before
    assert aws.tags is not None
    assert aws.tags["tracetrack.io/uid"] == "second"
    await lives(aws, again("second"), deletes=True)
    assert await lives(aws, again("third")) == before


@pytest.mark.parametrize("operation", ["tag_resource", "delete_secret"])
async def test_it_is_let_go_wherever_the_operator_was_killed(operation: str) -> None:
    aws = SecretsManager()
    await lives(aws, again("first"))
    aws.killed_before = operation
    await lives(aws, again("first"), deletes=True)
    assert aws.deleted
    assert aws.killed_before == ""


async def test_one_that_nobody_let_go_is_left_alone() -> None:
    aws = SecretsManager()
    await lives(aws, again("first"))
    with pytest.raises(OwnershipConflict, match="lucknow"):
        await lives(aws, again("second"))
    await lives(aws, again("first"), deletes=True)
    await lives(aws, again("second"))
    with pytest.raises(OwnershipConflict):
        await lives(aws, again("third"))
