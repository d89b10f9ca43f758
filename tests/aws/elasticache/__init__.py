"""Corrections to moto's ElastiCache: states with a clock, a real Redis, node counts, deletion that ends."""

from __future__ import annotations

from moto.elasticache.responses import ElastiCacheResponse

from tests.aws.elasticache import changes, groups, nodes, parameters, snapshots, stale, tags, users
from tests.aws.estate import Estate
from tests.aws.patch import forbid


def install(estate: Estate) -> None:
    """Put the corrections in place; `estate` makes the Redis servers."""
    groups.install(estate)
    changes.install(estate)
    nodes.install(estate)
    parameters.install()
    snapshots.install(estate)
    tags.install()
    users.install(estate)
    stale.install(estate)
    for name in ("create_cache_cluster", "delete_cache_cluster"):
        forbid(ElastiCacheResponse, name, "no real server would stand behind it")
