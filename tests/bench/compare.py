"""Closed-loop rounds of the app and its baselines in turn: A B C A B C …, then medians of CPU a request."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median

from tests.bench import wrk
from tests.bench.cpu import cpu_seconds, settled
from tests.bench.servers import Server
from tests.bench.workload import Parents
from tests.cluster.run import say

MOST_A_SECOND = 12_000


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one round: answers a second, and CPU microseconds a request of the worker and of PostgreSQL."""

    rate: float
    worker: float
    database: float


@dataclass
class Contender:
    """A server, and how it is asked. `parents` are those of its own tables."""

    server: Server
    header: str
    values: Sequence[str]
    parents: Parents
    path: str = "/api/v1/scans"
    kind: str = "v1"
    keys: int = 0
    rounds: list[Cost] = field(default_factory=list)
    told: int = 0
    sent: int = 0
    refused: int = 0

    @property
    def cost(self) -> Cost:
        """The medians."""
        return Cost(*(median(getattr(cost, name) for cost in self.rounds) for name in ("rate", "worker", "database")))

    def run(self, postgres: int, connections: int, seconds: int) -> Cost:
        """One round; `postgres` is the pid of the postmaster."""
        scans = 1 if self.kind in ("get", "bag") else MOST_A_SECOND * seconds
        work = self.parents.take(connections, scans)
        before = cpu_seconds(self.server.pid), cpu_seconds(postgres)
        url = self.server.url + self.path
        found = wrk.run(
            url,
            work,
            kind=self.kind,
            header=self.header,
            values=self.values,
            connections=connections,
            seconds=seconds,
            keys=self.keys,
        )
        after = settled(self.server.pid), settled(postgres)
        self.told += found.requests - found.refused
        self.sent += found.sent
        self.refused += found.refused
        if found.broken or found.refused > 0.001 * found.requests:
            raise RuntimeError(f"{self.server.name}: {found}: see {self.server.log}")
        worker, database = (1e6 * (now - then) / found.sent for now, then in zip(after, before, strict=True))
        return Cost(found.rate, worker, database)


def interleave(
    contenders: Sequence[Contender], postgres: int, *, connections: int, seconds: int, rounds: int, what: str
) -> None:
    """Each contender's `rounds`, in turn; a first short one of each is thrown away."""
    for contender in contenders:
        contender.rounds = []
        contender.run(postgres, connections, 2)
    for number in range(rounds):
        for contender in contenders:
            cost = contender.run(postgres, connections, seconds)
            contender.rounds.append(cost)
            say(
                f"{what}, round {number + 1} of {rounds}: {contender.server.name:<13} {cost.rate:7.0f}/s"
                f"  worker {cost.worker:6.0f} µs  PostgreSQL {cost.database:6.0f} µs a request"
            )


def ratio(app: Contender, other: Contender, of: Callable[[Cost], float] = lambda cost: cost.worker) -> float:
    """How many requests the app answers for what one costs the other: the median over rounds side by side."""
    return median(of(theirs) / of(ours) for ours, theirs in zip(app.rounds, other.rounds, strict=True))
