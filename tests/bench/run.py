"""The groups of gates, in the order in which they are measured, and the demands."""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
import urllib.error
import urllib.request
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from redis.asyncio import Redis

from tests.aws.environments import ensure as environment_of
from tests.bench import integrity, latency, metrics, plans, servers, sockets, world, wrk
from tests.bench.bags import Stock
from tests.bench.compare import Contender, Cost, interleave, ratio
from tests.bench.cpu import resident_mib
from tests.bench.latency import Told
from tests.bench.memory import redis_bytes
from tests.bench.openloop import Order
from tests.bench.priority import ahead
from tests.bench.report import Gate, at_least, at_most, unmeasured
from tests.bench.servers import Server
from tests.bench.workload import Parents, parent_code
from tests.bench.world import World, credentials
from tests.cluster.paths import ROOT
from tests.cluster.run import StageError, say, step

GROUPS = ("compare", "latency", "events", "reads", "memory", "sums", "plans")
_HERE = Path(__file__).parent
_HOT_PARENTS = 2_000
_STATEMENTS = 20


@dataclass(frozen=True, slots=True)
class Options:
    """What to measure, on how much, for how long (seconds a round)."""

    groups: tuple[str, ...]
    stock: Stock
    seconds: int
    rounds: int
    realtime: bool = False


@dataclass
class Run:
    """The run so far."""

    options: Options
    world: World
    gates: list[Gate] = field(default_factory=list)
    closed: list[Contender] = field(default_factory=list)
    told: Told = field(default_factory=Told)

    def contender(self, server: Server) -> Contender:
        """The app, sent scans of many scanners."""
        found = Contender(server, "Authorization", credentials(200), self.world.empty)
        self.closed.append(found)
        return found


def measure(options: Options) -> list[Gate]:
    """All gates of the groups asked for."""
    wrk.ensure()
    with world.world(options.stock) as made:
        run = Run(options, made)
        before = integrity.last_entry(made)
        cold = redis_bytes(made)
        with servers.app(made.environment, made.folder) as app:
            _preloaded(app, options.stock.bags)
            for name in ("compare", "latency", "events", "reads"):
                # Times are what other work on the machine spoils; CPU seconds are much the same.
                first = options.realtime and name != "compare"
                processes = (app.pid, made.postgres.pid, made.redis.pid, os.getpid()) if first else ()
                if name in options.groups:
                    if name != "compare":
                        _settle(made)
                    with step(name), ahead(*processes):
                        _GROUPS[name](run, app)
            if "memory" in options.groups:
                _memory(run, app, cold)
        if "sums" in options.groups:
            with step("sums"):
                count = integrity.faults(made, before, run.closed, run.told)
                run.gates.append(at_most("scans lost or doubled, and rows that disagree", 0, count))
        if "plans" in options.groups:
            with step("plans"):
                _plans(run)
        return run.gates


def _settle(made: World) -> None:
    """Write out what is waiting: timed checkpoints are off, and the disk would be at it while tails are measured."""
    with step("what was written, to the disk"):
        made.execute("CHECKPOINT")
        os.sync()


def _compare(run: Run, app: Server) -> None:
    made, options = run.world, run.options
    postgres = made.postgres.pid
    with step("the baselines' tables"):
        made.execute((_HERE / "baselines" / "schema.sql").read_text())
        made.execute("VACUUM (ANALYZE, PARALLEL 0)")
    python = environment_of("bench", _HERE / "requirements.txt")
    parents = Parents(options.stock.filled)
    with ExitStack() as stack:
        ours = run.contender(app)
        noop, fastapi, six, cte = (
            Contender(
                stack.enter_context(servers.baseline(name, made.environment, made.folder)),
                "Authorization",
                credentials(200),
                parents,
            )
            for name in ("noop", "fastapi_noop", "six_queries", "cte")
        )
        flask = stack.enter_context(servers.flask(python, made.environment, made.folder))
        old = Contender(flask, "Cookie", [_cookie(python, made)], parents, "/process_child_scan_fast", "form")
        size = {"seconds": options.seconds, "rounds": options.rounds}
        interleave(
            [ours, noop, fastapi, six, cte, old], postgres, connections=100, what="closed loop, 100 connections", **size
        )
        run.gates += [
            _ours("scan / no-op on the same route, 100 connections", 0.45, ours, noop),
            _ours("scan / FastAPI no-op with authentication", 1.2, ours, fastapi),
            _ours("scan / six raw queries", 6, ours, six),
            _ours("scan / prepared CTE on FastAPI", 2.5, ours, cte),
            _ours("scan / Flask + SQLAlchemy + gevent", 20, ours, old),
            at_most(
                "PostgreSQL CPU of a scan / of a CTE",
                0.40,
                1 / ratio(ours, cte, _database),
                f"{ours.cost.database:.0f} and {cte.cost.database:.0f} µs",
            ),
        ]
        interleave([ours, noop], postgres, connections=500, what="closed loop, 500 connections", **size)
        run.gates.insert(1, _ours("scan / no-op on the same route, 500 connections", 0.45, ours, noop))


def _database(cost: Cost) -> float:
    return cost.database


def _ours(gate: str, demand: float, ours: Contender, other: Contender) -> Gate:
    rate = 1 / ratio(ours, other, lambda cost: cost.rate)
    mine, theirs = ours.cost, other.cost
    note = f"worker {mine.worker:.0f} and {theirs.worker:.0f} µs; {mine.rate:.0f} and {theirs.rate:.0f}/s ({rate:.2f})"
    return at_least(gate, demand, ratio(ours, other), note)


def _cookie(python: Path, made: World) -> str:
    """The session of a worker logged in to the old stack."""
    command = [str(python), "-m", "tests.bench.baselines.flask_orm"]
    done = subprocess.run(command, capture_output=True, text=True, env=made.environment, cwd=ROOT, check=True)
    return f"session={done.stdout.strip()}"


def _latency(run: Run, app: Server) -> None:
    options = run.options
    steady = latency.steady(app, run.world.empty, 2 * options.seconds, min(options.rounds, 3), run.told)
    run.gates += [
        at_most("open loop, 500/s over 500 connections: average, ms", 8, steady.average),
        at_most("open loop, 500/s over 500 connections: P95, ms", 20, steady.p95),
        at_most("open loop, 500/s over 500 connections: P99, ms", 40, steady.p99),
    ]
    best = latency.highest(app, run.world.empty, options.seconds, run.told)
    run.gates.append(at_least("open loop: highest rate inside 25/50/100 ms, a second", 2500, best))


def _reads(run: Run, app: Server) -> None:
    cached, hits = "cached GET / GET through redis-py", "cache hits after pre-load, of all reads"
    bag = _get(app, f"/api/v1/bags/{parent_code(0)}")
    if bag is None:
        why = "there is no GET /api/v1/bags/{code}"
        run.gates += [unmeasured(cached, 5, "≥", why), unmeasured(hits, 0.99, "≥", why)]
        return
    made, options = run.world, run.options
    asyncio.run(_fill(made.redis.url, bag))
    with ExitStack() as stack:
        ours, theirs = (
            Contender(server, "Authorization", credentials(200), made.empty, "/api/v1/bags/", "get", _HOT_PARENTS)
            for server in (app, stack.enter_context(servers.baseline("redis_get", made.environment, made.folder)))
        )
        interleave(
            [ours, theirs],
            made.postgres.pid,
            connections=100,
            what="cached reads",
            seconds=options.seconds,
            rounds=options.rounds,
        )
    run.gates.append(_ours(cached, 5, ours, theirs))
    # A new process: its own memory is empty, Redis has been filled.
    with servers.app(made.environment, made.folder, "app-preloaded") as fresh:
        _caching(fresh)
        every = Contender(
            fresh, "Authorization", credentials(200), made.empty, "/api/v1/bags/", "bag", options.stock.filled
        )
        before = metrics.by_label(metrics.scrape(fresh), "tracetrack_cache_reads_total", "level")
        every.run(made.postgres.pid, 100, options.seconds)
        after = metrics.by_label(metrics.scrape(fresh), "tracetrack_cache_reads_total", "level")
    read = {level: count - before.get(level, 0) for level, count in after.items()}
    total = sum(read.values())
    share = (read.get("process", 0) + read.get("redis", 0)) / total if total else 0.0
    levels = ", ".join(f"{level} {count:.0f}" for level, count in read.items())
    run.gates.append(at_least(hits, 0.99, share, f"{total:.0f} reads: {levels}"))


def _get(server: Server, path: str) -> bytes | None:
    """The body of a device's GET; None without a 200."""
    request = urllib.request.Request(server.url + path, headers={"Authorization": credentials(1)[0]})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            body: bytes = answer.read()
            return body
    except urllib.error.HTTPError:
        return None


async def _fill(url: str, body: bytes) -> None:
    async with Redis.from_url(url) as redis:
        await redis.mset({f"baseline:{parent_code(index)}": body for index in range(_HOT_PARENTS)})


def _preloaded(server: Server, bags: int, seconds: float = 1800.0) -> None:
    """Wait until Redis has been filled; not at all when the app has no caches."""
    if not _caching(server):
        return
    filled = ("tracetrack_cache_preloaded", "")
    with step("waiting for the pre-load of Redis"):
        deadline = time.monotonic() + seconds
        while metrics.scrape(server).get(filled, 0) < bags:
            if time.monotonic() > deadline:
                raise StageError(f"the pre-load did not end within {seconds:g} s: see {server.log}")
            time.sleep(1)


def _caching(server: Server, seconds: float = 30.0) -> bool:
    """Wait until the app answers from its caches; False when it has none."""
    lease = ("tracetrack_cache_lease", "")
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = metrics.scrape(server).get(lease)
        if found is None:
            return False
        if found == 1:
            return True
        time.sleep(0.2)
    raise StageError(f"the app does not use its caches within {seconds:g} s: see {server.log}")


def _events(run: Run, app: Server) -> None:
    delivered, p99 = "live events that reached each of 500 sockets, share", "live events: P99 from the scan's time, ms"
    address = urlsplit(app.url)
    work = run.world.empty.take(100, 100 * (2 * run.options.seconds + 1))
    order = Order(
        str(address.hostname), int(address.port or 0), credentials(200), work, 100, 2 * run.options.seconds, 20
    )
    try:
        found = sockets.run(order)
    except RuntimeError as error:
        run.gates += [unmeasured(delivered, 1, "≥", str(error)), unmeasured(p99, 100, "≤", str(error))]
        return
    run.told.sent += found.sent
    run.told.told += found.told
    run.told.unanswered += found.unanswered
    run.gates += [at_least(delivered, 1, found.share, f"{found.told} events"), at_most(p99, 100, found.p99)]


def _memory(run: Run, app: Server, cold: int) -> None:
    bags = run.options.stock.bags
    run.gates.append(at_most("resident memory of the worker that did all this, MiB", 180, resident_mib(app.pid)))
    gate = "Redis, bytes a bag"
    keys = asyncio.run(_keys(run.world.redis.url))
    if keys < bags:
        run.gates.append(unmeasured(gate, 400, "≤", f"Redis holds {keys} keys for {bags} bags: nothing was pre-loaded"))
        return
    run.gates.append(at_most(gate, 400, (redis_bytes(run.world) - cold) / bags, f"{keys} keys for {bags} bags"))


async def _keys(url: str) -> int:
    async with Redis.from_url(url) as redis:
        return int(await redis.dbsize())


def _plans(run: Run) -> None:
    found = plans.explained(run.world)
    faulty = [plan for plan in found if plan.sequential]
    for plan in faulty:
        say(f"sequential scan of {', '.join(sorted(plan.sequential))}: {plan.statement[:600]}\n{plan.text}")
    gate = "statements that read a large table from end to end"
    if len(found) < _STATEMENTS:
        run.gates.append(
            unmeasured(gate, 0, "≤", f"only {len(found)} statements were seen, {_STATEMENTS} are asked for")
        )
        return
    run.gates.append(at_most(gate, 0, len(faulty), f"of {len(found)}, those inside functions included"))


_GROUPS = {"compare": _compare, "latency": _latency, "reads": _reads, "events": _events}
