from __future__ import annotations

import asyncio

import pytest

from tracetrack_operator.engine.objects import Key
from tracetrack_operator.engine.queue import LAST_SECONDS, ROUTINE_SECONDS, WorkQueue

A, B = Key("Thing", "shop", "a"), Key("Thing", "shop", "b")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def queue(clock: Clock) -> WorkQueue:
    return WorkQueue(base_delay=0.5, max_delay=300.0, clock=clock)


async def taken(queue: WorkQueue) -> list[Key]:
    """Every key that can be had without waiting; each is given back."""
    keys: list[Key] = []
    while True:
        try:
            async with asyncio.timeout(0.01):
                key = await queue.get()
        except TimeoutError:
            return keys
        keys.append(key)
        queue.done(key)


async def test_a_key_that_waits_is_queued_once_and_in_the_order_of_its_first_arrival(queue: WorkQueue) -> None:
    for key in (A, B, A, A):
        queue.add(key)
    assert len(queue) == 2
    assert await taken(queue) == [A, B]


async def test_a_key_in_work_is_queued_again_only_when_it_is_done(queue: WorkQueue) -> None:
    queue.add(A)
    assert await queue.get() == A
    queue.add(A)
    queue.add(A)
    queue.add(B)
    assert await queue.get() == B
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await queue.get()
    queue.done(A)
    assert await queue.get() == A
    queue.done(A)
    assert len(queue) == 0


async def test_a_delayed_key_comes_when_it_is_due_and_not_before(queue: WorkQueue, clock: Clock) -> None:
    queue.add_after(A, 5)
    clock.now += 4.9
    assert await taken(queue) == []
    clock.now += 0.2
    assert await taken(queue) == [A]


async def test_the_earlier_of_two_delays_counts_and_the_later_is_dropped(queue: WorkQueue, clock: Clock) -> None:
    queue.add_after(A, 60)
    queue.add_after(A, 5)
    queue.add_after(A, 30)
    clock.now += 5
    assert await taken(queue) == [A]
    clock.now += 100
    assert await taken(queue) == []


async def test_backoff_doubles_to_the_limit_and_starts_anew_when_forgotten(queue: WorkQueue) -> None:
    assert [queue.retry(A) for _ in range(4)] == [0.5, 1.0, 2.0, 4.0]
    assert queue.retry(B) == 0.5, "each key has its own"
    for _ in range(100):
        queue.retry(A)
    assert queue.retry(A) == 300.0
    assert queue.failures(A) == 105
    queue.forget(A)
    assert queue.failures(A) == 0
    assert queue.retry(A) == 0.5


async def test_a_change_does_not_wait_for_the_backoff(queue: WorkQueue) -> None:
    for _ in range(8):
        queue.retry(A)
    queue.add(A)
    assert await taken(queue) == [A]


async def test_the_longest_wait_is_that_of_the_first_arrival(queue: WorkQueue, clock: Clock) -> None:
    assert queue.oldest_wait() == 0
    queue.add(A)
    clock.now += 7
    queue.add(A)
    queue.add(B)
    assert queue.oldest_wait() == pytest.approx(7)
    queue.add_after(Key("Thing", "shop", "delayed"), 100)
    assert queue.oldest_wait() == pytest.approx(7), "what is not due does not wait"


async def test_a_sleeping_worker_is_woken_by_add_and_by_an_earlier_delay() -> None:
    queue = WorkQueue()
    queue.add_after(B, 60)
    waiting = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    queue.add(A)
    assert await asyncio.wait_for(waiting, 1) == A
    waiting = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    queue.add_after(B, 0.01)
    assert await asyncio.wait_for(waiting, 1) == B


async def test_many_workers_share_the_keys_and_never_work_on_one_together() -> None:
    queue = WorkQueue()
    keys = [Key("Thing", "shop", str(number)) for number in range(20)]
    working: set[Key] = set()
    runs: dict[Key, int] = dict.fromkeys(keys, 0)

    async def worker() -> None:
        while True:
            key = await queue.get()
            assert key not in working
            working.add(key)
            await asyncio.sleep(0.001)
            runs[key] += 1
            working.discard(key)
            queue.done(key)

    workers = [asyncio.create_task(worker()) for _ in range(5)]
    for _ in range(3):
        for key in keys:
            queue.add(key)
        await asyncio.sleep(0.002)
    async with asyncio.timeout(5):
        while len(queue) or working:
            await asyncio.sleep(0.005)
    for task in workers:
        task.cancel()
    ended = await asyncio.gather(*workers, return_exceptions=True)
    assert all(isinstance(end, asyncio.CancelledError) for end in ended)
    assert all(1 <= count <= 3 for count in runs.values())


async def test_what_was_added_last_lets_all_others_go_first_for_some_seconds(queue: WorkQueue, clock: Clock) -> None:
    first, second, third = A, B, Key("Thing", "shop", "c")
    queue.add_last(first)
    queue.add(second)
    queue.add(first)
    assert (len(queue), queue.oldest_wait()) == (2, 0)
    assert [await queue.get(), await queue.get()] == [second, first]
    queue.add_last(second)
    queue.add(second)
    queue.add(third)
    assert len(queue) == 2
    queue.done(second)
    queue.done(first)
    assert [await queue.get(), await queue.get()] == [third, second], "last, although it was changed meanwhile"
    queue.done(second)
    queue.done(third)
    queue.add_last(first)
    clock.now += LAST_SECONDS
    queue.add(second)
    assert [await queue.get(), await queue.get()] == [second, first]
    queue.done(first)
    queue.add_last(first)
    clock.now += LAST_SECONDS / 2
    queue.add(third)
    clock.now += LAST_SECONDS / 2
    assert len(queue) == 2
    assert [await queue.get(), await queue.get()] == [third, first]


async def test_a_routine_look_lets_what_is_new_go_first(queue: WorkQueue, clock: Clock) -> None:
    queue.add_after(A, ROUTINE_SECONDS)
    queue.add_after(B, ROUTINE_SECONDS - 1)
    clock.now += ROUTINE_SECONDS
    new = Key("Thing", "shop", "c")
    queue.add(new)
    assert [await queue.get() for _ in range(3)] == [new, B, A]
