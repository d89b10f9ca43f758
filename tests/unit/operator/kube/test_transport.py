"""Requests that a busy server puts off."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from kubernetes import client

from tracetrack_operator.kube.transport import ASKED_AGAIN, Transport

PATH = "/api/v1/pods"


class Busy:
    """Puts off as many requests as `times` says, in the way of a server whose storage is starting."""

    def __init__(self) -> None:
        self.times = 0
        self.answer = web.HTTPTooManyRequests
        self.headers = {"Retry-After": "0"}
        self.asked: list[bytes] = []

    async def handle(self, request: web.Request) -> web.Response:
        self.asked.append(await request.read())
        if len(self.asked) <= self.times:
            raise self.answer(headers=self.headers)
        return web.json_response({"items": []})


@pytest.fixture
def busy() -> Busy:
    return Busy()


@pytest.fixture
async def transport(busy: Busy) -> AsyncIterator[Transport]:
    app = web.Application()
    app.router.add_route("*", PATH, busy.handle)
    async with TestServer(app, host="127.0.0.1") as server:
        configuration = client.Configuration()
        configuration.host = str(server.make_url("")).rstrip("/")
        made = Transport(configuration, 2)
        yield made
        await made.close()


@pytest.mark.parametrize("answer", [web.HTTPTooManyRequests, web.HTTPServiceUnavailable])
async def test_what_a_busy_server_puts_off_is_sent_again(
    transport: Transport, busy: Busy, answer: type[web.HTTPTooManyRequests]
) -> None:
    busy.times, busy.answer = 2, answer
    status, content = await transport.request("PATCH", PATH, {}, b"whole")
    assert (status, content) == (200, b'{"items": []}')
    assert busy.asked == [b"whole"] * 3


async def test_after_some_time_the_refusal_is_told(transport: Transport, busy: Busy) -> None:
    busy.times = 100
    status, _ = await transport.request("GET", PATH, {})
    assert (status, len(busy.asked)) == (429, ASKED_AGAIN + 1)


async def test_a_refusal_without_a_time_is_told_at_once(transport: Transport, busy: Busy) -> None:
    busy.times, busy.headers = 100, {}
    status, _ = await transport.request("GET", PATH, {})
    assert (status, len(busy.asked)) == (429, 1)
