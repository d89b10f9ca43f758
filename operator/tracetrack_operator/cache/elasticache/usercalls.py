"""Reads, changes and removes the users of a replication group in AWS."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from ...api.conditions import Reason
from ...aws.client import AwsPort
from ...aws.errors import AwsAlreadyExists, AwsConflict, AwsNotFound
from ...aws.inventory import Inventory
from ...aws.ownership import UID, describe_owner, tag_list, tag_map
from ...dependencies.cloud.calls import CloudCalls
from ...dependencies.cloud.fields import Item
from ...engine.errors import WaitingError
from ...engine.objects import Object
from .users import DEFAULT_USER, USER, USER_GROUP, ChangeUsers, MakeUsers, default_user_id, user_id

_DESCRIBE = {
    "UserId": ("describe_users", "Users"),
    "UserGroupId": ("describe_user_groups", "UserGroups"),
}


@dataclass(frozen=True)
class UserCalls:
    """Descriptions of what is at rest are at most `steady` seconds old, others `changing`."""

    aws: AwsPort
    inventory: Inventory
    steady: float
    changing: float

    async def beside(self, name: str, region: str | None) -> dict[str, Item]:
        """What there is of the replication group `name`'s users, each with its `TagList`, from the listings of all."""
        found = await self._listed(name, region, self.steady)
        if any(each.get("Status") != "active" for each in found.values()):
            found = await self._listed(name, region, self.changing)
        return {
            key: {**each, "TagList": tag_list(await self.inventory.cache_tags(each, region))}
            for key, each in found.items()
        }

    async def _listed(self, name: str, region: str | None, max_age: float) -> dict[str, Item]:
        users = await self.inventory.cache_users(region, max_age, name)
        groups = await self.inventory.cache_user_groups(region, max_age, name)
        found = {
            USER: users.get(user_id(name)),
            DEFAULT_USER: users.get(default_user_id(name)),
            USER_GROUP: groups.get(name),
        }
        return {key: each for key, each in found.items() if each is not None}

    async def make(self, action: MakeUsers) -> None:
        """What has gone, or come, meanwhile is seen by the next look. Raises WaitingError while AWS is at work."""
        await self._allowed(action)
        try:
            with suppress(AwsNotFound, AwsAlreadyExists):
                await self.aws.call("elasticache", action.operation, region=action.region, **action.parameters)
        except AwsConflict as error:
            raise WaitingError(
                Reason.PROGRESSING, f"{action.what} takes no change now: {error.message}", retry_after=self.changing
            ) from error
        finally:
            self.inventory.expire("elasticache", action.region, action.name)

    async def change(self, action: ChangeUsers, calls: CloudCalls) -> None:
        """As `make`, for one that serves."""
        await self._allowed(action)
        with suppress(AwsNotFound, AwsAlreadyExists):
            await calls.modify(action)
        if "ResourceName" in action.parameters:
            self.inventory.forget_tags(action.parameters["ResourceName"])

    async def remove(self, owner: Object, name: str, region: str | None) -> None:
        """Have the owner's users and their group go, once no replication group has them.

        Raises WaitingError until they are gone.
        """
        uid = owner["metadata"]["uid"]
        things = (("UserGroupId", name), ("UserId", user_id(name)), ("UserId", default_user_id(name)))
        for key, id_ in things:
            item = await self._live(key, id_, region)
            if item is None or (await self._tags(item, region)).get(UID) != uid:
                continue
            operation, kind = ("delete_user_group", "User group") if key == "UserGroupId" else ("delete_user", "User")
            if item.get("Status") != "deleting":
                with suppress(AwsConflict, AwsNotFound):
                    await self.aws.call("elasticache", operation, region=region, **{key: id_})
                self.inventory.expire("elasticache", region, name)
                if await self._live(key, id_, region) is None:
                    continue
            raise WaitingError(Reason.DELETING, f"{kind} {id_} is going.", retry_after=self.changing)

    async def _allowed(self, action: MakeUsers | ChangeUsers) -> None:
        """Raises WaitingError before something of somebody else's is removed."""
        if not action.operation.startswith("delete"):
            return
        (key, id_), *_ = action.parameters.items()
        item = await self._live(key, id_, action.region)
        if item is None:
            return
        theirs = await self._tags(item, action.region)
        if any(theirs.get(key) != value for key, value in action.place.items()):
            self.inventory.expire("elasticache", action.region, action.name)
            taken = f"{action.what} has just been taken by {describe_owner(theirs)}."
            raise WaitingError(Reason.OWNERSHIP_CONFLICT, taken, retry_after=self.changing)
        self.inventory.forget_tags(item["ARN"])

    async def _live(self, key: str, id_: str, region: str | None) -> Item | None:
        operation, items = _DESCRIBE[key]
        try:
            answer = await self.aws.call("elasticache", operation, region=region, **{key: id_})
        except AwsNotFound:
            return None
        found: list[Item] = answer.get(items, [])
        return found[0] if found else None

    async def _tags(self, item: Item, region: str | None) -> Mapping[str, str]:
        answer = await self.aws.call("elasticache", "list_tags_for_resource", region=region, ResourceName=item["ARN"])
        return tag_map(answer.get("TagList", []))
