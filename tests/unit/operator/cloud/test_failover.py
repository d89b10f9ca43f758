"""When another server than the one last seen serves."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from prometheus_client import REGISTRY

from tracetrack_operator.dependencies.cloud import metrics
from tracetrack_operator.dependencies.cloud.failover import failover

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
MOVED = {"at": "2026-11-23T12:00:00Z", "from": "c-001", "to": "c-002"}
BEFORE = {"at": "2026-10-01T00:00:00Z", "from": "c-002", "to": "c-001"}


@pytest.mark.parametrize(
    ("agreed", "present", "remembered", "last", "told"),
    [
        ({}, "c-001", {"primary": "c-001"}, {}, False),
        ({"primary": "c-001"}, "c-001", {"primary": "c-001"}, {}, False),
        ({"primary": "c-001"}, None, {"primary": "c-001"}, {}, False),
        ({}, None, {}, {}, False),
        ({"primary": "c-001"}, "c-002", {"primary": "c-002", "lastFailover": MOVED}, MOVED, True),
        (
            {"primary": "c-001", "lastFailover": BEFORE},
            "c-001",
            {"primary": "c-001", "lastFailover": BEFORE},
            BEFORE,
            False,
        ),
        (
            {"primary": "c-001", "lastFailover": BEFORE},
            "c-002",
            {"primary": "c-002", "lastFailover": MOVED},
            MOVED,
            True,
        ),
    ],
    ids=["first seen", "the same", "amid one", "never told", "another", "an earlier one", "another again"],
)
def test_what_is_remembered_and_told(
    agreed: dict[str, Any], present: str | None, remembered: dict[str, Any], last: dict[str, str], told: bool
) -> None:
    found = failover("Replication group c", agreed, present, NOW)
    assert (found.remembered, found.last) == (remembered, last)
    assert found.news == ("Replication group c failed over from c-001 to c-002." if told else "")
    again = failover("Replication group c", found.remembered, present, NOW)
    assert (again.remembered, again.news) == (found.remembered, ""), "told once"


def test_what_takes_the_place_in_an_upgrade_has_not_failed_over() -> None:
    agreed = {"primary": "ap-south-1a", "lastFailover": BEFORE}
    found = failover("DB instance d", agreed, "ap-south-1b", NOW, upgrading=True)
    assert (found.remembered, found.news) == ({"primary": "ap-south-1b", "lastFailover": BEFORE}, "")


def test_it_is_measured_as_long_as_its_owner_is_there() -> None:
    def measured() -> float | None:
        name = "tracetrack_operator_cloud_last_failover_timestamp_seconds"
        labels = {"namespace": "moved", "name": "demo", "provider": "ElastiCache"}
        return REGISTRY.get_sample_value(name, labels)

    metrics.failed_over("moved", "demo", "ElastiCache", {})
    assert measured() is None
    metrics.failed_over("moved", "demo", "ElastiCache", MOVED)
    assert measured() == NOW.timestamp()
    metrics.forget("moved", "demo")
    assert measured() is None
