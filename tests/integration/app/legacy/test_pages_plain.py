"""Bags as pages, and as JSON for whoever does not ask for HTML."""

from __future__ import annotations

import re
from html import unescape

import httpx

from tests.integration.app.legacy.making import bill, parent

PAGE = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


async def test_the_list_of_bags_is_a_page_and_json(worker: httpx.AsyncClient) -> None:
    for number in range(3):
        await parent(worker, f"SB0000{number}", f"CHILD{number}")
    for path in ("/bags", "/bag_management"):
        body = (await worker.get(path, params={"type": "parent", "limit": 2})).json()
        assert [bag["qr_id"] for bag in body["bags"]] == ["SB00002", "SB00001"]
        page = await worker.get(path, params={"type": "parent", "limit": 2}, headers=PAGE)
        assert page.headers["content-type"].startswith("text/html")
        assert "content-security-policy" in page.headers
        assert 'href="/bag/SB00002"' in page.text
        assert "1/30" in page.text
        more = re.search(r'href="([^"]+)">More<', page.text)
        assert more
        rest = await worker.get(unescape(more[1]), headers=PAGE)
        assert "SB00000" in rest.text
        assert "CHILD" not in rest.text.replace("type=child", "")
        assert ">More<" not in rest.text
    assert "Nothing here" in (await worker.get("/bags", params={"search": "nothing"}, headers=PAGE)).text
    wrong = await worker.get("/bags", params={"type": "truck"}, headers=PAGE)
    assert (wrong.status_code, "type must be" in wrong.text) == (400, True)
    completed = (await worker.get("/bags", params={"status": "completed"})).json()
    assert completed["count"] == 0


async def test_a_bag_is_shown_with_what_is_in_it_and_what_it_is_in(
    worker: httpx.AsyncClient, dispatcher: httpx.AsyncClient
) -> None:
    await parent(worker, "SB00001", "CHILD1", "CHILD2")
    number = await bill(worker, "B-1", "SB00001")
    body = (await worker.get("/bag/sb00001")).json()
    assert (body["success"], body["qr_id"], body["bill_id"], body["bill_number"]) == (True, "SB00001", "B-1", number)
    assert [child["qr_id"] for child in body["children"]] == ["CHILD1", "CHILD2"]
    child = (await worker.get("/bag/child1")).json()
    assert (child["parent_qr"], child["bill_id"], child["children"]) == ("SB00001", "B-1", [])
    page = (await worker.get("/bag/SB00001", headers=PAGE)).text
    for words in ('href="/bag/CHILD1"', f'href="/bill/{number}"', "2 of 30"):
        assert words in page
    assert "Delete" not in page
    assert 'href="/bag/SB00001"' in (await worker.get("/bag/CHILD1", headers=PAGE)).text
    await parent(worker, "SB00002")
    assert "Delete" in (await worker.get("/bag/SB00002", headers=PAGE)).text
    for path in ("/bag/SB00099", "/bag/%3Cscript%3E"):
        assert (await worker.get(path)).status_code == 404
        missing = await worker.get(path, headers=PAGE)
        assert (missing.status_code, "<script>" in missing.text) == (404, False)
    assert (await dispatcher.get("/bag/SB00001")).status_code == 404
    await parent(dispatcher, "SB00003")
    own = (await dispatcher.get("/bag/SB00003", headers=PAGE)).text
    assert "lucknow" in own
    assert "Delete" not in own


async def test_a_look_up_finds_whatever_is_called_so(worker: httpx.AsyncClient) -> None:
    await parent(worker, "SB00012", "CHILD1")
    await bill(worker, "Delhi-7", "SB00012")
    assert (await worker.get("/lookup")).json()["count"] == 0
    assert 'name="q"' in (await worker.get("/lookup", headers=PAGE)).text
    for name in ("q", "qr_code", "qr_id"):
        assert (await worker.get("/lookup", params={name: " sb00012"})).json()["match"] == "SB00012"
    assert (await worker.post("/lookup", data={"qr_code": "child1"})).json()["match"] == "CHILD1"
    page = (await worker.get("/lookup", params={"q": "delhi-7"}, headers=PAGE)).text
    assert "Delhi-7" in page
    near = (await worker.get("/lookup", params={"q": "SBOOO12"}, headers=PAGE)).text
    assert "Did you mean SB00012?" in near
    assert "Nothing is called SBOOO12." in near
    hostile = (await worker.get("/lookup", params={"q": "<img src=x>"}, headers=PAGE)).text
    assert "<img" not in hostile


async def test_the_dashboard_of_a_dispatcher_is_of_his_area(
    worker: httpx.AsyncClient, dispatcher: httpx.AsyncClient
) -> None:
    await parent(worker, "SB00001", "CHILD1")
    await parent(dispatcher, "SB00002")
    page = (await dispatcher.get("/dashboard", headers=PAGE)).text
    assert "SB00002" in page
    assert "SB00001" not in page
    assert "CHILD1" not in page
    assert "SB00001" in (await worker.get("/dashboard", headers=PAGE)).text


async def test_a_stranger_is_sent_to_the_log_in(anonymous: httpx.AsyncClient) -> None:
    for path in ("/bags", "/bag_management", "/bag/SB00001", "/lookup"):
        page = await anonymous.get(path, headers=PAGE)
        assert (page.status_code, page.headers["location"]) == (302, "/login"), path
        script = await anonymous.get(path)
        assert (script.status_code, script.json()["auth_required"]) == (401, True), path
