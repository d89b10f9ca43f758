from __future__ import annotations

import asyncio

from tracetrack_operator.kube.names import FRESH_SECONDS, Names


class Namespace:
    """A namespace with these names, and a count of how often they were listed."""

    def __init__(self, *names: str) -> None:
        self.there = set(names)
        self.listed = 0
        self.now = 0.0
        self.names = Names(self.list, lambda: self.now)

    async def list(self, kind: str, namespace: str) -> frozenset[str]:
        self.listed += 1
        found = frozenset(self.there)
        await asyncio.sleep(0)
        return found

    async def taken(self, name: str, kind: str = "Secret") -> bool:
        return await self.names.taken(kind, "shop", name)


async def test_one_listing_serves_all_who_ask_within_seconds() -> None:
    shop = Namespace("a")
    assert await asyncio.gather(*(shop.taken(name) for name in ("a", "b", "c"))) == [True, False, False]
    assert shop.listed == 1
    await shop.taken("a", "ConfigMap")
    assert shop.listed == 2
    shop.there.add("b")
    shop.now = FRESH_SECONDS
    assert await shop.taken("b")
    assert shop.listed == 3


async def test_what_we_made_is_taken_at_once() -> None:
    shop = Namespace()
    shop.names.used("Secret", "shop", "a")
    assert not await shop.taken("a"), "nothing was listed yet, and the list says what there is"
    shop.names.used("Secret", "shop", "a")
    assert await shop.taken("a")


async def test_after_a_write_that_failed_it_is_looked_again() -> None:
    shop = Namespace()
    assert not await shop.taken("a")
    shop.there.add("a")
    shop.names.forget("Secret", "shop")
    assert await shop.taken("a")
