"""What the scanners of a fleet share in AWS IoT: thing type, thing group, policy, data endpoint."""

import asyncio
import contextlib
import json
import time

from ..api.constants import OWNER_ATTRIBUTE
from ..aws import ownership
from ..aws.client import AwsPort
from ..aws.errors import AwsAlreadyExists, AwsNotFound
from ..engine.errors import RetryableError
from . import policy
from .errors import OwnershipConflict
from .target import FLEET_ATTRIBUTE, Target

TYPE_GOOD_FOR = 600.0
MAX_POLICY_VERSIONS = 5


class SharedResources:
    """Makes and removes them. What all fleets have in common is remembered, not asked for again."""

    def __init__(self, aws: AwsPort) -> None:
        self._aws = aws
        self._types: dict[str, float] = {}
        self._policies: set[tuple[str, str]] = set()
        self._endpoint = ""
        self._one_at_a_time = asyncio.Lock()

    async def endpoint(self) -> str:
        """Host name of the account's IoT data endpoint."""
        async with self._one_at_a_time:
            if not self._endpoint:
                answer = await self._aws.call("iot", "describe_endpoint", endpointType="iot:Data-ATS")
                self._endpoint = answer["endpointAddress"]
            return self._endpoint

    async def ensure(self, target: Target) -> tuple[str, bool]:
        """Type, group and policy; gives the group's ARN and whether the group is new. Raises OwnershipConflict."""
        async with self._one_at_a_time:
            await self._ensure_type(target.fleet.spec.thing_type)
        arn, made = await self._ensure_group(target)
        await self._ensure_policy(target, arn.partition(":thinggroup/")[0])
        return arn, made

    def forget(self, target: Target) -> None:
        """Ask again for what was taken as known."""
        self._types.pop(target.fleet.spec.thing_type, None)
        self._policies.discard((target.names.group, target.uid))

    async def own_group(self, target: Target) -> str | None:
        """ARN of the fleet's group; None when there is none, or it is another's."""
        try:
            found = await self._aws.call("iot", "describe_thing_group", thingGroupName=target.names.group)
        except AwsNotFound:
            return None
        return str(found["thingGroupArn"]) if _owner(found) == target.uid else None

    async def remove(self, target: Target) -> None:
        """Remove group and policy, where they are ours. The type stays: other fleets may use it."""
        name = target.names.group
        if await self.own_group(target) is not None:
            with contextlib.suppress(AwsNotFound):
                await self._aws.call("iot", "delete_thing_group", thingGroupName=name)
        try:
            found = await self._aws.call("iot", "get_policy", policyName=name)
            if (await self._tags(found["policyArn"])).get(ownership.UID) != target.uid:
                return
            async for bound in self._aws.pages("iot", "list_targets_for_policy", "targets", policyName=name):
                await self._aws.call("iot", "detach_policy", policyName=name, target=str(bound))
            await self._drop_versions(name, keep=0)
            await self._aws.call("iot", "delete_policy", policyName=name)
        except AwsNotFound:
            pass
        self._policies.discard((name, target.uid))

    async def _ensure_type(self, name: str) -> None:
        if self._types.get(name, 0.0) > time.monotonic():
            return
        try:
            found = await self._aws.call("iot", "describe_thing_type", thingTypeName=name)
        except AwsNotFound:
            with contextlib.suppress(AwsAlreadyExists):
                await self._aws.call("iot", "create_thing_type", thingTypeName=name)
        else:
            if found.get("thingTypeMetadata", {}).get("deprecated"):
                raise RetryableError(
                    "ThingTypeDeprecated",
                    f"The AWS IoT thing type {name} is deprecated, so no thing can be made of it.",
                    "Undo its deprecation, or name another one in spec.thingType.",
                )
        self._types[name] = time.monotonic() + TYPE_GOOD_FOR

    async def _ensure_group(self, target: Target) -> tuple[str, bool]:
        name = target.names.group
        try:
            found = await self._aws.call("iot", "describe_thing_group", thingGroupName=name)
        except AwsNotFound:
            owner = {OWNER_ATTRIBUTE: target.uid, FLEET_ATTRIBUTE: f"{target.names.namespace}/{target.names.fleet}"}
            created = await self._aws.call(
                "iot",
                "create_thing_group",
                thingGroupName=name,
                thingGroupProperties={"attributePayload": {"attributes": owner}},
                tags=ownership.tag_list(ownership.tags(target.obj, target.names.cluster)),
            )
            return str(created["thingGroupArn"]), True
        if _owner(found) != target.uid:
            owner_tags = await self._tags(found["thingGroupArn"])
            raise OwnershipConflict(f"The AWS IoT thing group {name}", ownership.describe_owner(owner_tags))
        return str(found["thingGroupArn"]), False

    async def _ensure_policy(self, target: Target, arn_head: str) -> None:
        name, wanted = target.names.group, policy.text(target.names, arn_head)
        try:
            found = await self._aws.call("iot", "get_policy", policyName=name)
        except AwsNotFound:
            await self._aws.call(
                "iot",
                "create_policy",
                policyName=name,
                policyDocument=wanted,
                tags=ownership.tag_list(ownership.tags(target.obj, target.names.cluster)),
            )
            self._policies.add((name, target.uid))
            return
        if (name, target.uid) not in self._policies:
            tags = await self._tags(found["policyArn"])
            if tags.get(ownership.UID) != target.uid:
                raise OwnershipConflict(f"The AWS IoT policy {name}", ownership.describe_owner(tags))
            self._policies.add((name, target.uid))
        if json.loads(found["policyDocument"]) != json.loads(wanted):
            await self._drop_versions(name, keep=MAX_POLICY_VERSIONS - 2)
            await self._aws.call(
                "iot", "create_policy_version", policyName=name, policyDocument=wanted, setAsDefault=True
            )

    async def _drop_versions(self, name: str, keep: int) -> None:
        """Delete the policy's oldest versions that aren't the default until `keep` of them are left."""
        answer = await self._aws.call("iot", "list_policy_versions", policyName=name)
        others = [version for version in answer["policyVersions"] if not version["isDefaultVersion"]]
        others.sort(key=lambda version: int(version["versionId"]))
        for version in others[: max(0, len(others) - keep)]:
            await self._aws.call("iot", "delete_policy_version", policyName=name, policyVersionId=version["versionId"])

    async def _tags(self, arn: str) -> dict[str, str]:
        answer = await self._aws.call("iot", "list_tags_for_resource", resourceArn=arn)
        return ownership.tag_map(answer.get("tags", []))


def _owner(group: dict[str, object]) -> str:
    properties = group.get("thingGroupProperties")
    payload = properties.get("attributePayload") if isinstance(properties, dict) else None
    attributes = payload.get("attributes") if isinstance(payload, dict) else None
    return str(attributes.get(OWNER_ATTRIBUTE, "")) if isinstance(attributes, dict) else ""
