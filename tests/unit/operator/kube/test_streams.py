"""How a watch of children goes on, whatever ends it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from tracetrack_operator.engine.errors import RetryableError
from tracetrack_operator.engine.objects import Object
from tracetrack_operator.kube import streams
from tracetrack_operator.kube.streams import ChildStream

Events = list[tuple[str, Object]]


def pod(name: str, version: int) -> Object:
    return {"metadata": {"name": name, "resourceVersion": str(version)}}


GONE: tuple[str, Object] = ("ERROR", {"code": 410, "message": "too old"})
SICK: tuple[str, Object] = ("ERROR", {"code": 500, "message": "etcd is away"})


class Server:
    """Answers each watch with the next of `answers`, an exception among them breaking it off; then with silence."""

    def __init__(self, *answers: list[Any]) -> None:
        self.answers = [*answers]
        self.asked: list[str] = []
        self.idle = asyncio.Event()

    async def watch(
        self, kind: str, namespace: str, label_selector: str, version: str, seconds: int, silence: float
    ) -> AsyncIterator[tuple[str, Object]]:
        assert (kind, namespace, label_selector) == ("Pod", "shop", "ours")
        assert seconds > silence
        self.asked.append(version)
        if not self.answers:
            self.idle.set()
            await asyncio.sleep(3600)
        for event in self.answers.pop(0):
            if isinstance(event, Exception):
                raise event
            yield event


async def followed(server: Server, lists: list[Any] | None = None) -> tuple[list[str], int]:
    """The events that were handled, and how often a LIST was asked for."""
    seen: list[str] = []
    listed = 0

    async def relist(kind: str) -> None:
        nonlocal listed
        listed += 1
        found = (lists or ["100"]).pop(0)
        if isinstance(found, Exception):
            raise found
        stream.listed(found)

    def handle(kind: str, type_: str, obj: Object) -> None:
        seen.append(f"{type_} {obj['metadata']['name']}")

    stream = ChildStream(server, "Pod", "shop", "ours", handle, relist)
    stream.listed("7")
    following = asyncio.create_task(stream.follow())
    async with asyncio.timeout(5):
        await server.idle.wait()
    following.cancel()
    return seen, listed


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "RETRY_SECONDS", (0.001, 0.002))


async def test_goes_on_from_the_last_event_or_bookmark() -> None:
    server = Server([("ADDED", pod("a", 8)), ("BOOKMARK", pod("", 12))], [("DELETED", pod("a", 13))])
    assert await followed(server) == (["ADDED a", "DELETED a"], 0)
    assert server.asked == ["7", "12", "13"]


@pytest.mark.parametrize("failure", [RetryableError("KubernetesUnreachable", "away"), None])
async def test_what_breaks_off_is_taken_up_where_it_was(failure: Exception | None) -> None:
    server = Server([("ADDED", pod("a", 8)), failure] if failure else [], [failure] if failure else [])
    await followed(server)
    assert server.asked == (["7", "8", "8"] if failure else ["7", "7", "7"])


@pytest.mark.parametrize("error", [GONE, SICK])
async def test_what_the_server_no_longer_has_is_listed(error: tuple[str, Object]) -> None:
    server = Server([("ADDED", pod("a", 8)), error], [("ADDED", pod("b", 101))])
    assert await followed(server) == (["ADDED a", "ADDED b"], 1)
    assert server.asked == ["7", "100", "101"]


async def test_a_list_that_fails_is_tried_again() -> None:
    server = Server([GONE])
    assert await followed(server, [RetryableError("KubernetesUnreachable", "away"), "100"]) == ([], 2)
    assert server.asked == ["7", "100"]


async def test_a_resync_does_not_turn_a_watch_back() -> None:
    server = Server([("ADDED", pod("a", 8))])
    relisted: list[Callable[[], None]] = []

    async def relist(kind: str) -> None:
        relisted.append(lambda: None)

    stream = ChildStream(server, "Pod", "shop", "ours", lambda *_: stream.listed("3"), relist)
    stream.listed("7")
    following = asyncio.create_task(stream.follow())
    async with asyncio.timeout(5):
        await server.idle.wait()
    following.cancel()
    assert (server.asked, relisted) == (["7", "8"], [])
