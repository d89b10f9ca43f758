from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from prometheus_client import REGISTRY

from tracetrack_operator.engine.cache import ObjectCache
from tracetrack_operator.engine.errors import RetryableError, TerminalError, WaitingError
from tracetrack_operator.engine.loop import ReconcileLoop, Result
from tracetrack_operator.engine.objects import Key, Object
from tracetrack_operator.engine.queue import WorkQueue
from tracetrack_operator.probes import MAX_RECONCILE_SECONDS, MAX_WAIT_SECONDS, Health, StuckError

from .objects import thing

A = Key("Widget", "shop", "a")


class Script:
    """A reconciler that does what it is told, call by call, and is fine ever after."""

    def __init__(self) -> None:
        self.calls: list[Key] = []
        self.steps: list[Exception | Result] = []
        self.gate: asyncio.Event | None = None

    async def reconcile(self, key: Key) -> Result:
        self.calls.append(key)
        if self.gate:
            await self.gate.wait()
        step = self.steps.pop(0) if self.steps else Result()
        if isinstance(step, Exception):
            raise step
        return step


class World:
    def __init__(self, **options: Any) -> None:
        self.live: dict[str, list[Object]] = {"Widget": [], "ConfigMap": []}
        self.silent = 0.0
        self.failing = 0
        self.script = Script()
        self.cache = ObjectCache()
        self.queue = WorkQueue(base_delay=0.01)
        settings = {"workers": 2, "resync_seconds": 600.0, **options}
        self.loop = ReconcileLoop(
            self.queue,
            self.cache,
            {"Widget": self.script},
            kinds=("Widget", "ConfigMap"),
            lister=self.list,
            silent_for=lambda kind: self.silent,
            **settings,
        )

    async def list(self, kind: str) -> AsyncIterator[list[Object]]:
        if self.failing:
            self.failing -= 1
            raise RetryableError("KubernetesUnreachable", "no answer")
        for obj in self.live[kind]:
            yield [obj]

    def outcomes(self) -> dict[str, float]:
        names = ("ok", "waiting", "terminal", "retryable", "crash")
        samples = {
            name: REGISTRY.get_sample_value("tracetrack_operator_reconcile_total", {"kind": "Widget", "outcome": name})
            for name in names
        }
        return {name: value or 0.0 for name, value in samples.items()}


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    yield made
    await made.loop.stop()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.002)


def widget(name: str, version: int = 1) -> Object:
    return thing(name, version, kind="Widget")


async def test_the_start_reads_everything_and_reconciles_every_primary_object(world: World) -> None:
    world.live = {"Widget": [widget("a"), widget("b")], "ConfigMap": [thing("c")]}
    assert not world.loop.synced
    await world.loop.start()
    assert world.loop.synced
    assert world.loop.alive()
    await until(lambda: len(world.script.calls) == 2)
    assert {key.name for key in world.script.calls} == {"a", "b"}
    assert len(world.cache) == 3


@pytest.mark.parametrize(
    ("step", "outcome", "calls"),
    [
        (Result(), "ok", 1),
        (Result(requeue_after=0.01), "ok", 2),
        (WaitingError("SecretNotFound", "no Secret", retry_after=0.01), "waiting", 2),
        (TerminalError("InvalidSpec", "bad"), "terminal", 1),
        (RetryableError("AwsError", "503"), "retryable", 2),
        (RuntimeError("a defect"), "crash", 2),
    ],
)
async def test_every_outcome_has_its_own_return(
    world: World, step: Exception | Result, outcome: str, calls: int
) -> None:
    before = world.outcomes()
    world.script.steps = [step]
    await world.loop.start()
    world.queue.add(A)
    await until(lambda: len(world.script.calls) == calls and not world.loop.longest_reconcile())
    await asyncio.sleep(0.05)
    assert len(world.script.calls) == calls
    assert world.outcomes()[outcome] - before[outcome] == 1 + (outcome == "ok" and calls == 2)
    assert world.loop.alive(), "whatever a reconcile does, the workers live on"
    assert world.queue.failures(A) == 0


async def test_failures_back_off_and_success_forgets_them(world: World) -> None:
    world.script.steps = [RetryableError("R", "1"), RuntimeError("2"), RetryableError("R", "3")]
    await world.loop.start()
    world.queue.add(A)
    await until(lambda: len(world.script.calls) == 3)
    assert world.queue.failures(A) == 3
    await until(lambda: len(world.script.calls) == 4)
    await until(lambda: world.queue.failures(A) == 0)


async def test_a_waiting_object_starts_its_backoff_anew(world: World) -> None:
    world.script.steps = [RetryableError("R", "1"), WaitingError("W", "2", retry_after=60)]
    await world.loop.start()
    world.queue.add(A)
    await until(lambda: len(world.script.calls) == 2 and not world.loop.longest_reconcile())
    assert world.queue.failures(A) == 0


async def test_the_start_waits_for_the_api_server(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.failing = 2
    slept: list[float] = []
    sleep = asyncio.sleep

    async def brief(seconds: float) -> None:
        slept.append(seconds)
        await sleep(0)

    monkeypatch.setattr("tracetrack_operator.engine.loop.asyncio.sleep", brief)
    await asyncio.wait_for(world.loop.start(), 5)
    assert world.loop.synced
    assert slept[:2] == [2, 2]


async def test_a_failed_resync_keeps_what_is_known(world: World) -> None:
    world.live["Widget"] = [widget("a")]
    assert await world.loop.resync()
    world.live["Widget"] = []
    world.failing = 1
    assert not await world.loop.resync()
    assert len(world.cache) == 1
    assert await world.loop.resync()
    assert len(world.cache) == 0


async def test_a_resync_that_breaks_off_half_way_forgets_nothing(world: World) -> None:
    world.live["Widget"] = [widget("a"), widget("b")]
    assert await world.loop.resync()
    original = world.list

    async def broken(kind: str) -> AsyncIterator[list[Object]]:
        yield [widget("a", 5)]
        raise RetryableError("KubernetesUnreachable", "the second page did not come")

    world.loop._lister = broken
    assert not await world.loop.resync()
    assert [obj["metadata"]["resourceVersion"] for obj in world.cache.of_kind("Widget")] == ["5", "1"]
    world.loop._lister = original
    world.live["Widget"] = [widget("b")]
    assert await world.loop.resync()
    assert [key.name for key in world.cache.keys("Widget")] == ["b"]


async def test_a_resource_created_during_a_resync_is_reconciled(world: World) -> None:
    """Its watch event comes while a LIST, asked for earlier, is still on its way."""
    await world.loop.start()
    original = world.list

    async def slow(kind: str) -> AsyncIterator[list[Object]]:
        answer = [page async for page in original(kind)]
        if kind == "Widget":
            world.cache.put(widget("a", 9))
        for page in answer:
            yield page

    world.loop._lister = slow
    await world.loop.resync()
    assert world.cache.get("Widget", "shop", "a") is not None
    await until(lambda: world.script.calls == [A])


async def test_the_resync_comes_by_itself() -> None:
    world = World(resync_seconds=0.05)
    await world.loop.start()
    try:
        world.live["Widget"] = [widget("late")]
        await until(lambda: [key.name for key in world.script.calls][:1] == ["late"])
    finally:
        await world.loop.stop()


class TestDeafWatch:
    """A watch that stays connected and delivers nothing is found by what a LIST shows."""

    @pytest.fixture
    def clock(self, monkeypatch: pytest.MonkeyPatch) -> list[float]:
        now = [time.monotonic()]
        monkeypatch.setattr("tracetrack_operator.engine.loop.time.monotonic", lambda: now[0])
        return now

    async def missed(self, world: World) -> None:
        await world.loop.start()
        world.silent = 400.0
        world.live["Widget"] = [widget("missed")]
        await world.loop.resync()

    async def test_it_is_told_a_minute_after_a_resync_found_what_it_missed(
        self, world: World, clock: list[float]
    ) -> None:
        await self.missed(world)
        assert world.loop.deaf_kinds() == []
        clock[0] += 61
        world.silent += 61
        assert world.loop.deaf_kinds() == ["Widget"]
        with pytest.raises(StuckError, match="Widget"):
            Health(world.queue, world.loop).check()

    async def test_an_event_that_comes_late_clears_it(self, world: World, clock: list[float]) -> None:
        await self.missed(world)
        clock[0] += 61
        world.silent = 30
        assert world.loop.deaf_kinds() == []

    async def test_a_quiet_cluster_is_not_deaf(self, world: World, clock: list[float]) -> None:
        world.live["Widget"] = [widget("a")]
        await world.loop.resync()
        world.silent = float("inf")
        for _ in range(5):
            clock[0] += 600
            await world.loop.resync()
        assert world.loop.deaf_kinds() == []


class TestProbe:
    async def test_all_is_well(self, world: World) -> None:
        await world.loop.start()
        assert Health(world.queue, world.loop).check() == {"oldestWaitSeconds": 0, "longestReconcileSeconds": 0}

    async def test_a_reconcile_that_hangs(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        world.script.gate = asyncio.Event()
        await world.loop.start()
        world.queue.add(A)
        await until(lambda: bool(world.script.calls))
        start = time.monotonic()
        monkeypatch.setattr("tracetrack_operator.engine.loop.time.monotonic", lambda: start + MAX_RECONCILE_SECONDS + 5)
        with pytest.raises(StuckError, match="has run for"):
            Health(world.queue, world.loop).check()
        world.script.gate.set()

    async def test_a_key_that_no_worker_takes(self) -> None:
        now = [0.0]
        world = World()
        queue = WorkQueue(clock=lambda: now[0])
        queue.add(A)
        now[0] = MAX_WAIT_SECONDS + 1
        with pytest.raises(StuckError, match="has waited"):
            Health(queue, world.loop).check()

    async def test_a_worker_that_ended(self, world: World) -> None:
        await world.loop.start()
        world.loop._tasks[0].cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        with pytest.raises(StuckError, match="has ended"):
            Health(world.queue, world.loop).check()


async def test_queue_and_cache_are_measured(world: World) -> None:
    world.live = {"Widget": [widget("a")], "ConfigMap": [thing("c"), thing("d")]}
    world.script.gate = asyncio.Event()
    await world.loop.start()
    await until(lambda: bool(world.script.calls))
    for name in "xyz":
        world.queue.add(Key("Widget", "shop", name))
    await until(lambda: len(world.script.calls) == 2)
    assert REGISTRY.get_sample_value("tracetrack_operator_queue_depth") == 2
    world.script.gate.set()
    await until(lambda: not len(world.queue) and not world.loop.longest_reconcile())
    assert REGISTRY.get_sample_value("tracetrack_operator_queue_depth") == 0
    assert REGISTRY.get_sample_value("tracetrack_operator_cached_objects", {"kind": "ConfigMap"}) == 2
