"""What must hold, in the order it is printed, and what the AWS Controllers for Kubernetes showed for the same work.

ACK's figures are constants: its rds-controller and elasticache-controller (Go) measured on such a machine (2 cores,
moto, Kubernetes 1.34).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from tests.bench.report import Gate, at_least, at_most, unmeasured


@dataclass(frozen=True)
class Demand:
    """One line of the table; `name` takes the number of objects as `{n}`."""

    name: str
    limit: float
    ack: str
    sign: str = "≤"

    def measured(self, value: float, note: str = "", n: int = 0) -> Gate:
        judge = at_least if self.sign == "≥" else at_most
        return replace(judge(self.name.format(n=n), self.limit, value, note), ack=self.ack)

    def unmeasured(self, why: str, n: int = 0) -> Gate:
        return replace(unmeasured(self.name.format(n=n), self.limit, self.sign, why), ack=self.ack)


INSTANCE_CALLS = Demand("AWS calls per DB instance from apply to synced, {n} at once", 2.5, "10")
LAST_CREATE = Demand("{n} objects applied: last create call, s", 10, "12.7")
LAST_SYNCED = Demand("{n} objects applied: last synced, s", 12, "12.8")
CPU = Demand("operator's CPU for {n} objects, s", 6, "3.8")
SLOW_CALLS = Demand("AWS calls per DB instance, {n} at once, 60 s of creating", 3, "18")
CACHE_CALLS = Demand("AWS calls per cache from apply to synced, {n} at once", 4, "23")
LATE_SYNCED = Demand("{n} objects at 100 ms a call: last synced, s", 15, "137; 17.7 with 10 workers")
SPEC_WRITES = Demand("fields written to the user's spec, per object", 0, "13")
STATUS_WRITES = Demand("status writes with nothing changed, {n} objects", 0, "1 an object and resync")
NOTICED_INSTANCE = Demand("a DB instance of {n} changed by hand is noticed after, s", 60, "36000")
NOTICED_CACHE = Demand("a cache of {n} changed by hand is noticed after, s", 60, "36000")
NOTICED_ALONE = Demand("a lone object changed by hand right after a reading is noticed after, s", 60, "36000")
READS = Demand("calls that read, per tick and service, {n} objects at rest", 2, "0 in 10 h")
LOST_SYNCED = Demand("answer of CreateDBInstance lost, {n} objects: synced", 10, "0: already exists, for ever", "≥")
LOST_LEFT = Demand("answer of CreateDBInstance lost, {n} objects: left in AWS after deletion", 0, "10")
THROTTLED_SYNCED = Demand("half of all calls throttled, {n} objects: last synced, s", 300, "70 of 200 in 900 s")
THROTTLED_MODIFIES = Demand("half of all calls throttled, {n} objects: needless modify calls", 0, "94")
FIRST_CALL = Demand("apply to first AWS call, P99 at 10 changes/s, s", 2, "–")
MEMORY_IDLE = Demand("operator's memory with nothing to do, MiB", 150, "54")
MEMORY = Demand("operator's memory with {n} objects, MiB", 200, "81")
RESTART_CALLS = Demand("AWS calls at a restart with {n} DB instances", 25, "4000")
RESTART_CACHE_CALLS = Demand("AWS calls at a restart with {n} caches", 45, "–")
"""A page of each list has a hundred at most: groups, their two nodes and their tags make forty for a thousand."""
RESTART_SECONDS = Demand("restart with {n} objects: all read after, s", 15, "42")
QUOTAS = Demand("{n} deployments with RDS and ElastiCache at AWS' quotas: throttled calls", 0, "–")
STARTUP_SECONDS = Demand("start-up with {n} idle objects: all observed after, s", 300, "–")
STARTUP_MEMORY = Demand("start-up with {n} idle objects: memory, MiB", 512, "–")
