"""The operator's gates in one run: `python -m tests.bench.operator`. Ends with 1 when a gate falls short."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from urllib3.exceptions import HTTPError

from tests.aws.emulator import EmulatorError
from tests.backing import BackingError
from tests.bench.operator import creation, large, steady
from tests.bench.operator import demands as d
from tests.bench.operator.scenario import FULL, QUICK, Scenario, Sizes
from tests.bench.report import Gate, publish
from tests.cluster.controlplane import ApiError
from tests.cluster.run import StageError, say, step

SCENARIOS = (
    Scenario(
        "at-once",
        (d.INSTANCE_CALLS, d.LAST_CREATE, d.LAST_SYNCED, d.CPU),
        lambda sizes: sizes.many,
        creation.at_once,
    ),
    Scenario("slowly", (d.SLOW_CALLS,), lambda sizes: sizes.many, creation.slowly),
    Scenario("caches", (d.CACHE_CALLS,), lambda sizes: sizes.many, creation.caches),
    Scenario("late", (d.LATE_SYNCED,), lambda sizes: sizes.many, creation.late),
    Scenario(
        "resting",
        (d.SPEC_WRITES, d.STATUS_WRITES, d.NOTICED_INSTANCE, d.NOTICED_CACHE, d.READS),
        lambda sizes: sizes.many,
        steady.resting,
    ),
    Scenario("alone", (d.NOTICED_ALONE,), lambda _: 1, steady.alone),
    Scenario(
        "restarting",
        (d.MEMORY_IDLE, d.QUOTAS, d.MEMORY, d.RESTART_CALLS, d.RESTART_CACHE_CALLS, d.RESTART_SECONDS),
        lambda sizes: sizes.large,
        large.restarting,
    ),
    Scenario("lost", (d.LOST_SYNCED, d.LOST_LEFT), lambda sizes: sizes.lost, creation.lost),
    Scenario("throttled", (d.THROTTLED_SYNCED, d.THROTTLED_MODIFIES), lambda sizes: sizes.many, creation.throttled),
    Scenario("changing", (d.FIRST_CALL,), lambda sizes: sizes.changing_seconds, steady.changing),
    Scenario("starting", (d.STARTUP_SECONDS, d.STARTUP_MEMORY), lambda sizes: sizes.idle, large.starting),
)
NAMES = tuple(scenario.name for scenario in SCENARIOS)
FAILURES = (StageError, EmulatorError, ApiError, BackingError, HTTPError, OSError)


@dataclass(frozen=True)
class Options:
    names: tuple[str, ...]
    sizes: Sizes


def options(arguments: Sequence[str]) -> Options:
    """From the command line."""
    parser = argparse.ArgumentParser("python -m tests.bench.operator", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer objects: 40 instead of 200, 100 instead of 1,000")
    parser.add_argument("--only", nargs="+", metavar="GATE", choices=NAMES, help=f"some of: {', '.join(NAMES)}")
    given = parser.parse_args(arguments)
    return Options(tuple(given.only or NAMES), QUICK if given.quick else FULL)


def measure(chosen: Options) -> list[Gate]:
    """The gates of the scenarios asked for; one that could not be played gives gates that fall short."""
    gates: list[Gate] = []
    for scenario in SCENARIOS:
        if scenario.name not in chosen.names:
            continue
        with step(scenario.name):
            try:
                found = scenario.measure(chosen.sizes)
            except FAILURES as error:
                say(f"{scenario.name}: {error}")
                why = str(error).partition("\n")[0]
                found = [demand.unmeasured(why, scenario.count(chosen.sizes)) for demand in scenario.demands]
            for gate in found:
                say(f"{gate.gate}: {'–' if gate.measured is None else f'{gate.measured:g}'}  {gate.note}".rstrip())
            gates += found
    return gates


def main() -> int:
    # So that an end by kill leaves no servers behind.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    gates = measure(options(sys.argv[1:]))
    publish("operator", gates)
    return 0 if all(gate.holds for gate in gates) else 1


if __name__ == "__main__":
    sys.exit(main())
