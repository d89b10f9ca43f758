"""Two replicas over one PostgreSQL and one Redis: what one answered, the other shows, whatever is killed or frozen."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import asyncpg
import httpx
import pytest
from redis.asyncio import Redis

from tests.backing import PostgresServer, RedisServer
from tests.integration.app import conftest
from tests.integration.app.accounts import logged_in, make_user
from tests.integration.app.caches import caching, metric
from tests.integration.app.conftest import device_key
from tests.integration.app.http import http_client
from tests.integration.app.process import AppProcess, scan_body
from tests.integration.app.test_events import KEY, gathered, opened
from tests.integration.app.wire import Wire

# A lease lasts two seconds, and half a second may pass until it is seen to have ended; the rest is for slow machines.
LEASE_IN_WORDS = 2.5
SLACK = 6.0


class Replicas:
    """Two apps, and what is under them. Whatever PostgreSQL and Redis send to `b` takes its time, so that its loads are
    under way for long, and it hears of changes late."""

    def __init__(self, a: AppProcess, b: AppProcess, redis: RedisServer, redis_of_a: Wire, dsn: str) -> None:
        self.a, self.b, self.redis, self.redis_of_a, self.dsn = a, b, redis, redis_of_a, dsn
        self._parents = iter(range(100_000))

    def parent(self) -> str:
        """A code that no test has used."""
        return f"SB{next(self._parents):05d}"


@pytest.fixture(scope="module")
def replicas(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replicas]:
    folder = tmp_path_factory.mktemp("coherence")
    conftest._copy(postgres, "coherence")
    with (
        RedisServer() as redis,
        Wire(redis.host, redis.port) as redis_of_a,
        Wire(redis.host, redis.port) as redis_of_b,
        Wire(postgres.host, postgres.port) as postgres_of_b,
    ):
        environment = conftest._environment(conftest._as_app(postgres, "coherence"), redis, conftest._fleets(folder))
        of_a, of_b = ({**environment, "REDIS_URL": _through(wire, redis)} for wire in (redis_of_a, redis_of_b))
        of_b["DATABASE_URL"] = of_b["DATABASE_URL"].replace(f":{postgres.port}/", f":{postgres_of_b.port}/")
        with AppProcess(of_a, folder) as a, AppProcess(of_b, folder) as b:
            a.wait_ready()
            b.wait_ready()
            redis_of_b.delay, postgres_of_b.delay = 0.03, 0.01
            yield Replicas(a, b, redis, redis_of_a, environment["DATABASE_URL"])


def _through(wire: Wire, redis: RedisServer) -> str:
    return redis.url.replace(f":{redis.port}/", f":{wire.port}/")


def client(app: AppProcess) -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer {device_key()}"}
    return http_client(base_url=app.url, headers=headers, timeout=30)


class Rounds:
    """Writers that scan through one replica and read through both, while readers keep loads under way.

    `stale` are the answers that were older than a write answered before the question; `slowest` is the longest that a
    scan took.
    """

    def __init__(self, replicas: Replicas, writers: int = 8) -> None:
        self._replicas = replicas
        self._writers = writers
        self._stopped = False
        self._watched: list[str] = []
        self.rounds = 0
        self.stale: list[str] = []
        self.slowest = 0.0

    @asynccontextmanager
    async def going(self) -> AsyncIterator[None]:
        async with client(self._replicas.a) as a, client(self._replicas.b) as b, asyncio.TaskGroup() as group:
            for number in range(self._writers):
                group.create_task(self._write((a, b) if number % 2 else (b, a), number))
            for each in (a, b):
                group.create_task(self._read(each))
            try:
                yield
            finally:
                self._stopped = True

    async def further(self, rounds: int, seconds: float = 90.0) -> None:
        """Wait until so many more rounds are done."""
        wanted = self.rounds + rounds
        async with asyncio.timeout(seconds):
            while self.rounds < wanted:
                await asyncio.sleep(0.02)

    async def _write(self, apps: tuple[httpx.AsyncClient, httpx.AsyncClient], number: int) -> None:
        writer, other = apps
        while not self._stopped:
            parent = self._replicas.parent()
            self._watched.append(parent)
            await self._scan(writer, parent)
            for place in range(1, 31):
                child = f"{parent}C{place:02d}"
                await self._scan(writer, child, parent)
                await self._check(other, parent, place, child)
                await self._check(writer, parent, place, child)
                self.rounds += 1
                if self._stopped:
                    return
            self._watched.remove(parent)

    async def _scan(self, app: httpx.AsyncClient, code: str, parent: str | None = None) -> None:
        began = time.monotonic()
        response = await app.post("/api/v1/scans", json=scan_body(code, parent))
        self.slowest = max(self.slowest, time.monotonic() - began)
        assert response.status_code == 201, response.text

    async def _check(self, app: httpx.AsyncClient, parent: str, count: int, child: str) -> None:
        bag, newest = await asyncio.gather(app.get(f"/api/v1/bags/{parent}"), app.get(f"/api/v1/bags/{child}"))
        assert bag.status_code == 200, bag.text
        found = bag.json()
        if (found["child_count"], len(found["children"])) != (count, count):
            self.stale.append(f"{parent} on {app.base_url}: {found['child_count']} of {count}, {found['children']}")
        if newest.status_code != 200 or newest.json()["parent"] != parent:
            self.stale.append(f"{child} on {app.base_url}: {newest.text}")

    async def _read(self, app: httpx.AsyncClient) -> None:
        while not self._stopped:
            if self._watched:
                await app.get(f"/api/v1/bags/{random.choice(self._watched)}")
            await asyncio.sleep(0.005)


async def test_a_write_answered_by_one_is_seen_through_the_other(replicas: Replicas) -> None:
    await caching(replicas.a, replicas.b)
    rounds = Rounds(replicas, writers=12)
    hits = await metric(replicas.b, 'tracetrack_cache_reads_total{level="process"}')
    async with rounds.going():
        await rounds.further(120)
    assert rounds.stale == []
    assert await metric(replicas.b, 'tracetrack_cache_reads_total{level="process"}') > hits + 100
    assert await metric(replicas.b, "tracetrack_cache_lease") == 1


async def test_one_replica_tells_what_the_other_recorded(replicas: Replicas) -> None:
    await caching(replicas.a, replicas.b)
    parent = replicas.parent()
    async with opened(replicas.b, **KEY) as socket, client(replicas.a) as a:
        await a.post("/api/v1/scans", json=scan_body(parent))
        children = [f"{parent}E{number:02d}" for number in range(25)]
        for child in children:
            await a.post("/api/v1/scans", json=scan_body(child, parent))
        events = await gathered(socket, 26)
        assert [event["code"] for event in events] == [parent, *children]
        assert [event["counts"]["child_count"] for event in events] == list(range(26))
        assert await metric(replicas.b, "tracetrack_event_sockets") == 1


async def test_a_bill_finished_through_one_replica_is_told_by_the_other(replicas: Replicas) -> None:
    await caching(replicas.a, replicas.b)
    parent, own = replicas.parent(), replicas.parent()
    async with replicas.a.logged_in() as admin:
        await make_user(admin, "far", dispatch_area="akola")
        async with (
            logged_in(replicas.a, "far") as far,
            opened(replicas.b, Cookie=f"session={admin.cookies['session']}") as socket,
            opened(replicas.b, Cookie=f"session={far.cookies['session']}") as of_far,
        ):
            await admin.post("/api/v1/bills", json={"code": "Truck 9", "capacity": 5})
            await admin.post("/api/v1/scans", json=scan_body(parent))
            await admin.post("/api/v1/scans", json=scan_body(parent, bill="Truck 9"))
            assert (await admin.post("/api/v1/bills/Truck%209/complete")).status_code == 200
            assert (await far.post("/api/v1/scans", json=scan_body(own))).status_code == 201
            seen = [(event["outcome"], event["code"]) for event in await gathered(socket, 5)]
            assert [(event["outcome"], event["code"]) for event in await gathered(of_far, 1)] == [
                ("parent_created", own)
            ]
    assert seen == [
        ("bill_created", "Truck 9"),
        ("parent_created", parent),
        ("bill_linked", parent),
        ("bill_completed", "Truck 9"),
        ("parent_created", own),
    ]


async def test_a_setting_holds_everywhere_once_its_change_was_answered(replicas: Replicas) -> None:
    await caching(replicas.a, replicas.b)
    async with client(replicas.b) as device, replicas.a.logged_in() as admin, http_client() as anybody:

        async def registers() -> int:
            return (await anybody.get(f"{replicas.b.url}/register")).status_code

        assert await registers() == 200
        for capacity in (3, 4, 5, 6):
            kept = await metric(replicas.b, 'tracetrack_cache_reads_total{level="process"}')
            for registration, status in (("off", 403), ("open", 200)):
                body = {"registration": registration, "parent_capacity": capacity}
                assert (await admin.patch("/api/v1/settings", json=body)).status_code == 200
                scan = await device.post("/api/v1/scans", json=scan_body(replicas.parent()))
                assert scan.json()["counts"]["expected_count"] == capacity
                assert [await registers() for _ in range(3)] == [status] * 3
            assert await metric(replicas.b, 'tracetrack_cache_reads_total{level="process"}') >= kept + 4
        back = {"registration": None, "parent_capacity": None}
        assert (await admin.patch("/api/v1/settings", json=back)).status_code == 200


async def test_a_subscription_killed_midway_makes_nothing_stale(replicas: Replicas) -> None:
    await caching(replicas.a, replicas.b)
    rounds = Rounds(replicas)
    async with rounds.going(), Redis.from_url(replicas.redis.url) as redis:
        await rounds.further(24)
        links = [each["id"] for each in await redis.client_list() if each["name"] == "tracetrack"]
        assert len(links) == 2
        for link in links:
            await redis.client_kill_filter(_id=link)
            await rounds.further(20)
        await caching(replicas.a, replicas.b)
        await rounds.further(24)
    assert rounds.stale == []
    assert rounds.slowest < LEASE_IN_WORDS + SLACK


async def test_a_writer_cut_off_from_redis_keeps_the_other_from_caching(replicas: Replicas) -> None:
    await caching(replicas.a, replicas.b)
    rounds = Rounds(replicas)
    async with rounds.going():
        await rounds.further(20)
        replicas.redis_of_a.silence()
        try:
            await rounds.further(40)
            # Though it has its lease and its Redis: it would not hear of what the other changes.
            assert await metric(replicas.b, "tracetrack_cache_lease") == 0
        finally:
            replicas.redis_of_a.restore()
        await caching(replicas.a, replicas.b)
        await rounds.further(20)
    assert rounds.stale == []
    assert rounds.slowest < 2 * LEASE_IN_WORDS + SLACK


async def test_without_redis_scans_go_on_and_it_may_come_back_empty(replicas: Replicas) -> None:
    await caching(replicas.a, replicas.b)
    rounds = Rounds(replicas)
    async with replicas.a.logged_in() as admin, rounds.going():
        await rounds.further(24)
        await asyncio.to_thread(replicas.redis.kill)
        await rounds.further(24)
        # Whoever had to wait for leases has waited: from here on nobody does.
        rounds.slowest = 0.0
        await rounds.further(24)
        assert rounds.slowest < 2.0
        assert await metric(replicas.a, "tracetrack_cache_lease") == 0
        for registration, status in (("off", 403), ("approval", 200), (None, 200)):
            answer = await admin.patch("/api/v1/settings", json={"registration": registration})
            assert answer.status_code == 200, answer.text
            assert await asyncio.to_thread(replicas.b.status, "/register") == status
        await asyncio.to_thread(replicas.redis.start)
        await rounds.further(24)
        await caching(replicas.a, replicas.b)
        await rounds.further(24)
    assert rounds.stale == []


async def test_a_frozen_replica_holds_nobody_up_and_wakes_up_fresh(replicas: Replicas) -> None:
    await caching(replicas.a, replicas.b)
    parent = replicas.parent()
    async with client(replicas.a) as a, client(replicas.b) as b:
        await a.post("/api/v1/scans", json=scan_body(parent))
        assert (await b.get(f"/api/v1/bags/{parent}")).json()["child_count"] == 0
        assert (await b.get(f"/api/v1/bags/{parent}")).json()["child_count"] == 0
        replicas.b.send(signal.SIGSTOP)
        try:
            began = time.monotonic()
            recorded = await a.post("/api/v1/scans", json=scan_body(f"{parent}A", parent))
            assert recorded.status_code == 201
            assert time.monotonic() - began < LEASE_IN_WORDS + SLACK
            asked_while_frozen = asyncio.create_task(b.get(f"/api/v1/bags/{parent}"))
            began = time.monotonic()
            for number in range(10):
                await a.post("/api/v1/scans", json=scan_body(f"{parent}B{number}", parent))
            # Ten that waited for a lease each would take twenty seconds.
            assert time.monotonic() - began < LEASE_IN_WORDS + SLACK
        finally:
            replicas.b.send(signal.SIGCONT)
        assert (await b.get(f"/api/v1/bags/{parent}")).json()["child_count"] == 11
        assert (await asked_while_frozen).json()["child_count"] in range(1, 12)
    await caching(replicas.a, replicas.b)


async def test_after_the_preload_reads_are_hits(replicas: Replicas) -> None:
    await caching(replicas.a, replicas.b)
    bags = 6_000
    connection = await asyncpg.connect(replicas.dsn)
    await connection.execute(
        "INSERT INTO bags (code, kind, area) SELECT 'PRE' || lpad(n::text, 6, '0'), 'child', 'lucknow'"
        " FROM generate_series(1, $1) n",
        bags,
    )
    await connection.close()
    apps = (replicas.a, replicas.b)
    was = sum([await metric(app, "tracetrack_cache_preloaded") for app in apps])
    async with Redis.from_url(replicas.redis.url) as redis:
        before = (await redis.info("memory"))["used_memory"]
        async with asyncio.timeout(30):
            while not (found := await redis.keys("tt:*:preload:done")):
                await asyncio.sleep(0.1)
        [done] = found
        await redis.delete(done)
        async with asyncio.timeout(60):
            while not await redis.exists(done):
                await asyncio.sleep(0.1)
        assert sum([await metric(app, "tracetrack_cache_preloaded") for app in apps]) >= was + bags
        assert ((await redis.info("memory"))["used_memory"] - before) / bags < 400
    parent = replicas.parent()
    async with client(replicas.a) as http:
        await http.post("/api/v1/scans", json=scan_body(parent))
        levels = ("process", "redis", "database", "bypass")
        names = [f'tracetrack_cache_reads_total{{level="{level}"}}' for level in levels]
        start = [await metric(replicas.a, name) for name in names]

        async def look_up(numbers: range) -> None:
            for number in numbers:
                answer = await http.get(f"/api/v1/bags/PRE{number:06d}")
                assert answer.json()["area"] == "lucknow"
                if number % 50 == 0:
                    await http.post("/api/v1/scans", json=scan_body(f"NEW{number:06d}", parent))
                    await http.get(f"/api/v1/bags/{parent}")

        await asyncio.gather(*(look_up(range(first, first + 100)) for first in range(1, 1_001, 100)))
    reads = [await metric(replicas.a, name) - was for name, was in zip(names, start, strict=True)]
    assert (reads[0] + reads[1]) / sum(reads) >= 0.99, dict(zip(levels, reads, strict=True))
    assert reads[1] >= 900
