"""What an admin sets up: products and areas."""

from __future__ import annotations

from dataclasses import asdict
from decimal import Decimal
from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field, Strict
from starlette.responses import Response

from tracetrack_app.domain.people import Permission
from tracetrack_app.domain.rules import Rule
from tracetrack_app.http.auth.caller import Caller, needs
from tracetrack_app.http.v1.problems import documented
from tracetrack_app.http.v1.shapes import AREA, MAX_ID, VISIBLE, Here, Shape, Whole, Words
from tracetrack_app.store.catalogue import Product, ProductChange

products = APIRouter(prefix="/api/v1/products", tags=["products"])
areas = APIRouter(prefix="/api/v1/areas", tags=["areas"])
_Reader = Annotated[Caller, needs(Permission.LOOKUP)]
_Admin = Annotated[Caller, needs(Permission.SETTINGS)]
_ProductPath = Annotated[int, Path(ge=1, le=MAX_ID, description="The product's id.", examples=[1])]
_Name = Annotated[str, Field(max_length=100, pattern=VISIBLE, examples=["Rice 25 kg"]), Words]
_Prefix = Annotated[
    str,
    Field(
        pattern="^(?:[A-Za-z0-9][A-Za-z0-9-]{0,9})?$",
        description='New parents whose code begins so are of it; "" takes it away.',
        examples=["M444"],
    ),
]
_Capacity = Annotated[int, Strict(), Field(ge=1, le=1000, description="Children that a new parent takes."), Whole]
_Weight = Annotated[float, Strict(), Field(ge=0.001, le=999_999, allow_inf_nan=False, examples=[1.0])]


class ProductOut(BaseModel):
    """A product. Weights in kilograms, of a child and of a full parent."""

    id: int
    name: str
    code_prefix: str | None
    capacity: int
    child_weight_kg: float
    parent_weight_kg: float
    is_default: bool


class ProductPatch(Shape):
    """What to set; a field left out stays. A new capacity is for new parents."""

    name: _Name | None = None
    code_prefix: _Prefix | None = None
    capacity: _Capacity | None = None
    child_weight_kg: _Weight | None = None
    parent_weight_kg: _Weight | None = None

    def change(self) -> ProductChange:
        return ProductChange(
            self.name, self.code_prefix, self.capacity, _grams(self.child_weight_kg), _grams(self.parent_weight_kg)
        )


class ProductIn(ProductPatch):
    """A product to add. Without a capacity it has that of the service; weights of 1 and 30 kg."""

    name: _Name


class AreaIn(Shape):
    """An area to add."""

    name: Annotated[str, Field(pattern=AREA, examples=["kota"])]


class AreaOut(BaseModel):
    """An area, which limits what its dispatchers see and do."""

    name: str


def _grams(weight: float | None) -> Decimal | None:
    """Kilograms to the gram, as they are stored."""
    return None if weight is None else round(Decimal(str(weight)), 3)


def _product(product: Product) -> ProductOut:
    return ProductOut.model_validate(asdict(product))


@products.get("", responses=documented())
async def list_products(service: Here, caller: _Reader) -> list[ProductOut]:
    """All products, the default first."""
    return [_product(product) for product in await service.catalogue.products()]


@products.post("", status_code=201, responses=documented([Rule.PRODUCT_EXISTS]))
async def add_product(response: Response, service: Here, caller: _Admin, body: ProductIn) -> ProductOut:
    """Add a product."""
    made = await service.catalogue.add_product(body.name, body.change())
    response.headers["Location"] = f"/api/v1/products/{made.id}"
    return _product(made)


@products.patch("/{product}", responses=documented([Rule.PRODUCT_NOT_FOUND, Rule.PRODUCT_EXISTS, Rule.PRODUCT_IN_USE]))
async def change_product(service: Here, caller: _Admin, product: _ProductPath, body: ProductPatch) -> ProductOut:
    """Change a product."""
    return _product(await service.catalogue.change_product(product, body.change()))


@products.delete("/{product}", status_code=204, responses=documented([Rule.PRODUCT_NOT_FOUND, Rule.PRODUCT_IN_USE]))
async def delete_product(service: Here, caller: _Admin, product: _ProductPath) -> None:
    """Delete a product that no parent is of."""
    await service.catalogue.delete_product(product)


@areas.get("", responses=documented())
async def list_areas(service: Here, caller: _Reader) -> list[AreaOut]:
    """All areas, by name."""
    return [AreaOut(name=name) for name in await service.catalogue.areas()]


@areas.post("", status_code=201, responses=documented([Rule.AREA_EXISTS]))
async def add_area(service: Here, caller: _Admin, body: AreaIn) -> AreaOut:
    """Add an area."""
    await service.catalogue.add_area(body.name)
    return AreaOut(name=body.name)


@areas.delete("/{name}", status_code=204, responses=documented([Rule.AREA_NOT_FOUND, Rule.AREA_IN_USE]))
async def delete_area(
    service: Here, caller: _Admin, name: Annotated[str, Path(pattern=AREA, examples=["kota"])]
) -> None:
    """Delete an area that no bag and nobody is in."""
    await service.catalogue.delete_area(name)
