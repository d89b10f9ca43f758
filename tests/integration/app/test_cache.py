"""The levels of the cache in one process, over a real Redis and PostgreSQL: loads that come too late are not kept."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest

from tests.backing import RedisServer
from tests.unit.app.test_bagview import LATER, linked, parent, patch, unlinked
from tracetrack_app.settings import Bindings
from tracetrack_app.store.bagview import BAG, PATCH, patched
from tracetrack_app.store.cache import CLAIM, FILL, Cache, Codec, is_token, new_token
from tracetrack_app.store.coherence import Coherence
from tracetrack_app.store.database import Connector
from tracetrack_app.store.link import Link

TEXT: Codec[str] = Codec.of(str)


@pytest.fixture
async def link(redis_server: RedisServer) -> AsyncIterator[Link]:
    settings = Bindings({"REDIS_URL": redis_server.url}).cache()
    link = await Link.open(settings, lambda _: None, lambda _: None)
    yield link
    link.close()


class Source:
    """A value in a database, whose reading can be held up after the value was read."""

    def __init__(self, value: str) -> None:
        self.value = value
        self.reads = 0
        self.slow: asyncio.Event | None = None

    async def load(self) -> str:
        self.reads += 1
        value, slow = self.value, self.slow
        await asyncio.sleep(0)
        if slow is not None:
            await slow.wait()
        return value


@pytest.fixture
async def pair(database: str, redis_server: RedisServer) -> AsyncIterator[list[tuple[Coherence, Cache]]]:
    bindings = Bindings({"DATABASE_URL": database, "REDIS_URL": redis_server.url})
    pair = []
    for _ in range(2):
        coherence = Coherence(Connector(bindings.database), bindings.cache)
        pair.append((coherence, Cache(coherence, entries=3)))
        coherence.start()
    async with asyncio.timeout(30):
        while not all(coherence.caching for coherence, _ in pair):
            await asyncio.sleep(0.02)
    yield pair
    for coherence, _ in pair:
        await coherence.stop()


async def test_what_two_replicas_share(pair: list[tuple[Coherence, Cache]]) -> None:
    (writer, near), (_, far) = pair
    await values_come_from_process_then_redis(near, far)
    await a_load_overtaken_by_a_change_is_not_kept(writer, near, far)
    await a_caller_after_the_change_does_not_get_the_older_load(writer, near)
    await the_least_used_goes_first(near)
    await everything_can_be_left_behind(writer, near, far)


async def values_come_from_process_then_redis(near: Cache, far: Cache) -> None:
    source = Source("one")
    assert [await near.get("a", source.load, TEXT) for _ in range(3)] == ["one"] * 3
    await asyncio.sleep(0.05)
    assert await far.get("a", source.load, TEXT) == "one"
    assert source.reads == 1
    local = Source("local")
    assert [await each.get("b", local.load) for each in (near, near, far)] == ["local"] * 3
    assert local.reads == 2
    held = Source("together")
    held.slow = asyncio.Event()
    together = [asyncio.create_task(near.get("c", held.load, TEXT)) for _ in range(5)]
    await asyncio.sleep(0.05)
    held.slow.set()
    assert await asyncio.gather(*together) == ["together"] * 5
    assert held.reads == 1


async def a_load_overtaken_by_a_change_is_not_kept(writer: Coherence, near: Cache, far: Cache) -> None:
    source = Source("old")
    source.slow = asyncio.Event()
    slow = [asyncio.create_task(each.get("x", source.load, TEXT)) for each in (near, far)]
    while source.reads < 2:
        await asyncio.sleep(0.01)
    source.value = "new"
    await writer.changed(["x"])
    source.slow.set()
    # They asked before the change was answered: the older value is an answer, but it is not kept.
    assert await asyncio.gather(*slow) == ["old", "old"]
    source.slow = None
    assert [await each.get("x", source.load, TEXT) for each in (near, far)] == ["new", "new"]


async def a_caller_after_the_change_does_not_get_the_older_load(writer: Coherence, near: Cache) -> None:
    source = Source("old")
    source.slow = held = asyncio.Event()
    before = asyncio.create_task(near.get("y", source.load, TEXT))
    while not source.reads:
        await asyncio.sleep(0.01)
    source.value, source.slow = "new", None
    await writer.changed(["y"])
    assert await asyncio.wait_for(near.get("y", source.load, TEXT), 10) == "new"
    held.set()
    assert await before == "old"
    assert await near.get("y", source.load, TEXT) == "new"


async def the_least_used_goes_first(near: Cache) -> None:
    sources = {name: Source(name) for name in ("l1", "l2", "l3", "l4")}
    for name in ("l1", "l2", "l3", "l1", "l4", "l1"):
        await near.get(name, sources[name].load)
    assert {name: source.reads for name, source in sources.items()} == {"l1": 1, "l2": 1, "l3": 1, "l4": 1}
    await near.get("l2", sources["l2"].load)
    assert sources["l2"].reads == 2


async def everything_can_be_left_behind(writer: Coherence, near: Cache, far: Cache) -> None:
    source = Source("old")
    assert [await each.get("z", source.load, TEXT) for each in (near, far)] == ["old", "old"]
    source.value = "new"
    await writer.changed_everything()
    assert [await each.get("z", source.load, TEXT) for each in (near, far)] == ["new", "new"]


async def test_a_loader_that_comes_too_late_does_not_fill_redis(link: Link) -> None:
    key, late, other = f"t:{uuid4()}", new_token(), new_token()
    assert await CLAIM.run(link, [key], late, 20) == [None]
    [found] = await CLAIM.run(link, [key], other, 20)
    assert found == late
    assert is_token(found)
    await link.send("DEL", key)
    assert await FILL.run(link, [key], late, 60, b"stale") == 0
    assert await link.send("GET", key) is None
    assert await CLAIM.run(link, [key], other, 20) == [None]
    assert await FILL.run(link, [key], late, 60, b"stale") == 0
    assert await FILL.run(link, [key], other, 60, b"fresh") == 1
    assert await CLAIM.run(link, [key], late, 20) == [b"fresh"]


async def test_redis_patches_a_parent_as_the_process_does(link: Link) -> None:
    chance = random.Random(7)
    codes = ["AAAA", "BBBB", "CCCC", "1234", "DDDD"]
    names = [f"t:{uuid4()}:{number}" for number in range(400)]
    wanted: list[Any] = []
    patches = []
    for name in names:
        bag = parent(*chance.sample(codes, chance.randrange(4)), status=chance.choice(["in_progress", "completed"]))
        count, steps = bag.child_count, []
        for number in sorted(chance.sample(range(9, 14), chance.randrange(1, 4))):
            step, change = chance.choice([(linked, 1), (unlinked, -1)])
            count += change if number > bag.version and chance.random() < 0.9 else 0
            at = LATER.replace(microsecond=chance.randrange(10**6))
            steps.append(step(number, chance.choice(codes), max(count, 0), at))
        patches.append(patch(*steps))
        wanted.append(patched(bag, patches[-1]))
        await link.send("SET", name, BAG.encode(bag), "EX", 60)
    assert await PATCH.run(link, names, *patches) == b"OK"
    found = [await link.send("GET", name) for name in names]
    assert [BAG.decode(each) if each is not None else None for each in found] == wanted
    assert 50 < sum(each is None for each in wanted) < 350
    assert all([await link.send("TTL", name) > 0 for name, each in zip(names, wanted, strict=True) if each is not None])


async def test_redis_drops_a_token_and_what_it_cannot_read_instead_of_patching(link: Link) -> None:
    names = [f"t:{uuid4()}" for _ in range(3)]
    await CLAIM.run(link, names[:1], new_token(), 20)
    await link.send("SET", names[1], "not a bag", "EX", 60)
    step = patch(linked(11, "AAAA", 1))
    assert await PATCH.run(link, names, step, step, step) == b"OK"
    assert [await link.send("EXISTS", name) for name in names] == [0, 0, 0]
