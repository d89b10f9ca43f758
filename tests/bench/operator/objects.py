"""The TraceTrackDeployments that are applied, as small as the API allows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NAMESPACE = "shops"
CLUSTER = "bench"
DATABASE_SECRET, CACHE_SECRET = "bench-database", "bench-cache"

Provider = Mapping[str, Any]

RDS: Provider = {"provider": "RDS", "rds": {"deletionProtection": False}}
ELASTICACHE: Provider = {"provider": "ElastiCache", "elasticache": {}}
OTHER_DATABASE: Provider = {"provider": "External", "external": {"secretRef": {"name": DATABASE_SECRET}}}
OTHER_CACHE: Provider = {"provider": "External", "external": {"secretRef": {"name": CACHE_SECRET}}}


def names(count: int) -> list[str]:
    return [f"shop-{number:05d}" for number in range(count)]


def deployment(name: str, database: Provider, cache: Provider, **spec: Any) -> dict[str, Any]:
    """One pod where the API's default is two: pods don't run here, and they aren't what is measured."""
    return {
        "apiVersion": "tracetrack.io/v1alpha1",
        "kind": "TraceTrackDeployment",
        "metadata": {"name": name},
        "spec": {
            "version": "0.1.0",
            "scaling": {"minReplicas": 1},
            "deletionPolicy": "Delete",
            "database": dict(database),
            "cache": dict(cache),
            **spec,
        },
    }


def identifier(name: str) -> str:
    """What an object's DB instance and cache are called in AWS."""
    return f"{CLUSTER}-{NAMESPACE}-{name}"
