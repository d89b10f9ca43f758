"""What an admin sets up: products with their capacity and weights, and areas."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

import asyncpg

from tracetrack_app.domain.rules import Rule, RuleError
from tracetrack_app.store.ledger import Ledger
from tracetrack_app.store.statements import parent_capacity

# What is cached of products: bags' weights are made from it.
_KEYS = ["products"]
_PRODUCT = (
    "SELECT p.id, p.name, p.code_prefix, p.child_weight_kg, p.parent_weight_kg, p.is_default,"  # noqa: S608
    f" coalesce(p.capacity, {parent_capacity(1)}) AS capacity FROM products p"
)


@dataclass(frozen=True, slots=True)
class Product:
    """`code_prefix`: new parents whose code begins so are of it. Weights in kilograms, of a child and a full parent."""

    id: int
    name: str
    code_prefix: str | None
    capacity: int
    child_weight_kg: Decimal
    parent_weight_kg: Decimal
    is_default: bool


@dataclass(frozen=True, slots=True)
class ProductChange:
    """What to set; a field left out stays. A `code_prefix` of "" takes the prefix away."""

    name: str | None = None
    code_prefix: str | None = None
    capacity: int | None = None
    child_weight_kg: Decimal | None = None
    parent_weight_kg: Decimal | None = None


class Catalogue:
    """`capacity` is that of products that say none if nobody set one. A product's new capacity is for new parents.

    All is read from the primary: it is little, and what scans and forms go by.
    """

    def __init__(self, ledger: Ledger, capacity: int) -> None:
        self._ledger = ledger
        self._capacity = capacity

    async def products(self) -> list[Product]:
        async def work(connection: Any) -> list[Product]:
            rows = await connection.fetch(f"{_PRODUCT} ORDER BY NOT p.is_default, lower(p.name)", self._capacity)
            return [Product(**dict(row)) for row in rows]

        return await self._ledger.read(work)

    async def add_product(self, name: str, change: ProductChange) -> Product:
        """Raises RuleError when the name or the prefix is taken."""

        async def work(connection: Any) -> tuple[Product, list[str]]:
            try:
                number = await connection.fetchval(
                    "INSERT INTO products (name, code_prefix, capacity, child_weight_kg, parent_weight_kg)"
                    " VALUES ($1, nullif(upper($2), ''), $3, coalesce($4::numeric, 1), coalesce($5::numeric, 30))"
                    " RETURNING id",
                    name,
                    change.code_prefix,
                    change.capacity,
                    change.child_weight_kg,
                    change.parent_weight_kg,
                )
            except asyncpg.UniqueViolationError as error:
                raise _taken(name, change, error) from None
            made = await self._product(connection, number)
            await self._ledger.note(connection, "product.create", "product", name, after=asdict(made))
            return made, _KEYS

        return await self._ledger.change(work)

    async def change_product(self, product: int, change: ProductChange) -> Product:
        """Raises RuleError: not found, the name or prefix is taken, a prefix for the default product."""

        async def work(connection: Any) -> tuple[Product, list[str]]:
            before = await self._product(connection, product)
            try:
                await connection.execute(
                    "UPDATE products SET name = coalesce($2, name),"
                    " code_prefix = CASE WHEN $3::text IS NULL THEN code_prefix ELSE nullif(upper($3), '') END,"
                    " capacity = coalesce($4, capacity), child_weight_kg = coalesce($5, child_weight_kg),"
                    " parent_weight_kg = coalesce($6, parent_weight_kg), updated_at = now() WHERE id = $1",
                    product,
                    change.name,
                    change.code_prefix,
                    change.capacity,
                    change.child_weight_kg,
                    change.parent_weight_kg,
                )
            except asyncpg.UniqueViolationError as error:
                raise _taken(before.name, change, error) from None
            except asyncpg.CheckViolationError as error:
                if error.constraint_name != "products_default_takes_any":
                    raise
                message = f"{before.name} is the default product: it takes every code, so it has no prefix."
                raise RuleError(Rule.PRODUCT_IN_USE, message, product=before.name) from None
            after = await self._product(connection, product)
            await self._ledger.note(
                connection, "product.update", "product", before.name, before=asdict(before), after=asdict(after)
            )
            return after, _KEYS

        return await self._ledger.change(work)

    async def delete_product(self, product: int) -> None:
        """Raises RuleError: not found, the default one, or with parents of it."""

        async def work(connection: Any) -> tuple[None, list[str]]:
            found = await self._product(connection, product)
            if found.is_default:
                raise RuleError(Rule.PRODUCT_IN_USE, f"{found.name} is the default product.", product=found.name)
            try:
                await connection.execute("DELETE FROM products WHERE id = $1", product)
            except asyncpg.ForeignKeyViolationError:
                message = f"There are parent bags of product {found.name}: assign them another first."
                raise RuleError(Rule.PRODUCT_IN_USE, message, product=found.name) from None
            await self._ledger.note(connection, "product.delete", "product", found.name, before=asdict(found))
            return None, _KEYS

        await self._ledger.change(work)

    async def _product(self, connection: Any, product: int) -> Product:
        row = await connection.fetchrow(f"{_PRODUCT} WHERE p.id = $2", self._capacity, product)
        if row is None:
            raise RuleError(Rule.PRODUCT_NOT_FOUND, f"There is no product {product}.", product=str(product))
        return Product(**dict(row))

    async def areas(self) -> list[str]:
        async def work(connection: Any) -> list[str]:
            return [row["name"] for row in await connection.fetch("SELECT name FROM areas ORDER BY name")]

        return await self._ledger.read(work)

    async def add_area(self, name: str) -> None:
        """Raises RuleError when there is one of that name."""

        async def work(connection: Any) -> tuple[None, list[str]]:
            sql = "INSERT INTO areas (name) VALUES (lower($1)) ON CONFLICT DO NOTHING RETURNING name"
            if await connection.fetchval(sql, name) is None:
                raise RuleError(Rule.AREA_EXISTS, f"Area {name} exists already.", area=name)
            await self._ledger.note(connection, "area.create", "area", name)
            return None, []

        await self._ledger.change(work)

    async def delete_area(self, name: str) -> None:
        """Raises RuleError: not found, or with bags or people in it."""

        async def work(connection: Any) -> tuple[None, list[str]]:
            try:
                sql = "DELETE FROM areas WHERE name = lower($1) RETURNING name"
                if await connection.fetchval(sql, name) is None:
                    raise RuleError(Rule.AREA_NOT_FOUND, f"There is no area {name!r}.", area=name)
            except asyncpg.ForeignKeyViolationError:
                message = f"There are bags or people in area {name}: assign them another first."
                raise RuleError(Rule.AREA_IN_USE, message, area=name) from None
            await self._ledger.note(connection, "area.delete", "area", name)
            return None, []

        await self._ledger.change(work)


def _taken(name: str, change: ProductChange, error: asyncpg.UniqueViolationError) -> RuleError:
    if error.constraint_name == "products_code_prefix":
        prefix = change.code_prefix
        return RuleError(Rule.PRODUCT_EXISTS, f"Another product has the prefix {prefix}.", code_prefix=prefix)
    return RuleError(Rule.PRODUCT_EXISTS, f"There is a product {change.name or name} already.", product=name)
