"""One computation for many, never older than the question."""

from __future__ import annotations

import asyncio

import pytest

from tracetrack_app.store.fresh import Fresh


class Counter:
    def __init__(self) -> None:
        self.began = 0
        self.go = asyncio.Event()

    async def __call__(self) -> int:
        self.began += 1
        number = self.began
        await self.go.wait()
        return number


async def test_calls_before_it_begins_share_it_and_later_ones_do_not() -> None:
    compute = Counter()
    fresh = Fresh(compute)
    first = [asyncio.create_task(fresh.get()) for _ in range(3)]
    await asyncio.sleep(0.01)
    assert compute.began == 1
    late = [asyncio.create_task(fresh.get()) for _ in range(3)]
    await asyncio.sleep(0.01)
    assert compute.began == 1
    compute.go.set()
    assert await asyncio.gather(*first) == [(1, False), (1, True), (1, True)]
    assert await asyncio.gather(*late) == [(2, False), (2, True), (2, True)]
    assert await fresh.get() == (3, False)


async def test_a_failure_is_told_to_all_and_not_kept() -> None:
    failing = True

    async def compute() -> str:
        await asyncio.sleep(0)
        if failing:
            raise OSError("away")
        return "there"

    fresh = Fresh(compute)
    found = await asyncio.gather(fresh.get(), fresh.get(), return_exceptions=True)
    assert [type(each) for each in found] == [OSError, OSError]
    failing = False
    assert await fresh.get() == ("there", False)


async def test_a_caller_that_leaves_does_not_end_it_for_the_others() -> None:
    compute = Counter()
    fresh = Fresh(compute)
    leaving, staying = asyncio.create_task(fresh.get()), asyncio.create_task(fresh.get())
    await asyncio.sleep(0.01)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    compute.go.set()
    assert await staying == (1, True)
