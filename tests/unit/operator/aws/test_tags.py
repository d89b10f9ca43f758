from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tracetrack_operator.aws.inventory import Inventory
from tracetrack_operator.aws.tags import LAG_SECONDS, TAGS_SECONDS

GROUPS = ("one", "one-more", "two")


def group(name: str) -> dict[str, str]:
    return {"ARN": f"arn:aws:elasticache:eu-central-1:1:replicationgroup:{name}", "ReplicationGroupCreateTime": "then"}


class Account:
    """The caches of an account with the UIDs in their tags: what the list of all shows, and what is so."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.listed: dict[str, str] = {}
        self.tagged: dict[str, str] = {}
        self.lists = 0
        self.asked: list[str] = []

    def clock(self) -> float:
        self.now += 0.001
        return self.now

    def tag(self, uid: str, *names: str, listed: bool = True) -> None:
        for name in names:
            self.tagged[group(name)["ARN"]] = uid
            if listed:
                self.listed[group(name)["ARN"]] = uid

    async def call(self, service: str, operation: str, /, *, region: str | None = None, **given: Any) -> dict[str, Any]:
        assert (service, operation) == ("elasticache", "list_tags_for_resource")
        self.asked.append(given["ResourceName"].rpartition(":")[2])
        uid = self.tagged.get(given["ResourceName"])
        return {"TagList": [{"Key": "tracetrack.io/uid", "Value": uid}] if uid else []}

    async def pages(
        self, service: str, operation: str, items: str, /, *, region: str | None = None, **given: Any
    ) -> AsyncIterator[dict[str, Any]]:
        assert (service, given["TagFilters"]) == ("resourcegroupstaggingapi", [{"Key": "tracetrack.io/uid"}])
        self.lists += 1
        for arn, uid in list(self.listed.items()):
            yield {"ResourceARN": arn, "Tags": [{"Key": "tracetrack.io/uid", "Value": uid}]}


@pytest.fixture
def account() -> Account:
    return Account()


@pytest.fixture
def inventory(account: Account) -> Inventory:
    port: Any = account
    return Inventory(port, account.clock)


async def uids(inventory: Inventory, *names: str) -> list[str | None]:
    return [(await inventory.cache_tags(group(name), "eu")).get("tracetrack.io/uid") for name in names]


@pytest.mark.parametrize("count", [1, 500])
async def test_however_many_there_are_they_are_read_from_one_list(
    account: Account, inventory: Inventory, count: int
) -> None:
    names = [f"g{number}" for number in range(count)]
    account.tag("mine", *names)
    assert await uids(inventory, *names) == ["mine"] * count
    assert (account.lists, account.asked) == (1, [])


async def test_the_list_is_read_again_once_it_is_old(account: Account, inventory: Inventory) -> None:
    account.tag("mine", *GROUPS)
    await uids(inventory, *GROUPS)
    account.tag("theirs", "two")
    account.now += TAGS_SECONDS - 1
    assert await uids(inventory, *GROUPS) == ["mine", "mine", "mine"]
    account.now += 2
    assert await uids(inventory, *GROUPS) == ["mine", "mine", "theirs"]
    assert (account.lists, account.asked) == (2, [])


async def test_what_the_list_does_not_show_is_asked_about_by_itself(account: Account, inventory: Inventory) -> None:
    account.tag("mine", "one")
    account.tag("mine", "two", listed=False)
    for _ in range(2):
        assert await uids(inventory, *GROUPS) == ["mine", None, "mine"]
    assert account.asked == ["one-more", "two"], "and remembered"
    account.now += TAGS_SECONDS
    await uids(inventory, *GROUPS)
    assert account.asked[2:] == ["one-more", "two"]


async def test_what_has_been_changed_is_asked_about_by_itself_until_the_list_may_know(
    account: Account, inventory: Inventory
) -> None:
    account.tag("mine", *GROUPS)
    await uids(inventory, *GROUPS)
    inventory.expire("elasticache", "eu", "one")
    account.tag("theirs", "one", listed=False)
    assert await uids(inventory, *GROUPS) == ["theirs", "mine", "mine"]
    assert account.asked == ["one"], "no other, whatever its name begins with"
    account.now += TAGS_SECONDS
    account.listed[group("one")["ARN"]] = "theirs"
    assert await uids(inventory, *GROUPS) == ["theirs", "mine", "mine"]
    assert account.asked == ["one"]
    inventory.forget_tags(group("two")["ARN"])
    inventory.expire("elasticache", None)
    await uids(inventory, *GROUPS)
    assert account.asked[1:] == list(GROUPS)


async def test_a_list_read_soon_after_a_change_does_not_tell_of_it(account: Account, inventory: Inventory) -> None:
    account.tag("mine", *GROUPS)
    inventory.expire("elasticache", "eu", "one")
    account.now += LAG_SECONDS / 2
    await uids(inventory, *GROUPS)
    assert account.asked == ["one"]


async def test_the_tags_that_a_group_was_made_with_need_not_be_asked_for(
    account: Account, inventory: Inventory
) -> None:
    inventory.learn("elasticache", "eu", "one", group("one"), {"tracetrack.io/uid": "uid-1"})
    assert await uids(inventory, "one") == ["uid-1"]
    assert (account.lists, account.asked) == (0, [])


async def test_whoever_is_about_to_delete_is_told_what_is_so_now(account: Account, inventory: Inventory) -> None:
    account.tag("mine", "one")
    await uids(inventory, "one")
    account.tag("theirs", "one", listed=False)
    assert (await inventory.cache_tags(group("one"), "eu", live=True))["tracetrack.io/uid"] == "theirs"
    assert await uids(inventory, "one") == ["theirs"], "and so is everybody else from then on"
