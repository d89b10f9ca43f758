"""The open-loop gates: latency at 500 scans a second, and the highest rate that stays inside its limits."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from urllib.parse import urlsplit

from tests.bench import openloop
from tests.bench.figures import Latency
from tests.bench.openloop import Order, Result
from tests.bench.servers import Server
from tests.bench.workload import Parents
from tests.bench.world import credentials
from tests.cluster.run import say

CONNECTIONS = 500
LIMITS = (25.0, 50.0, 100.0)
_STEP = 500
_HIGHEST = 8000


@dataclass
class Told:
    """What the clients of all open-loop rounds were told, for the sum checks."""

    sent: int = 0
    told: int = 0
    refused: int = 0
    unanswered: int = 0

    def add(self, result: Result) -> None:
        self.sent += result.sent
        self.told += result.told
        self.unanswered += result.unanswered
        self.refused += result.sent - result.told - result.unanswered


def at(server: Server, parents: Parents, rate: float, seconds: float, told: Told) -> Result:
    """One round at `rate` scans a second over 500 connections."""
    address = urlsplit(server.url)
    work = parents.take(CONNECTIONS, int(rate * (seconds + 2)))
    order = Order(str(address.hostname), int(address.port or 0), credentials(200), work, rate, seconds, CONNECTIONS)
    result = openloop.run(order)
    if not result.told:
        raise RuntimeError(f"no scan was accepted ({result.statuses}): see {server.log}")
    told.add(result)
    say(
        f"open loop, {rate:g}/s: {result.latency} (average/P95/P99), generator late by {result.late:.1f} ms (P99),"
        f" answers {result.statuses}"
    )
    return result


def steady(server: Server, parents: Parents, seconds: float, rounds: int, told: Told) -> Latency:
    """Medians over rounds at 500 scans a second."""
    found = [at(server, parents, 500, seconds, told).latency for _ in range(rounds)]
    return Latency(
        median(each.average for each in found), median(each.p95 for each in found), median(each.p99 for each in found)
    )


def highest(server: Server, parents: Parents, seconds: float, told: Told, first: int = 1000) -> int:
    """The highest rate, by steps, whose latency stays inside LIMITS with every scan accepted; each is tried thrice."""
    best, rate = 0, first
    while rate <= _HIGHEST:
        for _ in range(3):
            result = at(server, parents, rate, seconds, told)
            if result.latency.inside(*LIMITS) and result.told == result.sent:
                best = rate
                break
        else:
            return best
        rate += _STEP
    return best
