"""What a database and a cache in AWS cost a month. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from .prices import Prices

INCLUDED_IOPS = 12_000
INCLUDED_THROUGHPUT = 500


@dataclass(frozen=True)
class Line:
    """`monthly` is None where the price is unknown."""

    what: str
    monthly: Decimal | None
    note: str = ""


@dataclass(frozen=True)
class Database:
    """What is paid for of a DB instance.

    `readers` are replicas of somebody else's, `replica` is the name of ours; `more` are those like it that an upgrade
    has beside it.
    """

    instance_class: str
    multi_az: bool
    storage_gib: int
    iops: int = 0
    throughput: int = 0
    readers: int = 0
    managed_secret: bool = False
    replica: str = ""
    more: int = 0

    @classmethod
    def of(cls, item: Mapping[str, Any], ours: Collection[str] = ()) -> Database:
        """From AWS's description, or from the parameters of a creation; `ours` are replicas that are counted apart."""
        others = [each for each in item.get("ReadReplicaDBInstanceIdentifiers") or [] if each not in ours]
        more, secret = len(item.get("Beside") or []), bool(item.get("MasterUserSecret"))
        return cls("", False, 0, readers=len(others), managed_secret=secret, more=more).changed(item)

    def reader(self, name: str, parameters: Mapping[str, Any]) -> Database:
        """A replica of this one."""
        beginning = Database("", False, self.storage_gib, self.iops, self.throughput, replica=name)
        return beginning.changed(parameters)

    def changed(self, parameters: Mapping[str, Any]) -> Database:
        return replace(
            self,
            instance_class=str(parameters.get("DBInstanceClass") or self.instance_class),
            multi_az=bool(parameters.get("MultiAZ", self.multi_az)),
            storage_gib=int(parameters.get("AllocatedStorage") or self.storage_gib),
            iops=int(parameters.get("Iops") or self.iops),
            throughput=int(parameters.get("StorageThroughput") or self.throughput),
            managed_secret=bool(parameters.get("ManageMasterUserPassword", self.managed_secret)),
            more=max(0, self.more + _made(parameters)),
        )

    def lines(self, prices: Prices, region: str) -> list[Line]:
        deployment = "multi-az" if self.multi_az else "single-az"
        zones = "two zones" if self.multi_az else "one zone"
        instance = prices.of_one("rds", self.instance_class, region, deployment)
        storage = prices.of_one("rds", "gp3", region, deployment)
        space = storage * self.storage_gib if storage is not None and self.storage_gib else None
        size = f"{self.storage_gib} GiB" if self.storage_gib else "of the size that is restored,"
        what = f"{self.instance_class}, {zones}"
        found = [
            Line(f"{f'read replica {self.replica}' if self.replica else 'DB instance'} {what}", instance),
            Line(f"storage {size} gp3, {zones}{f', of {self.replica}' if self.replica else ''}", space),
        ]
        if self.iops > INCLUDED_IOPS or self.throughput > INCLUDED_THROUGHPUT:
            found.append(Line(f"storage speed beyond {INCLUDED_IOPS} IOPS and {INCLUDED_THROUGHPUT} MiB/s", None))
        if self.readers:
            found.append(Line(f"{self.readers} read replicas", None))
        if self.managed_secret:
            found.append(Line("secret with the master's password", prices.of_one("secretsmanager", "secret", region)))
        if self.more:
            alike = total(found)
            count = f"{self.more} more of them" if self.more > 1 else "another one of them"
            found.append(Line(f"{count}, for an upgrade", alike * self.more if alike is not None else None))
        return found


def _made(parameters: Mapping[str, Any]) -> int:
    """How many more instances there are after a call of an upgrade."""
    return ("TargetEngineVersion" in parameters) - ("SkipFinalSnapshot" in parameters or "DeleteTarget" in parameters)


@dataclass(frozen=True)
class Cache:
    """What is paid for of a replication group."""

    node_type: str
    nodes: int

    @classmethod
    def of(cls, item: Mapping[str, Any]) -> Cache:
        return cls("", len(item.get("MemberClusters") or [])).changed(item)

    def changed(self, parameters: Mapping[str, Any]) -> Cache:
        more = parameters.get("NewReplicaCount")
        nodes = int(more) + 1 if more is not None else int(parameters.get("NumCacheClusters") or self.nodes)
        return replace(self, node_type=str(parameters.get("CacheNodeType") or self.node_type), nodes=nodes)

    def lines(self, prices: Prices, region: str) -> list[Line]:
        one = prices.of_one("elasticache", self.node_type, region)
        note = "list price of Redis OSS nodes; those of Valkey cost less"
        count = f"{self.nodes} cache node{'s' if self.nodes != 1 else ''} {self.node_type}"
        return [Line(count, None if one is None else one * self.nodes, note)]


def total(lines: Iterable[Line]) -> Decimal | None:
    """None when a price is unknown."""
    found = Decimal(0)
    for line in lines:
        if line.monthly is None:
            return None
        found += line.monthly
    return found


def known(lines: Iterable[Line]) -> Decimal:
    return sum((line.monthly for line in lines if line.monthly is not None), Decimal(0))


def difference(before: Iterable[Line], after: Iterable[Line]) -> Decimal | None:
    """What a change costs a month. Lines alike on both sides cancel out, also those whose price is unknown."""
    old, new = list(before), list(after)
    for line in list(old):
        if line in new:
            old.remove(line)
            new.remove(line)
    first, second = total(old), total(new)
    return None if first is None or second is None else second - first
