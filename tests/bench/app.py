"""The app's gates in one run: `python -m tests.bench.app`. Ends with 1 when a gate falls short."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence

from tests.bench.bags import Stock
from tests.bench.report import publish
from tests.bench.run import GROUPS, Options, measure
from tests.cluster.run import StageError

FULL, QUICK = 60_000, 3_000


def options(arguments: Sequence[str]) -> Options:
    """From the command line."""
    parser = argparse.ArgumentParser("python -m tests.bench.app", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds on 290,000 bags")
    parser.add_argument("--only", nargs="+", metavar="GATE", choices=GROUPS, help=f"some of: {', '.join(GROUPS)}")
    parser.add_argument("--seconds", type=int, help="length of a round (5; 2 with --quick)")
    parser.add_argument("--rounds", type=int, help="rounds of each contender (5; 2 with --quick)")
    parser.add_argument(
        "--realtime",
        action="store_true",
        help="open loop, reads, events: what is measured runs ahead of all else here (root)",
    )
    given = parser.parse_args(arguments)
    return Options(
        groups=tuple(given.only or GROUPS),
        stock=Stock(QUICK if given.quick else FULL),
        seconds=given.seconds or (2 if given.quick else 5),
        rounds=given.rounds or (2 if given.quick else 5),
        realtime=given.realtime,
    )


def main() -> int:
    # So that an end by kill leaves no servers behind.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        gates = measure(options(sys.argv[1:]))
    except StageError as error:
        print(f"bench-app: {error}", file=sys.stderr)
        return 2
    publish("app", gates)
    return 0 if all(gate.holds for gate in gates) else 1


if __name__ == "__main__":
    sys.exit(main())
