"""Flows that only the full run kills at: what fewer people ask for, or what takes long."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.integration.operator.kills.flows import (
    DEMO,
    RDS,
    bound,
    delete,
    deletion,
    deploy,
    deployed,
    gone,
    nudge,
)
from tests.integration.operator.kills.killing import Flow, Stage

_NOW = datetime.now(UTC)
OPEN = "-".join(f"{_NOW + timedelta(hours=hours):%a:%H:%M}".lower() for hours in (-1, 8))
"""A maintenance window that is open for as long as anybody tests."""
BACKUPS = "-".join(f"{_NOW + timedelta(hours=hours):%H:%M}" for hours in (10, 11))
REPLICAS: dict[str, Any] = {
    "provider": "RDS",
    "rds": {**RDS["rds"], "readReplicas": [{"name": "reports", "instanceClass": "db.t4g.large"}]},
}
USERS: dict[str, Any] = {"provider": "ElastiCache", "elasticache": {"replicas": 0, "authentication": "Users"}}
BY_RDS: dict[str, Any] = {"rds": {"masterCredentials": "ManagedByRDS"}}


def replica_gone(stage: Stage) -> None:
    bound("DatabaseReady", "Synced")(stage)
    told = stage.shop.get(*DEMO)["status"]
    assert "readReplicas" not in told["database"], told["database"]
    assert "replica-host" not in stage.shop.secret("demo-database-binding")


def kept_by_rds(stage: Stage) -> None:
    bound("DatabaseReady", "Synced")(stage)
    told = stage.shop.get(*DEMO)["status"]["database"]
    assert told.get("masterSecretStatus") == "active", told


def _logical(stage: Stage) -> None:
    """Parameter groups with logical replication, which all namespaces share."""
    client = stage.aws.client("rds")
    for number in ("16", "17"):
        name = {"DBParameterGroupName": f"own-{number}"}
        with contextlib.suppress(client.exceptions.DBParameterGroupAlreadyExistsFault):
            client.create_db_parameter_group(**name, DBParameterGroupFamily=f"postgres{number}", Description="own")
        changed = {"ParameterName": "rds.logical_replication", "ParameterValue": "1", "ApplyMethod": "pending-reboot"}
        client.modify_db_parameter_group(**name, Parameters=[changed])


def _of_version(number: str) -> dict[str, Any]:
    own = {"engineVersion": number, "parameterGroupName": f"own-{number}", "majorUpgrade": {"keepOldHours": 0}}
    own["backupWindow"] = BACKUPS
    return {"provider": "RDS", "rds": {**RDS["rds"], **own}}


def _upgradable(stage: Stage) -> None:
    _logical(stage)
    deployed("DatabaseReady", "Synced", database=_of_version("16"), maintenanceWindow=OPEN)(stage)


def _upgraded(stage: Stage) -> None:
    bound("DatabaseReady", "Synced")(stage)
    told = stage.shop.get(*DEMO)["status"]["database"]
    assert told["version"].startswith("17.")
    assert "upgrade" not in told, told["upgrade"]


CACHE_READY = ("CacheReady", "Synced")
MORE_FLOWS = (
    Flow(
        "RDS upgrade",
        prepare=_upgradable,
        act=lambda stage: stage.shop.change(*DEMO, database=_of_version("17")),
        done=_upgraded,
        drive=nudge(*DEMO),
    ),
    Flow(
        "read replica create",
        prepare=deployed("DatabaseReady", "Synced", database=RDS),
        act=lambda stage: stage.shop.change(*DEMO, database=REPLICAS),
        done=bound("DatabaseReady", "ReplicasReady", "Synced"),
    ),
    Flow(
        "read replica change",
        prepare=deployed("DatabaseReady", "ReplicasReady", "Synced", database=REPLICAS),
        act=lambda stage: stage.shop.change(*DEMO, database={"rds": {"performanceInsights": True}}),
        done=bound("DatabaseReady", "ReplicasReady", "Synced"),
    ),
    Flow(
        "read replica remove",
        prepare=deployed("DatabaseReady", "ReplicasReady", "Synced", database=REPLICAS),
        act=lambda stage: stage.shop.change(*DEMO, database={"rds": {"readReplicas": []}}),
        done=replica_gone,
    ),
    deletion("delete with a read replica", "Delete", REPLICAS),
    Flow("ElastiCache with users create", act=deploy(cache=USERS), done=bound(*CACHE_READY)),
    Flow(
        "ElastiCache with users delete",
        prepare=deployed(*CACHE_READY, cache=USERS, deletionPolicy="Delete"),
        act=delete(*DEMO),
        done=gone(*DEMO),
        drive=nudge(*DEMO),
    ),
    Flow(
        "RDS given its master secret",
        prepare=deployed("DatabaseReady", "Synced", database=RDS),
        act=lambda stage: stage.shop.change(*DEMO, database=BY_RDS),
        done=kept_by_rds,
    ),
)
