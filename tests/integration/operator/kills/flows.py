"""What the operator does in AWS, flow by flow, each small enough to be killed at every call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.integration.operator.kills.killing import Flow, Stage

DEMO = ("tracetrackdeployments", "demo")
LUCKNOW = ("scannerfleets", "lucknow")
PREPARED_SECONDS = 150.0
PROTECTED: dict[str, Any] = {"provider": "RDS", "rds": {"allocatedStorageGiB": 20, "multiAZ": False}}
RDS: dict[str, Any] = {"provider": "RDS", "rds": {**PROTECTED["rds"], "deletionProtection": False}}
ELASTICACHE: dict[str, Any] = {"provider": "ElastiCache", "elasticache": {"replicas": 0}}


def deploy(**spec: Any) -> Callable[[Stage], None]:
    return lambda stage: stage.deploy(**spec)


def bound(*types: str) -> Callable[[Stage], None]:
    """The conditions are true, and what they tell of is written down for the app."""

    def look(stage: Stage) -> None:
        for type_ in types:
            stage.shop.wait(type_, "True", timeout=0)

    return look


def deployed(*types: str, **spec: Any) -> Callable[[Stage], None]:
    def prepare(stage: Stage) -> None:
        stage.deploy(**spec)
        for type_ in types:
            stage.shop.wait(type_, "True", timeout=PREPARED_SECONDS)

    return prepare


def fleet(replicas: int) -> Callable[[Stage], None]:
    return lambda stage: stage.fleet(replicas)


def provisioned(replicas: int) -> Callable[[Stage], None]:
    def look(stage: Stage) -> None:
        stage.fleets.wait_ready(replicas, timeout=0)

    return look


def with_fleet(replicas: int) -> Callable[[Stage], None]:
    def prepare(stage: Stage) -> None:
        stage.fleet(replicas)
        stage.fleets.wait_ready(replicas, timeout=PREPARED_SECONDS)

    return prepare


def delete(plural: str, name: str) -> Callable[[Stage], None]:
    return lambda stage: stage.shop.delete(plural, name)


OWNED = ("configmaps", "secrets", "services", "serviceaccounts", "networkpolicies", "poddisruptionbudgets")


def gone(plural: str, name: str) -> Callable[[Stage], None]:
    def look(stage: Stage) -> None:
        found = stage.shop.find(plural, name)
        assert found is None, found["status"]["conditions"] if "status" in found else found["metadata"]
        # A control plane that has just been given the CRDs collects the garbage of their objects late.
        owned = [obj["metadata"]["name"] for kind in OWNED for obj in stage.shop.list(kind) if owner_of(obj) == name]
        assert not owned, f"still there: {', '.join(owned)}"

    return look


def owner_of(obj: dict[str, Any]) -> str:
    return next((str(owner["name"]) for owner in obj["metadata"].get("ownerReferences") or []), "")


def nudge(plural: str, name: str) -> Callable[[Stage], None]:
    return lambda stage: stage.nudge(plural, name)


def once_deleted(stage: Stage) -> None:
    """A fleet that was deleted by mistake: its signing secret waits to be had back."""
    with_fleet(0)(stage)
    stage.shop.delete(*LUCKNOW)
    stage.fleets.wait_gone(timeout=PREPARED_SECONDS)


def protected(stage: Stage) -> None:
    """Deleted, and held up by the protection of its database."""
    deployed("DatabaseReady", database=PROTECTED)(stage)
    stage.shop.delete(*DEMO)
    stage.shop.wait("Ready", "False", "DeletionProtected", timeout=PREPARED_SECONDS)


def deletion(name: str, policy: str, database: dict[str, Any], **spec: Any) -> Flow:
    ready = ("DatabaseReady", "Synced", *(["CacheReady"] if "cache" in spec else []))
    if "readReplicas" in database["rds"]:
        ready = (*ready, "ReplicasReady")
    return Flow(
        name,
        prepare=deployed(*ready, database=database, deletionPolicy=policy, **spec),
        act=delete(*DEMO),
        done=gone(*DEMO),
        drive=nudge(*DEMO),
    )


# Its calls are among those of the flow after it.
ALONE = (Flow("RDS create", act=deploy(database=RDS), done=bound("DatabaseReady", "Synced")),)
MAKING = (
    Flow(
        "RDS and ElastiCache create",
        act=deploy(database=RDS, cache=ELASTICACHE),
        done=bound("DatabaseReady", "CacheReady", "Synced"),
    ),
    Flow(
        "RDS and ElastiCache change",
        prepare=deployed("DatabaseReady", "CacheReady", "Synced", database=RDS, cache=ELASTICACHE),
        act=lambda stage: stage.shop.change(
            *DEMO,
            database={"rds": {"backupRetentionDays": 9}},
            cache={"elasticache": {"snapshotRetentionDays": 3}},
        ),
        done=bound("DatabaseReady", "CacheReady", "Synced"),
    ),
)
FLEETS = (
    Flow("fleet create", act=fleet(2), done=provisioned(2)),
    Flow(
        "fleet scale down",
        prepare=with_fleet(2),
        act=lambda stage: stage.fleets.patch("lucknow", {"replicas": 1}),
        done=provisioned(1),
    ),
    Flow("signing secret had back", prepare=once_deleted, act=fleet(0), done=provisioned(0)),
)
DELETIONS = (
    deletion("delete with Snapshot", "Snapshot", RDS, cache=ELASTICACHE),
    deletion("delete with Delete", "Delete", RDS),
    deletion("delete with Retain", "Retain", RDS, cache=ELASTICACHE),
    Flow(
        "delete a protected one",
        prepare=protected,
        act=lambda stage: stage.shop.change(*DEMO, database={"rds": {"deletionProtection": False}}),
        done=gone(*DEMO),
        drive=nudge(*DEMO),
    ),
)
FLEET_DELETIONS = (
    Flow(
        "fleet delete",
        prepare=with_fleet(2),
        act=delete(*LUCKNOW),
        done=gone(*LUCKNOW),
    ),
)
