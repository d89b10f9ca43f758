"""Bags, bills and tickets made by the calls of the old contract."""

from __future__ import annotations

from typing import Any

import httpx


async def parent(client: httpx.AsyncClient, code: str, *children: str) -> None:
    """A parent with these children in it."""
    answer = await client.post("/api/fast_parent_scan", data={"qr_code": code})
    assert answer.json()["success"], answer.text
    for child in children:
        linked = await client.post("/process_child_scan_fast", json={"qr_code": child, "parent_qr": code})
        assert linked.json()["success"], linked.text


async def bill(client: httpx.AsyncClient, code: str, *parents: str) -> int:
    """The number of a bill with these parents on it."""
    made = await client.post("/bill/create", data={"bill_id": code, "capacity": 10})
    assert made.status_code == 302, made.text
    number = int(made.headers["location"].removeprefix("/bill/"))
    for each in parents:
        answer = await client.post("/fast/bill_parent_scan", json={"bill_id": number, "qr_code": each})
        assert answer.json()["success"], answer.text
    return number


def refused(answer: httpx.Response, error_type: str, words: str = "") -> dict[str, Any]:
    """The body of an answer that is refused as the old clients expect: HTTP 200."""
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    assert (body["success"], body["error_type"]) == (False, error_type), body
    assert words.lower() in body["message"].lower(), body["message"]
    return body
