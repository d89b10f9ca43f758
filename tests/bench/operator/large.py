"""A thousand objects and more: restarts, memory, and AWS' own quotas."""

from __future__ import annotations

import time
from collections.abc import Sequence

from tests.bench.operator import calls as read
from tests.bench.operator import demands as d
from tests.bench.operator.objects import ELASTICACHE, RDS, names
from tests.bench.operator.scenario import Sizes, incomplete
from tests.bench.operator.stage import Stage, stage
from tests.bench.report import Gate
from tests.cluster.run import StageError, say, step

MAKING_SECONDS = 1_500.0
READING_SECONDS = 900.0
SETTLING_SECONDS = 180.0
"""For all children too to be made, so that a restart meets nothing to be done."""


def restarting(sizes: Sizes) -> Sequence[Gate]:
    """The operator with nothing to do, with as many deployments with both services as AWS' rates let through, and
    started anew beside them."""
    wanted, n = names(sizes.large), sizes.large
    with stage() as made:
        made.settle()
        idle = d.MEMORY_IDLE.measured(made.memory())
        began = min(made.apply(wanted, RDS, ELASTICACHE))
        with step(f"waiting for {n} objects"):
            synced = made.watching.until_true(wanted, MAKING_SECONDS, "DatabaseReady", "CacheReady")
        making = made.aws.calls()
        refused = read.throttled(making)
        if len(synced) < n:
            why = f"{incomplete(len(synced), n, MAKING_SECONDS)}; {refused} calls throttled"
            rest = (d.QUOTAS, d.MEMORY, d.RESTART_CALLS, d.RESTART_CACHE_CALLS, d.RESTART_SECONDS)
            return [idle, *(demand.unmeasured(why, n) for demand in rest)]
        made.settle(SETTLING_SECONDS)
        grown = made.memory()
        made.stop()
        since = time.time()
        seconds = _started(made, n)
        made.settle()
        calls = [call for call in made.aws.calls() if call["time"] >= since]
        anew = made.memory()
    ours, others = read.parted(calls, "rds")
    return [
        idle,
        d.QUOTAS.measured(refused, f"all synced after {max(synced) - began:.0f} s; {read.tally(making)}", n),
        d.MEMORY.measured(max(grown, anew), f"{grown:.0f} where they were made, {anew:.0f} after a restart", n),
        d.RESTART_CALLS.measured(len(ours), read.tally(ours), n),
        d.RESTART_CACHE_CALLS.measured(len(others), read.tally(others), n),
        d.RESTART_SECONDS.measured(seconds, n=n),
    ]


def _started(made: Stage, count: int) -> float:
    """Start the operator; gives the seconds until each of the objects has been reconciled.

    The queue is in order, and the first it gets is every object once: so many reconciles are all objects.
    """
    began = time.monotonic()
    made.start()
    while made.operator.metric("tracetrack_operator_reconcile_total", kind="TraceTrackDeployment") < count:
        if time.monotonic() - began > READING_SECONDS:
            raise StageError(f"not all of {count} objects were reconciled within {READING_SECONDS:.0f} s of a start")
        # Telling its metrics takes the operator half a second of a thousand objects' time.
        time.sleep(2)
    return time.monotonic() - began


def starting(sizes: Sizes) -> Sequence[Gate]:
    """Suspended objects: nothing is to be done for any of them. Started twice, since the first start has news."""
    wanted, n = names(sizes.idle), sizes.idle
    with stage() as made:
        made.stop()
        with step(f"creating {n} objects"):
            made.apply(wanted, RDS, ELASTICACHE, suspend=True)
        began = time.time()
        made.start()
        seen = made.watching.until_observed(wanted, READING_SECONDS)
        if len(seen) < n:
            why = f"{len(seen)} of {n} observed {READING_SECONDS:.0f} s after the first start"
            return [d.STARTUP_SECONDS.unmeasured(why, n), d.STARTUP_MEMORY.unmeasured(why, n)]
        first = max(seen) - began
        say(f"first start: all observed after {first:.0f} s, {made.memory():.0f} MiB")
        made.settle(60)
        made.stop()
        seconds = _started(made, n)
        made.settle(60)
        memory = made.memory()
    return [
        d.STARTUP_SECONDS.measured(max(seconds, first), f"{first:.0f} s the first time, {seconds:.0f} s at rest", n),
        d.STARTUP_MEMORY.measured(memory, n=n),
    ]
