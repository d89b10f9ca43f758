"""What the operator does with databases that are there: flows that only the full run kills at.

One after the other would make `make test` minutes longer, and what they have in common with the others is killed at
there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.integration.operator.conftest import eventually
from tests.integration.operator.kills.flows import DEMO, ELASTICACHE, RDS, bound, deployed, nudge
from tests.integration.operator.kills.killing import Flow, Stage
from tracetrack_operator.cache.elasticache.tokens import FORMER

SETTLED = 150.0


def with_snapshot(*types: str, **spec: Any) -> Callable[[Stage], None]:
    """Deployed, with a manual snapshot of the database and the record of its drills, before which none is asked for."""

    def prepare(stage: Stage) -> None:
        deployed(*types, **spec)(stage)
        eventually(lambda: stage.shop.find("configmaps", "demo-drill"))
        name = f"test-{stage.namespace}-demo"
        client = stage.aws.client("rds")
        client.create_db_snapshot(DBInstanceIdentifier=name, DBSnapshotIdentifier=f"{name}-by-hand")

    return prepare


def look_through(stage: Stage) -> None:
    """As a kubelet whose pods find no fault; and the operator looks at what it waits for."""
    for pod in stage.shop.pods("drill"):
        if pod["status"].get("phase") != "Succeeded":
            stage.shop.set_status("pods", pod["metadata"]["name"], {"phase": "Succeeded"})
    stage.nudge(*DEMO)


def drilled(stage: Stage) -> None:
    """It passed, and nothing is left of it."""
    stage.shop.wait("DrillPassed", "True", timeout=0)
    assert not stage.shop.list("jobs")
    name = f"test-{stage.namespace}-demo-drill"
    found = stage.aws.client("rds").describe_db_instances()["DBInstances"]
    assert name not in [each["DBInstanceIdentifier"] for each in found]


def by_hand(stage: Stage) -> str:
    """An instance of somebody's, once it is there; gives its name."""
    name, client = f"{stage.namespace}-theirs", stage.aws.client("rds")
    client.create_db_instance(
        DBInstanceIdentifier=name,
        Engine="postgres",
        EngineVersion="17",
        DBInstanceClass="db.t4g.medium",
        AllocatedStorage=20,
        StorageType="gp3",
        StorageEncrypted=True,
        MasterUsername="owner",
        MasterUserPassword="made-by-hand",
        DBName="warehouse",
    )

    def available() -> bool:
        (found,) = client.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"]
        return bool(found["DBInstanceStatus"] == "available")

    eventually(available, SETTLED)
    return name


def with_a_snapshot_of_theirs(stage: Stage) -> None:
    name = by_hand(stage)
    stage.aws.client("rds").create_db_snapshot(DBInstanceIdentifier=name, DBSnapshotIdentifier=f"{name}-before")


def restored(stage: Stage) -> None:
    source = {"snapshotIdentifier": f"{stage.namespace}-theirs-before"}
    stage.deploy(database={**RDS, "restoreFrom": source})


def awaiting_adoption(stage: Stage) -> None:
    stage.deploy(database={**RDS, "rds": {**RDS["rds"], "instanceIdentifier": by_hand(stage)}})
    stage.shop.wait("DatabaseReady", "False", "AdoptionRequired", timeout=SETTLED)


def adopted(stage: Stage) -> None:
    """Its differences wait for an approval, which nobody gives."""
    stage.shop.wait("DatabaseReady", "True", timeout=0)
    stage.shop.wait("Synced", "False", "AwaitingApproval", timeout=0)


def rotated(stage: Stage) -> None:
    """The second login, and another token, by which the cache has the former no longer."""
    stage.shop.wait("DatabaseReady", "True", timeout=0)
    stage.shop.wait("CacheReady", "True", timeout=0)
    stage.shop.wait("Synced", "True", timeout=0)
    for part in ("database", "cache"):
        annotations = stage.shop.get("secrets", f"demo-{part}-credentials")["metadata"]["annotations"]
        assert annotations.get("tracetrack.io/rotate-honoured") == "1", annotations
        assert "tracetrack.io/rotating" not in annotations
    assert stage.shop.secret("demo-database-binding")["username"] == "tracetrack_b"
    assert FORMER not in stage.shop.secret("demo-cache-credentials")


DATABASE_FLOWS = (
    Flow(
        "restore drill",
        prepare=with_snapshot("DatabaseReady", "Synced", database={**RDS, "drill": {}}),
        act=lambda stage: stage.annotate(drill="1"),
        done=drilled,
        drive=look_through,
    ),
    Flow(
        "restore",
        prepare=with_a_snapshot_of_theirs,
        act=restored,
        done=bound("DatabaseReady", "Synced"),
    ),
    Flow(
        "adopt",
        prepare=awaiting_adoption,
        act=lambda stage: stage.annotate(adopt=f"{stage.namespace}-theirs"),
        done=adopted,
        drive=nudge(*DEMO),
    ),
    Flow(
        "rotate",
        prepare=deployed("DatabaseReady", "CacheReady", "Synced", database=RDS, cache=ELASTICACHE),
        act=lambda stage: stage.annotate(rotate="1"),
        done=rotated,
        drive=nudge(*DEMO),
    ),
)
