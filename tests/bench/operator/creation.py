"""Many objects applied at once: what that costs in calls, time and CPU, undisturbed and disturbed."""

from __future__ import annotations

from collections.abc import Sequence

from tests.bench.operator import calls as read
from tests.bench.operator import demands as d
from tests.bench.operator.objects import ELASTICACHE, OTHER_CACHE, OTHER_DATABASE, RDS, identifier, names
from tests.bench.operator.scenario import Sizes, incomplete
from tests.bench.operator.stage import stage
from tests.bench.report import Gate

PATIENCE = 240.0


def at_once(sizes: Sizes) -> Sequence[Gate]:
    """DB instances that are available as soon as they are asked for."""
    wanted = names(sizes.many)
    with stage() as made:
        made.settle()
        before = made.cpu()
        began = min(made.apply(wanted, RDS, OTHER_CACHE))
        synced = made.watching.until_true(wanted, PATIENCE, "DatabaseReady")
        calls, until_synced = made.aws.calls(), made.cpu() - before
        made.settle()
        spent = made.cpu() - before
    n = len(wanted)
    if len(synced) < n:
        why = incomplete(len(synced), n, PATIENCE)
        return [gate.unmeasured(why, n) for gate in (d.INSTANCE_CALLS, d.LAST_CREATE, d.LAST_SYNCED, d.CPU)]
    created = read.last(calls, "CreateDBInstance") or began
    return [
        d.INSTANCE_CALLS.measured(read.per_object(calls, "rds", n), read.tally(calls), n),
        d.LAST_CREATE.measured(created - began, n=n),
        d.LAST_SYNCED.measured(max(synced) - began, n=n),
        d.CPU.measured(spent, f"{until_synced:.1f} s until the last was synced", n),
    ]


def slowly(sizes: Sizes) -> Sequence[Gate]:
    """DB instances that take a minute to be made."""
    wanted, n = names(sizes.many), sizes.many
    with stage(create_seconds=60) as made:
        made.apply(wanted, RDS, OTHER_CACHE)
        synced = made.watching.until_true(wanted, PATIENCE, "DatabaseReady")
        calls = made.aws.calls()
    if len(synced) < n:
        return [d.SLOW_CALLS.unmeasured(incomplete(len(synced), n, PATIENCE), n)]
    return [d.SLOW_CALLS.measured(read.per_object(calls, "rds", n), read.tally(calls), n)]


def caches(sizes: Sizes) -> Sequence[Gate]:
    """Replication groups instead of DB instances."""
    wanted, n = names(sizes.many), sizes.many
    with stage() as made:
        began = min(made.apply(wanted, OTHER_DATABASE, ELASTICACHE))
        synced = made.watching.until_true(wanted, PATIENCE, "CacheReady")
        calls = made.aws.calls()
    if len(synced) < n:
        return [d.CACHE_CALLS.unmeasured(f"{incomplete(len(synced), n, PATIENCE)}; {read.tally(calls)}", n)]
    note = f"{read.tally(calls)}; last synced after {max(synced) - began:.1f} s"
    return [d.CACHE_CALLS.measured(read.per_object(calls, "elasticache", n), note, n)]


def late(sizes: Sizes) -> Sequence[Gate]:
    """Every AWS call takes 100 ms longer."""
    wanted, n = names(sizes.many), sizes.many
    with stage() as made:
        made.aws.faults.add("*", "*", kind="latency", seconds=0.1, times=None)
        began = min(made.apply(wanted, RDS, OTHER_CACHE))
        synced = made.watching.until_true(wanted, PATIENCE, "DatabaseReady")
    if len(synced) < n:
        return [d.LATE_SYNCED.unmeasured(incomplete(len(synced), n, PATIENCE), n)]
    return [d.LATE_SYNCED.measured(max(synced) - began, n=n)]


def throttled(sizes: Sizes) -> Sequence[Gate]:
    """Half of all calls are refused for their rate."""
    wanted, n, patience = names(sizes.many), sizes.many, d.THROTTLED_SYNCED.limit
    with stage() as made:
        made.aws.faults.add("*", "*", kind="throttle", times=None, probability=0.5)
        began = min(made.apply(wanted, RDS, OTHER_CACHE))
        synced = made.watching.until_true(wanted, patience, "DatabaseReady")
        calls = made.aws.calls()
    needless = d.THROTTLED_MODIFIES.measured(read.modifies(calls), n=n)
    if len(synced) < n:
        return [d.THROTTLED_SYNCED.unmeasured(incomplete(len(synced), n, patience), n), needless]
    return [d.THROTTLED_SYNCED.measured(max(synced) - began, f"{read.throttled(calls)} throttled", n), needless]


def lost(sizes: Sizes) -> Sequence[Gate]:
    """The answer of each CreateDBInstance is lost once; then the objects are deleted."""
    wanted, n = names(sizes.lost), sizes.lost
    with stage() as made:
        for name in wanted:
            made.aws.faults.add(
                "rds", "CreateDBInstance", kind="lost", match={"DBInstanceIdentifier": identifier(name)}
            )
        made.apply(wanted, RDS, OTHER_CACHE)
        synced = made.watching.until_true(wanted, PATIENCE, "DatabaseReady")
        answers = sum(rule["fired"] for rule in made.aws.faults.rules())
        made.api.delete(made.watching.path, wanted)
        staying = made.watching.until_gone(wanted, PATIENCE)
        left = read.left_behind(made.aws.client)
    note = f"{staying} objects not deleted after {PATIENCE:.0f} s" if staying else ", ".join(left)
    if answers < n:
        why = f"{answers} of {n} answers were lost: the operator names its instances otherwise"
        return [d.LOST_SYNCED.unmeasured(why, n), d.LOST_LEFT.unmeasured(why, n)]
    return [d.LOST_SYNCED.measured(len(synced), n=n), d.LOST_LEFT.measured(len(left), note, n)]
