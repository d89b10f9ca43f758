"""Single bags and bills as they are looked up, through the cache."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from tracetrack_app.domain.outcomes import Entry, Outcome
from tracetrack_app.domain.scans import Scan, Undo
from tracetrack_app.store.bagview import BAG, BAG_SOURCE, BagView, bag_view, steps_of
from tracetrack_app.store.cache import Cache, Codec

_BAG = f"{BAG_SOURCE} WHERE b.code = $1"
_BILL = """
SELECT b.id, b.code, b.description, b.destination, b.vehicle_number, b.capacity, b.bag_count, b.status, b.created_by,
       b.created_at, b.updated_at, b.completed_at,
       ARRAY(SELECT g.code FROM bill_bags k JOIN bags g ON g.id = k.bag_id
             WHERE k.bill_id = b.id AND k.removed_at IS NULL ORDER BY k.id) AS parents
FROM bills b WHERE upper(b.code) = $1 AND b.deleted_at IS NULL
"""
_PRODUCTS = "SELECT id, name, is_default, child_weight_kg::float8, parent_weight_kg::float8 FROM products"


class BillView(msgspec.Struct, frozen=True, array_like=True):
    """A bill that is not deleted. `parents` are the codes of the bags on it, in the order in which they came."""

    id: int
    code: str
    description: str
    destination: str
    vehicle_number: str
    capacity: int
    bag_count: int
    status: str
    created_by: int | None
    created_at: datetime
    updated_at: datetime
    completed_at: datetime | None
    parents: list[str]


class ProductView(msgspec.Struct, frozen=True, array_like=True):
    """Weights in kilograms, of a child and of a full parent."""

    name: str
    child_weight_kg: float
    parent_weight_kg: float


class Weights(msgspec.Struct, frozen=True):
    """Kilograms: of the children there are, and of the parents as they should be."""

    actual_kg: float
    expected_kg: float
    children: int


BILL: Codec[BillView | None] = Codec.of(BillView)


def changes_of(entries: Sequence[Entry], doubtful: Iterable[Scan | Undo] = ()) -> tuple[set[str], dict[str, bytes]]:
    """(the cache keys of what these entries changed, patches of parents by key).

    Entries recorded by an earlier call count too: whoever recorded them may have ended before he told of it. So do
    doubtful scans, of which nobody knows whether they were recorded.
    """
    patches = steps_of(entries)
    keys = set()
    for entry in entries:
        if entry.refusal is None and entry.outcome is not Outcome.PARENT_OPENED:
            keys.add(f"bag:{entry.code}")
            if entry.parent is not None:
                keys.add(f"bag:{entry.parent}")
                if entry.replay:
                    patches.pop(f"bag:{entry.parent}", None)
            if entry.bill is not None:
                keys.add(f"bill:{entry.bill.upper()}")
    for item in doubtful:
        codes = [f"bag:{code}" for code in (item.code, item.parent) if code is not None]
        keys.update(codes)
        for key in codes:
            patches.pop(key, None)
        if isinstance(item, Scan) and item.bill is not None:
            keys.add(f"bill:{item.bill.upper()}")
    return keys.difference(patches), patches


class Views:
    """Reads by code over a pool of connections. Codes are in their stored form (bills: in any case)."""

    def __init__(self, pool: Any, cache: Cache) -> None:
        self._pool = pool
        self._cache = cache

    async def bag(self, code: str) -> BagView | None:
        """Raises what asyncpg raises."""

        async def load() -> BagView | None:
            row = await self._pool.fetchrow(_BAG, code)
            return bag_view(row) if row is not None else None

        return await self._cache.get(f"bag:{code}", load, BAG)

    async def bags(self, codes: Iterable[str]) -> list[BagView]:
        """Those of them that exist, in that order."""
        found = await asyncio.gather(*(self.bag(code) for code in codes))
        return [bag for bag in found if bag is not None]

    async def bill(self, code: str) -> BillView | None:
        """Raises what asyncpg raises."""
        folded = code.upper()

        async def load() -> BillView | None:
            row = await self._pool.fetchrow(_BILL, folded)
            return BillView(*row) if row is not None else None

        return await self._cache.get(f"bill:{folded}", load, BILL)

    async def products(self) -> dict[int | None, ProductView]:
        """Products by id; the default one is under None too. Whoever changes a product changes the key `products`."""

        async def load() -> dict[int | None, ProductView]:
            found: dict[int | None, ProductView] = {}
            for row in await self._pool.fetch(_PRODUCTS):
                found[row[0]] = ProductView(row[1], row[3], row[4])
                if row[2]:
                    found[None] = found[row[0]]
            return found

        return await self._cache.get("products", load)

    async def weights(self, parents: Sequence[BagView]) -> Weights:
        """Of these parents together."""
        return weights_of(parents, await self.products())


def weights_of(parents: Sequence[BagView], products: Mapping[int | None, ProductView]) -> Weights:
    """Of these parents together."""
    actual = expected = 0.0
    for bag in parents:
        product = products[bag.product if bag.product in products else None]
        actual += bag.child_count * product.child_weight_kg
        expected += product.parent_weight_kg
    return Weights(round(actual, 3), round(expected, 3), sum(bag.child_count for bag in parents))
