"""Tasks end, also those that miss that they are told to."""

from __future__ import annotations

import asyncio
import time

import pytest

from tracetrack_app import tasks


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "_HEARD_WITHIN", 0.01)


async def test_one_that_is_over_or_was_never_begun_is_no_matter() -> None:
    async def fails() -> None:
        raise OSError("refused")

    await tasks.end(None, asyncio.create_task(fails()))
    await tasks.end()


async def test_a_cancellation_that_a_library_loses_is_repeated() -> None:
    heard = 0

    async def follow() -> None:
        nonlocal heard
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                heard += 1
                if heard == 3:
                    raise

    following, other = asyncio.create_task(follow()), asyncio.create_task(asyncio.sleep(60))
    await asyncio.sleep(0)
    began = time.monotonic()
    await tasks.end(following, other)
    assert heard == 3
    assert following.cancelled()
    assert time.monotonic() - began < 30
