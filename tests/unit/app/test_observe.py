"""What a request that fails is answered, and what the log says of it."""

from __future__ import annotations

import json
import logging

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from tracetrack_app.http.observe import Observe


async def broken(_scope: Scope, _receive: Receive, _send: Send) -> None:
    raise ZeroDivisionError("secret words")


@pytest.mark.parametrize("path", ["/api/bags", "/api/v1/bags"])
@pytest.mark.parametrize("given", [{}, {"X-Request-ID": "req-42"}])
async def test_the_log_names_the_request_that_the_answer_names(
    path: str, given: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    transport = httpx.ASGITransport(Observe(broken, lambda: False))
    with caplog.at_level(logging.ERROR):
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            answer = await client.get(path, headers=given)
    assert answer.status_code == 500
    assert "secret" not in answer.text
    number = json.loads(answer.content)["request_id"]
    assert number == given.get("X-Request-ID", number)
    assert len(number) in (6, 32)
    assert f"GET {path} failed, request_id {number}" in caplog.text
