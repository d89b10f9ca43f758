from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from itertools import count
from typing import Any

import pytest

from tracetrack_operator.aws.calls import SHARED
from tracetrack_operator.aws.inventory import PAGE, PARTS, READING_SHARE, ROUNDS, Inventory, ReadLater
from tracetrack_operator.engine.errors import RetryableError
from tracetrack_operator.settings import Settings

STEADY = Settings.aws_steady_seconds


def ages() -> Callable[[], float]:
    """A clock on which every reading is of long ago by the next time that it is looked at."""
    return (10.0**power for power in count()).__next__


def group(name: str) -> dict[str, str]:
    return {"ARN": f"arn:aws:elasticache:eu-central-1:1:replicationgroup:{name}", "ReplicationGroupCreateTime": "then"}


class Shown:
    """AWS that shows `items`."""

    def __init__(self) -> None:
        self.items: list[dict[str, Any]] = []
        self.tags = [{"Key": "tracetrack.io/namespace", "Value": "shop"}, {"Key": "tracetrack.io/name", "Value": "c"}]

    async def call(self, *_: str, **__: Any) -> dict[str, Any]:
        return {"TagList": self.tags}

    async def pages(self, *asked: str, region: str | None = None, **_: Any) -> AsyncIterator[dict[str, Any]]:
        for item in self.items if asked[2] not in ("CacheClusters", "ResourceTagMappingList") else ():
            yield dict(item)


def instance(name: str, state: str, owner: str | None) -> dict[str, Any]:
    tags = [{"Key": "tracetrack.io/namespace", "Value": "shop"}, {"Key": "tracetrack.io/name", "Value": owner}]
    return {"DBInstanceIdentifier": name, "DBInstanceStatus": state, "TagList": tags if owner else []}


async def test_the_owners_of_what_a_read_shows_changed_are_woken() -> None:
    aws, woken = Shown(), []
    port: Any = aws
    inventory = Inventory(port, ages(), lambda namespace, name: woken.append((namespace, name)))

    async def read(*items: dict[str, Any]) -> None:
        aws.items = list(items)
        await inventory.db_instances(None, 0)

    await read(instance("a", "creating", "a"), instance("b", "available", "b"), instance("n", "creating", None))
    assert woken == [], "before the first read nothing was known"
    await read(instance("a", "available", "a"), instance("b", "available", "b"), instance("new", "creating", "new"))
    assert woken == [("shop", "a")], "not the unchanged, nobody's or the new one"
    await read(instance("new", "creating", "new"))
    assert woken[1:] == [("shop", "a"), ("shop", "b")], "what is gone has changed"


async def test_a_time_that_passes_by_itself_wakes_nobody() -> None:
    aws, woken = Shown(), []
    port: Any = aws
    inventory = Inventory(port, ages(), lambda namespace, name: woken.append((namespace, name)))
    for minute in range(3):
        aws.items = [{"DBInstanceIdentifier": "a", "LatestRestorableTime": minute, "TagList": aws.tags}]
        await inventory.db_instances(None, 0)
    assert woken == []


async def test_the_owner_of_a_changed_cache_is_found_by_the_tags_read_before() -> None:
    aws, woken = Shown(), []
    port: Any = aws
    inventory = Inventory(port, ages(), lambda namespace, name: woken.append((namespace, name)))
    for state in ("creating", "available"):
        aws.items = [{"ReplicationGroupId": "c", "Status": state, **group("c")}]
        (item,) = (await inventory.replication_groups(None, 0)).values()
        await inventory.cache_tags(item, None)
    assert woken == [("shop", "c")]


async def test_a_change_is_read_anew_for_whoever_asks_about_it_and_for_those_who_ask_about_all() -> None:
    aws, now = Shown(), [100.0]
    port: Any = aws
    inventory = Inventory(port, lambda: now[0])

    async def age(name: str | None = None) -> float:
        now[0] += 1
        await inventory.db_instances("eu", 60, name)
        return now[0] - inventory._listing("rds", "eu").read_at

    await age()
    inventory.expire("rds", "eu", "a")
    assert await age("b") > 0, "a listing from before the change of another is good enough"
    assert await age("a") == 0
    assert await age("a") > 0
    inventory.expire("rds", "eu", "a")
    assert await age() == 0, "who asks about all asks about this one too"
    inventory.expire("rds", "eu")
    assert await age("b") == 0, "what isn't named may be any"
    now[0] += 60
    assert await age("b") == 0


class Slow:
    """AWS whose listings take `seconds` on the clock, and let others run meanwhile."""

    def __init__(self, seconds: float) -> None:
        self.now, self.seconds, self.reads = 100.0, seconds, 0

    async def pages(self, *asked: str, region: str | None = None) -> AsyncIterator[dict[str, Any]]:
        self.reads += 1
        self.now += self.seconds
        await asyncio.sleep(0)
        yield instance("a", "creating", "a")


async def test_all_who_wait_for_a_reading_share_the_next_one() -> None:
    aws = Slow(2)
    port: Any = aws
    inventory = Inventory(port, lambda: aws.now)
    asking = [asyncio.create_task(inventory.db_instances("eu", 1, f"db-{number}")) for number in range(20)]
    await asyncio.gather(*asking)
    assert aws.reads == 1
    aws.now += 60
    for number in range(20):
        inventory.expire("rds", "eu", f"db-{number}")
    aws.now += 1
    await asyncio.gather(*(inventory.db_instances("eu", 60, f"db-{number}") for number in range(20)))
    assert aws.reads == 2


async def test_long_readings_come_less_often_than_they_are_asked_for() -> None:
    aws = Slow(2)
    port: Any = aws
    inventory = Inventory(port, lambda: aws.now)
    for _ in range(600):
        aws.now += 0.1
        await inventory.db_instances("eu", 0)
    assert aws.reads == pytest.approx(60 / (2 / READING_SHARE - 2), abs=1)
    inventory.expire("rds", "eu", "a")
    aws.now += 0.1
    before = aws.reads
    await inventory.db_instances("eu", 60, "a")
    assert aws.reads == before + 1, "what was changed is read at once"


async def test_what_was_changed_among_many_is_read_with_what_others_change_meanwhile() -> None:
    aws, now = Shown(), [100.0]
    aws.items = [instance(f"db-{number:03}", "available", "shop") for number in range(3 * PAGE)]
    port: Any = aws
    inventory = Inventory(port, lambda: now[0])
    read_at = now[0]
    await inventory.db_instances("eu", STEADY)
    rate = SHARED["rds"].rate
    inventory.expire("rds", "eu", "db-001")
    inventory.expire("rds", "eu", "db-002")
    for name in ("db-001", "db-002"):
        now[0] += 0.1
        with pytest.raises(ReadLater) as later:
            await inventory.db_instances("eu", STEADY, name)
        assert later.value.seconds == pytest.approx(2 / rate / READING_SHARE - (now[0] - read_at))
    assert len(await inventory.db_instances("eu", STEADY, "db-003")) == 3 * PAGE, "those who changed nothing go on"
    now[0] = before = read_at + 2 / rate / READING_SHARE
    aws.items[1] = instance("db-001", "modifying", "shop")
    assert (await inventory.db_instances("eu", STEADY, "db-001"))["db-001"]["DBInstanceStatus"] == "modifying"
    aws.items = []
    now[0] = before + 0.1
    assert len(await inventory.db_instances("eu", STEADY, "db-002")) == 3 * PAGE, "one reading serves all"


async def test_a_page_is_no_reason_to_wait() -> None:
    aws, now = Shown(), [100.0]
    aws.items = [instance(f"db-{number:03}", "available", "shop") for number in range(PAGE)]
    port: Any = aws
    inventory = Inventory(port, lambda: now[0])
    await inventory.db_instances("eu", STEADY)
    aws.items = []
    now[0] += 0.1
    inventory.expire("rds", "eu", "db-001")
    now[0] += 0.1
    assert not await inventory.db_instances("eu", STEADY, "db-001")


async def test_nobody_keeps_fresh_what_rests() -> None:
    aws, now = Shown(), [100.0]
    aws.items = [instance(f"db-{number:03}", "available", "shop") for number in range(2 * PAGE)]
    port: Any = aws
    inventory = Inventory(port, lambda: now[0])
    await inventory.db_instances("eu", 0)
    aws.items = []
    inventory.expire("rds", "eu", "db-001")
    now[0] += 0.2
    await inventory.refresh(0.1)
    assert len(await inventory.db_instances("eu", 60, "db-000")) == 2 * PAGE


async def test_what_somebody_looks_at_is_read_in_time_though_nobody_asks() -> None:
    """A lone object asks every 60 s, and by itself would notice a change by hand later than that."""
    aws, now, woken = Shown(), [100.0], list[float]()
    port: Any = aws
    inventory = Inventory(port, lambda: now[0], lambda namespace, name: woken.append(now[0]))
    for state in ("available", "modifying"):
        aws.items = [instance("lone", state, "lone")]
        if not woken:
            await inventory.db_instances("eu", STEADY, "lone")
        changed_at = now[0]
    while not woken:
        now[0] += STEADY / PARTS
        await inventory.refresh(STEADY)
    assert woken[0] - changed_at <= STEADY * (1 + 1 / PARTS)


async def test_what_nobody_looks_at_any_more_is_not_read() -> None:
    aws = Slow(0)
    port: Any = aws
    inventory = Inventory(port, lambda: aws.now)
    await inventory.db_instances("eu", STEADY)
    for _ in range(600):
        aws.now += STEADY / PARTS
        await inventory.refresh(STEADY)
    assert aws.reads == ROUNDS


async def test_what_is_changed_is_read_by_whoever_asks_about_it() -> None:
    aws = Slow(0)
    port: Any = aws
    inventory = Inventory(port, lambda: aws.now)
    await inventory.db_instances("eu", STEADY)
    for number in range(5):
        inventory.expire("rds", "eu", f"db-{number}")
        aws.now += 1
        await inventory.refresh(STEADY)
    assert aws.reads == 1


async def test_a_reading_that_fails_is_left_to_whoever_looks_next() -> None:
    aws = Slow(0)
    port: Any = aws
    inventory = Inventory(port, lambda: aws.now)
    await inventory.db_instances("eu", STEADY)

    class Away:
        async def pages(self, *asked: str, region: str | None = None) -> AsyncIterator[dict[str, Any]]:
            raise RetryableError("AwsUnreachable", "no answer")
            yield {}

    inventory._aws = Away()  # type: ignore[assignment]
    aws.now += STEADY
    await inventory.refresh(STEADY)
    with pytest.raises(RetryableError):
        await inventory.db_instances("eu", 0)


async def test_what_a_creation_was_answered_counts_until_a_later_reading() -> None:
    aws, now = Shown(), [100.0]
    port: Any = aws
    inventory = Inventory(port, lambda: now[0])

    async def names(max_age: float = 60) -> set[str]:
        now[0] += 1
        return set(await inventory.db_instances("eu", max_age, "made"))

    aws.items = [instance("old", "available", "a")]
    assert await names() == {"old"}
    inventory.learn("rds", "eu", "made", instance("made", "creating", "b"), {})
    assert await names() == {"old", "made"}, "and nothing had to be read"
    assert await names(0) == {"old"}, "AWS has the last word"


async def test_what_is_made_during_a_reading_outlives_it() -> None:
    aws, now = Shown(), [100.0]
    port: Any = aws
    inventory = Inventory(port, lambda: now[0])
    aws.items = [instance("old", "available", "a"), instance("other", "creating", "c")]

    class Slow(Shown):
        async def pages(self, *asked: str, region: str | None = None) -> AsyncIterator[dict[str, Any]]:
            now[0] += 1
            inventory.learn("rds", "eu", "made", instance("made", "creating", "b"), {})
            inventory.learn("rds", "eu", "other", instance("other", "creating", "c"), {})
            for item in aws.items:
                yield {**item, "DBInstanceStatus": "available"}

    inventory._aws = Slow()  # type: ignore[assignment]
    found = await inventory.db_instances("eu", 0)
    assert {name: item["DBInstanceStatus"] for name, item in found.items()} == {
        "made": "creating",
        "old": "available",
        "other": "available",
    }


async def test_the_tags_of_what_has_gone_are_not_those_of_what_comes_after() -> None:
    aws = Shown()
    port: Any = aws
    now = [0.0]
    inventory = Inventory(port, lambda: now[0])
    user = {"UserId": "u", "ARN": "arn:aws:elasticache:eu-central-1:1:user:u"}

    async def tags(*items: dict[str, Any]) -> list[dict[str, str]]:
        aws.items = list(items)
        now[0] += 1
        found = await inventory.cache_users(None, 0, "c")
        return [await inventory.cache_tags(item, None) for item in found.values()]

    (before,) = await tags(user)
    assert before["tracetrack.io/name"] == "c"
    aws.tags = []
    assert await tags(user) == [before]
    assert await tags() == []
    assert await tags(user) == [{}]
