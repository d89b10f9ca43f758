"""A steady stream of new objects, and objects at rest: how soon the operator acts, and what it does unasked."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

from tests.bench.figures import percentile
from tests.bench.operator import calls as read
from tests.bench.operator import demands as d
from tests.bench.operator.objects import ELASTICACHE, OTHER_CACHE, RDS, identifier, names
from tests.bench.operator.scenario import Sizes, incomplete
from tests.bench.operator.stage import Stage, stage
from tests.bench.operator.writes import spec_fields, status_writes
from tests.bench.report import Gate
from tests.cluster.run import StageError
from tests.integration.operator import rbac

RATE = 10
PATIENCE = 600.0
SLOWEST = 30.0
CHANGE = {"spec": {"database": {"rds": {"backupRetentionDays": 8}}}}
QUIET_SECONDS = 15.0
CHANGES, APART = 5, 7.0
NOTICED_PATIENCE = 180.0
BY_HAND: dict[str, tuple[str, str, dict[str, str]]] = {
    "rds": ("modify_db_instance", "DBInstanceIdentifier", {"DBInstanceClass": "db.r6g.8xlarge"}),
    "elasticache": ("modify_replication_group", "ReplicationGroupId", {"CacheNodeType": "cache.r6g.8xlarge"}),
}
DEMANDS = {"rds": d.NOTICED_INSTANCE, "elasticache": d.NOTICED_CACHE}


def changing(sizes: Sizes) -> Sequence[Gate]:
    """New objects and changes of the spec in turn, at an even rate, whatever the operator makes of them."""
    count = RATE * sizes.changing_seconds
    made_up, sent = iter(names(count)), list[tuple[str, float]]()
    there, asked = list[str](), list[Future[None]]()
    with stage() as made:
        made.settle()

        def create(name: str) -> None:
            sent.append((identifier(name), made.apply([name], RDS, OTHER_CACHE)[0]))

        def change(name: str) -> None:
            sent.append((identifier(name), time.time()))
            made.api.request("PATCH", f"{made.watching.path}/{name}", CHANGE)

        start = time.monotonic()
        with ThreadPoolExecutor(4) as pool:
            for number in range(count):
                time.sleep(max(0.0, start + number / RATE - time.monotonic()))
                # As long as nothing is there that could be changed, only what is new comes.
                if number % 2 and there and made.watching.true(there[:1], "DatabaseReady"):
                    asked.append(pool.submit(change, there.pop(0)))
                else:
                    there.append(next(made_up))
                    asked.append(pool.submit(create, there[-1]))
        for each in asked:
            each.result()
        waits, end = list[float](), time.monotonic() + SLOWEST
        while len(waits) < count and time.monotonic() < end:
            time.sleep(1)
            waits = sorted(read.waits(made.aws.calls("rds"), sent))
    changed = count - len({name for name, _ in sent})
    if len(waits) < count:
        why = f"{count - len(waits)} of {count} changes led to no AWS call {SLOWEST:.0f} s after the last was applied"
        return [d.FIRST_CALL.unmeasured(why)]
    note = (
        f"median {percentile(waits, 0.5):.2f} s, slowest {waits[-1]:.2f} s, of {count}, {changed} of them of the spec"
    )
    return [d.FIRST_CALL.measured(percentile(waits, 0.99), note)]


def resting(sizes: Sizes) -> Sequence[Gate]:
    """Objects in which nothing changes, until somebody changes them in AWS."""
    wanted, n = names(sizes.many), sizes.many
    # So often that the time of rest has a resync in it.
    with stage(environment={"TRACETRACK_RESYNC_SECONDS": str(sizes.resting_seconds / 2)}, audited=True) as made:
        made.apply(wanted, RDS, ELASTICACHE)
        ready = made.watching.until_true(wanted, PATIENCE, "DatabaseReady", "CacheReady")
        if len(ready) < n:
            why = incomplete(len(ready), n, PATIENCE)
            every = (d.SPEC_WRITES, d.STATUS_WRITES, d.NOTICED_INSTANCE, d.NOTICED_CACHE, d.READS)
            return [demand.unmeasured(why, n) for demand in every]
        _quiet(made)
        rest = time.time()
        return [*_writes(made, sizes), *_noticed(made, wanted), _reads(made, rest, n)]


def _quiet(made: Stage) -> None:
    """Wait until no status has been written for a while; that it is never so is what the next gate tells."""
    end, since, before = time.monotonic() + 120, time.monotonic(), -1.0
    while time.monotonic() < end and time.monotonic() - since < QUIET_SECONDS:
        time.sleep(1)
        now = made.operator.metric("tracetrack_operator_status_writes_total")
        if now != before:
            since, before = time.monotonic(), now


def _writes(made: Stage, sizes: Sizes) -> list[Gate]:
    since = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    resyncs = made.operator.metric("tracetrack_operator_resyncs_total", outcome="ok")
    told = made.operator.metric("tracetrack_operator_status_writes_total")
    time.sleep(sizes.resting_seconds)
    resyncs = made.operator.metric("tracetrack_operator_resyncs_total", outcome="ok") - resyncs
    told = made.operator.metric("tracetrack_operator_status_writes_total") - told
    seen = status_writes(made.control_plane.audit_events(rbac.USER), since)
    objects = made.api.request("GET", made.watching.path)["items"]
    fields = max(spec_fields(obj) for obj in objects)
    note = f"in {sizes.resting_seconds} s with {resyncs:.0f} resyncs; the operator itself counts {told:.0f}"
    return [
        d.SPEC_WRITES.measured(fields),
        d.STATUS_WRITES.measured(max(told, seen), note, sizes.many)
        if resyncs
        else d.STATUS_WRITES.unmeasured(f"no resync in {sizes.resting_seconds} s", sizes.many),
    ]


def alone(_: Sizes) -> Sequence[Gate]:
    """One object, changed when the operator has just looked: nobody else's look shows the change."""
    (name,) = wanted = names(1)
    with stage() as made:
        made.apply(wanted, RDS, ELASTICACHE)
        if not made.watching.until_true(wanted, PATIENCE, "DatabaseReady", "CacheReady"):
            return [d.NOTICED_ALONE.unmeasured(incomplete(0, 1, PATIENCE))]
        _quiet(made)
        times: list[float] = []
        for service in BY_HAND:
            _until_read(made, service)
            times += _wait(made, service, {name: _by_hand(made, service, name)})
    if len(times) < len(BY_HAND):
        return [d.NOTICED_ALONE.unmeasured(f"not noticed within {NOTICED_PATIENCE:.0f} s")]
    note = ", ".join(f"{service} {seconds:.1f} s" for service, seconds in zip(BY_HAND, times, strict=True))
    return [d.NOTICED_ALONE.measured(max(times), note)]


def _until_read(made: Stage, service: str) -> None:
    """Return right after the operator has begun to read the service."""
    began, end = time.time(), time.monotonic() + NOTICED_PATIENCE
    while not any(
        call["time"] > began and call["operation"].startswith("Describe") for call in made.aws.calls(service)
    ):
        if time.monotonic() > end:
            raise StageError(f"{service} was not read within {NOTICED_PATIENCE:.0f} s")
        time.sleep(0.1)


def _by_hand(made: Stage, service: str, name: str) -> float:
    """Change an object as a person would; gives when that was."""
    operation, parameter, values = BY_HAND[service]
    at = time.time()
    getattr(made.aws.client(service), operation)(**{parameter: identifier(name), **values, "ApplyImmediately": True})
    return at


def _noticed(made: Stage, wanted: Sequence[str]) -> list[Gate]:
    """Some objects, one after another, so that not all changes meet the same moment of a tick."""
    changed: dict[str, dict[str, float]] = {service: {} for service in BY_HAND}
    for name in wanted[:CHANGES]:
        for service in BY_HAND:
            changed[service][name] = _by_hand(made, service, name)
        time.sleep(APART)
    gates = []
    for service, at in changed.items():
        times, demand = sorted(_wait(made, service, at)), DEMANDS[service]
        if len(times) < len(at):
            why = f"{len(at) - len(times)} of {len(at)} not noticed within {NOTICED_PATIENCE:.0f} s"
            gates.append(demand.unmeasured(why, len(wanted)))
        else:
            gates.append(demand.measured(times[-1], f"median {percentile(times, 0.5):.1f} s", len(wanted)))
    return gates


def _wait(made: Stage, service: str, changed: dict[str, float]) -> list[float]:
    """After how long each was noticed: its status names the value, or the operator has put it right."""
    value = next(iter(BY_HAND[service][2].values()))
    noticed: dict[str, float] = {}
    end = time.monotonic() + NOTICED_PATIENCE
    while len(noticed) < len(changed) and time.monotonic() < end:
        time.sleep(0.2)
        corrected = _corrected(made, service) if int(time.time()) % 5 == 0 else {}
        for name, at in changed.items():
            if name in noticed:
                continue
            if value in json.dumps(made.watching.statuses.get(name, {})):
                noticed[name] = made.watching.touched.get(name, time.time()) - at
            elif identifier(name) in corrected:
                noticed[name] = corrected[identifier(name)] - at
    return list(noticed.values())


def _corrected(made: Stage, service: str) -> dict[str, float]:
    """When the operator itself modified an object: every modify call beyond our own, which was the first."""
    operation = BY_HAND[service][1]
    times: dict[str, list[float]] = {}
    for call in made.aws.calls(service):
        if call["operation"].startswith("Modify"):
            times.setdefault(str(call["params"].get(operation)), []).append(call["time"])
    return {name: sorted(at)[1] for name, at in times.items() if len(at) > 1}


def _reads(made: Stage, since: float, n: int) -> Gate:
    calls: list[dict[str, Any]] = [call for call in made.aws.calls() if call["time"] >= since]
    services = sorted({*BY_HAND, *(call["service"] for call in calls)})
    most = {service: read.reads_of_a_tick(calls, service) for service in services}
    ticks = {service: read.ticks(calls, service) for service in services}
    seconds = time.time() - since
    if not all(most[service] for service in BY_HAND):
        return d.READS.unmeasured(f"a service was never read in {seconds:.0f} s: {ticks}", n)
    note = "; ".join(f"{service} read {ticks[service]} times in {seconds:.0f} s" for service in services)
    return d.READS.measured(max(most.values()), f"{note}; {read.tally(calls)}", n)
