"""What is measured of databases and caches in AWS."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from ...engine.metrics import ObjectGauge
from .durations import FORMAT

LATEST_RESTORABLE = ObjectGauge(
    "tracetrack_operator_database_latest_restorable_timestamp_seconds",
    "Time up to which a database in AWS can be restored, since the epoch.",
)
DIFFERENCES = ObjectGauge(
    "tracetrack_operator_cloud_differences",
    "Fields of a database or cache in AWS that differ from the spec: now (being changed), held (for the window or an "
    "approval), reported (drift), refused (another object would be needed, or AWS doesn't take it).",
    ["provider", "outcome"],
)

CREDENTIALS_SINCE = ObjectGauge(
    "tracetrack_operator_credentials_since_timestamp_seconds",
    "Time when the application was given the credentials it has for a database or cache in AWS, since the epoch.",
    ["provider"],
)

LAST_FAILOVER = ObjectGauge(
    "tracetrack_operator_cloud_last_failover_timestamp_seconds",
    "Time when another server of a database or cache in AWS was seen to have taken over, since the epoch.",
    ["provider"],
)

REPLICA_LAG = ObjectGauge(
    "tracetrack_operator_database_replica_lag_seconds",
    "How far a read replica is behind the primary, in seconds; none while that isn't known.",
    ["replica"],
)

UPGRADE = ObjectGauge(
    "tracetrack_operator_database_upgrade",
    "1 for the state that a major upgrade of a database in AWS is in; none where there is no upgrade.",
    ["state"],
)


def failed_over(namespace: str, name: str, provider: str, last: Mapping[str, str]) -> None:
    """`last` is the status's `lastFailover`; {} when there was none."""
    if last:
        moment = datetime.strptime(last["at"], FORMAT).replace(tzinfo=UTC)
        LAST_FAILOVER.set(moment.timestamp(), namespace, name, provider)


def tell_upgrade(namespace: str, name: str, state: str) -> None:
    """`state` is "" when there is no upgrade."""
    UPGRADE.forget(namespace, name)
    if state:
        UPGRADE.set(1, namespace, name, state)


def forget(namespace: str, name: str) -> None:
    """Remove the series of an owner that is gone."""
    for gauge in (LATEST_RESTORABLE, DIFFERENCES, CREDENTIALS_SINCE, LAST_FAILOVER, REPLICA_LAG, UPGRADE):
        gauge.forget(namespace, name)
