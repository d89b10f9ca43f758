"""Products and areas."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.integration.app.v1.conftest import denied, fill, refused

PRODUCTS = "/api/v1/products"
AREAS = "/api/v1/areas"


@pytest.fixture
async def kota(admin: httpx.AsyncClient, sql: Any) -> Any:
    """An area of the test's own, gone afterwards."""
    assert (await admin.post(AREAS, json={"name": "kota"})).status_code == 201
    yield "kota"
    await sql.execute("DELETE FROM bags WHERE area = 'kota'")
    await sql.execute("DELETE FROM areas WHERE name = 'kota'")


async def test_a_product_sets_what_new_parents_take(admin: httpx.AsyncClient) -> None:
    body = {"name": "Rice", "code_prefix": "m444", "capacity": 2, "child_weight_kg": 25, "parent_weight_kg": 50.5}
    made = await admin.post(PRODUCTS, json=body)
    assert made.status_code == 201, made.text
    path = made.headers["location"]
    assert made.json() == {
        "id": int(path.rpartition("/")[2]),
        "name": "Rice",
        "code_prefix": "M444",
        "capacity": 2,
        "child_weight_kg": 25.0,
        "parent_weight_kg": 50.5,
        "is_default": False,
    }
    await fill(admin, "M444-00001", "CHILD001", "CHILD002")
    bag = (await admin.get("/api/v1/bags", params={"q": "M444"})).json()["items"][0]
    assert (bag["status"], bag["expected_count"]) == ("completed", 2)
    assert [product["name"] for product in (await admin.get(PRODUCTS)).json()] == ["Standard", "Rice"]
    changed = (await admin.patch(path, json={"code_prefix": "", "capacity": 3})).json()
    assert (changed["code_prefix"], changed["capacity"], changed["name"]) == (None, 3, "Rice")
    assert refused(await admin.delete(path), 409, "product-in-use")["product"] == "Rice"
    await admin.patch("/api/v1/bags/M444-00001", json={"product": None})
    assert (await admin.delete(path)).status_code == 204
    refused(await admin.delete(path), 404, "product-not-found")
    refused(await admin.patch(path, json={}), 404, "product-not-found")


async def test_what_a_product_may_not_be(admin: httpx.AsyncClient) -> None:
    [standard] = (await admin.get(PRODUCTS)).json()
    default = f"{PRODUCTS}/{standard['id']}"
    await admin.post(PRODUCTS, json={"name": "Rice", "code_prefix": "RI"})
    refused(await admin.post(PRODUCTS, json={"name": "rice"}), 409, "product-exists")
    taken = refused(await admin.post(PRODUCTS, json={"name": "Ragi", "code_prefix": "ri"}), 409, "product-exists")
    assert taken["code_prefix"] == "ri"
    refused(await admin.patch(default, json={"code_prefix": "X"}), 409, "product-in-use")
    refused(await admin.delete(default), 409, "product-in-use")
    for body in (
        {},
        {"name": " "},
        {"name": "x", "capacity": 0},
        {"name": "x", "capacity": 1001},
        {"name": "x", "child_weight_kg": 0},
        {"name": "x", "parent_weight_kg": 1000000},
        {"name": "x", "child_weight_kg": 0.0001},
        {"name": "x", "child_weight_kg": "1"},
        {"name": "x", "code_prefix": "a prefix too long"},
    ):
        refused(await admin.post(PRODUCTS, json=body), 422, "malformed")


async def test_areas_come_and_go(admin: httpx.AsyncClient, kota: str) -> None:
    names = [area["name"] for area in (await admin.get(AREAS)).json()]
    assert "lucknow" in names
    assert kota in names
    refused(await admin.post(AREAS, json={"name": kota}), 409, "area-exists")
    await fill(admin, "SB00001")
    await admin.patch("/api/v1/bags/SB00001", json={"area": kota})
    refused(await admin.delete(f"{AREAS}/{kota}"), 409, "area-in-use")
    await admin.patch("/api/v1/bags/SB00001", json={"area": None})
    assert (await admin.delete(f"{AREAS}/{kota}")).status_code == 204
    refused(await admin.delete(f"{AREAS}/{kota}"), 404, "area-not-found")
    for name in ("", "New Delhi", "x" * 51):
        refused(await admin.post(AREAS, json={"name": name}), 422, "malformed")


async def test_a_product_weighs_the_bags_that_are_there(admin: httpx.AsyncClient) -> None:
    await fill(admin, "SB00001", "CHILD001")
    made = await admin.post(PRODUCTS, json={"name": "Rice", "child_weight_kg": 2})
    await admin.patch("/api/v1/bags/SB00001", json={"product": "Rice"})
    assert (await admin.get("/api/v1/bags/SB00001")).json()["actual_weight_kg"] == 2.0
    await admin.patch(made.headers["location"], json={"child_weight_kg": 3.5})
    assert (await admin.get("/api/v1/bags/SB00001")).json()["actual_weight_kg"] == 3.5


async def test_only_admins_set_them_up(biller: httpx.AsyncClient, lucknow: httpx.AsyncClient) -> None:
    for client in (biller, lucknow):
        for path in (PRODUCTS, AREAS):
            assert (await client.get(path)).status_code == 200
            await denied(client, "POST", path, "settings", json={"name": "x"})
        await denied(client, "PATCH", f"{PRODUCTS}/1", "settings", json={})
        await denied(client, "DELETE", f"{PRODUCTS}/1", "settings")
        await denied(client, "DELETE", f"{AREAS}/lucknow", "settings")
