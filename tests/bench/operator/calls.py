"""What the emulated AWS recorded, read for the gates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

Call = Mapping[str, Any]

TICK_GAP = 1.0
"""Reads of a service that come closer to each other than this (seconds) belong to one tick."""

_READS = ("Describe", "List", "Get")
_WRITES = ("Create", "Modify")
_PAGES = {"Marker", "PaginationToken"}
_MODIFIES = ("ModifyDBInstance", "ModifyReplicationGroup")
_NAMES = ("DBInstanceIdentifier", "ReplicationGroupId")


def per_object(calls: Iterable[Call], service: str, count: int) -> float:
    return sum(1 for call in calls if call["service"] == service) / count


def parted(calls: Iterable[Call], service: str) -> tuple[list[Call], list[Call]]:
    """Those of the service, and those of all others."""
    every = list(calls)
    return [call for call in every if call["service"] == service], [c for c in every if c["service"] != service]


def throttled(calls: Iterable[Call]) -> int:
    """Calls that AWS refused for their rate."""
    return sum("Throttl" in (call["error"] or "") or call["error"] == "RequestLimitExceeded" for call in calls)


def modifies(calls: Iterable[Call]) -> int:
    return sum(call["operation"] in _MODIFIES for call in calls)


def waits(calls: Iterable[Call], sent: Iterable[tuple[str, float]]) -> list[float]:
    """How long after each (name of a DB instance or cache, time of a change) the first call that made or changed it
    came; the ones that none came for are left out."""
    times: dict[str, list[float]] = {}
    for call in calls:
        if call["operation"].startswith(_WRITES):
            for name in filter(None, map(call["params"].get, _NAMES)):
                times.setdefault(name, []).append(call["time"])
    found = [(at, min((time for time in times.get(name, []) if time >= at), default=None)) for name, at in sent]
    return [time - at for at, time in found if time is not None]


def last(calls: Iterable[Call], operation: str) -> float | None:
    """When the last call of `operation` came; None when there was none."""
    return max((call["time"] for call in calls if call["operation"] == operation), default=None)


def reads_of_a_tick(calls: Iterable[Call], service: str) -> int:
    """The most reads that one tick took. The further pages of a listing belong to its first one."""
    times = sorted(
        call["time"]
        for call in calls
        if call["service"] == service and call["operation"].startswith(_READS) and not _PAGES & call["params"].keys()
    )
    most, run, before = 0, 0, float("-inf")
    for time in times:
        run = run + 1 if time - before < TICK_GAP else 1
        most, before = max(most, run), time
    return most


def ticks(calls: Iterable[Call], service: str) -> int:
    """How often the service was read at all, by the same rule."""
    times = sorted(
        call["time"] for call in calls if call["service"] == service and call["operation"].startswith(_READS)
    )
    return sum(time - before >= TICK_GAP for before, time in zip([float("-inf"), *times], times, strict=False))


def tally(calls: Iterable[Call]) -> str:
    """The operations by how often they came, for a note."""
    counts = Counter(call["operation"] for call in calls)
    return ", ".join(f"{count} {operation}" for operation, count in counts.most_common())


def left_behind(client: Callable[[str], Any]) -> list[str]:
    """What is in the account that costs money or holds data; `client` makes boto3 clients."""
    listed = (
        ("rds", "describe_db_instances", "DBInstances", "DBInstanceIdentifier"),
        ("rds", "describe_db_snapshots", "DBSnapshots", "DBSnapshotIdentifier"),
        ("elasticache", "describe_replication_groups", "ReplicationGroups", "ReplicationGroupId"),
        ("elasticache", "describe_snapshots", "Snapshots", "SnapshotName"),
        ("secretsmanager", "list_secrets", "SecretList", "Name"),
    )
    return [
        str(item[name])
        for service, operation, items, name in listed
        for page in client(service).get_paginator(operation).paginate()
        for item in page[items]
    ]
