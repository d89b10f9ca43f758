"""Refusals in the service's words, and what every operation asks of its group first."""

from __future__ import annotations

from typing import Any

from moto.elasticache.exceptions import ElastiCacheException, ReplicationGroupNotFound


def refusal(code: str, message: str) -> ElastiCacheException:
    return ElastiCacheException(code, message)


def wrong(message: str) -> ElastiCacheException:
    return refusal("InvalidParameterValue", message)


def combination(message: str) -> ElastiCacheException:
    return refusal("InvalidParameterCombination", message)


def available(backend: Any, name: str) -> Any:
    """The group of that name, if changes may be asked of it now. InvalidReplicationGroupState."""
    group = backend.replication_groups.get(name.lower())
    if group is None:
        raise ReplicationGroupNotFound(name)
    if group.status != "available":
        raise refusal(
            "InvalidReplicationGroupState", f"Replication group {name} is not in available state: {group.status}."
        )
    return group
