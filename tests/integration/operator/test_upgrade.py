"""A major upgrade of a database in AWS: made beside what serves, switched over when it may be, cleared away after."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from tests.aws.emulator import Emulator
from tests.cluster.controlplane import ControlPlane
from tests.integration.operator.account import holdings
from tests.integration.operator.conftest import eventually
from tests.integration.operator.deployments import Shop
from tests.integration.operator.kills.more_flows import BACKUPS, OPEN
from tests.integration.operator.process import OperatorProcess
from tests.integration.operator.terminal import Terminal, executed
from tests.integration.operator.test_deployment_aws import RDS, instance, shop, tags_of
from tests.integration.operator.test_deployment_changes import annotate, status
from tests.integration.operator.test_deployment_restore import run

__all__ = ["shop"]


def logical(aws: Emulator) -> None:
    """Parameter groups with logical replication, of both versions."""
    client = aws.client("rds")
    for number in ("16", "17"):
        own = {"DBParameterGroupName": f"own-{number}"}
        client.create_db_parameter_group(**own, DBParameterGroupFamily=f"postgres{number}", Description="own")
        client.modify_db_parameter_group(
            **own,
            Parameters=[
                {"ParameterName": "rds.logical_replication", "ParameterValue": "1", "ApplyMethod": "pending-reboot"}
            ],
        )


def rds(**fields: Any) -> dict[str, Any]:
    base = {**RDS["rds"], "engineVersion": "16", "parameterGroupName": "own-16", "deletionProtection": True}
    return {"provider": "RDS", "rds": {**base, **fields}}


NEXT = {"engineVersion": "17", "parameterGroupName": "own-17"}


def login(shop: Shop) -> tuple[str, int, str, str, str]:
    eventually(lambda: shop.find("secrets", "demo-database-binding"))
    binding = shop.secret("demo-database-binding")
    return binding["host"], int(binding["port"]), binding["username"], binding["password"], binding["database"]


def instances(aws: Emulator) -> list[str]:
    return sorted(each["DBInstanceIdentifier"] for each in aws.client("rds").describe_db_instances()["DBInstances"])


def deployments(aws: Emulator) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = aws.client("rds").describe_blue_green_deployments()["BlueGreenDeployments"]
    return found


def upgrade(shop: Shop) -> dict[str, Any]:
    found: dict[str, Any] = status(shop).get("upgrade", {})
    return found


def reached(shop: Shop, state: str, timeout: float = 60) -> dict[str, Any]:
    def look() -> dict[str, Any]:
        found = upgrade(shop)
        assert found.get("state") == state, (found, shop.conditions().get("Synced"))
        return found

    return eventually(look, timeout)


@pytest.fixture
def terminal(control_plane: ControlPlane, shop: Shop, aws: Emulator) -> Terminal:
    return Terminal(control_plane.kubeconfig, shop.namespace, aws)


def test_made_beside_switched_over_and_cleared_away(
    shop: Shop, aws: Emulator, terminal: Terminal, operator: OperatorProcess
) -> None:
    logical(aws)
    # What keeps it from being upgraded is told before anything is begun.
    shop.deploy(database=rds(parameterGroupName=None), deletionPolicy="Snapshot")
    shop.wait("DatabaseReady", "True", timeout=60)
    shop.wait("Synced", "True", timeout=60)
    name = f"test-{shop.namespace}-demo"
    assert not aws.calls("rds", "DescribeBlueGreenDeployments"), "at rest, nobody asks"
    run(*login(shop), "create table loose (code text)")
    shop.change("tracetrackdeployments", "demo", database={"rds": NEXT})
    told = shop.wait("Synced", "False", "UpgradeBlocked", "logical replication is off")
    assert "public.loose" in told["message"]
    assert upgrade(shop)["state"] == "Blocked"
    assert not aws.calls("rds", "CreateBlueGreenDeployment")
    run(*login(shop), "alter table loose add primary key (code)")
    run(*login(shop), "insert into loose values ('before')")
    shop.change(
        "tracetrackdeployments", "demo", database={"rds": {"engineVersion": "16", "parameterGroupName": "own-16"}}
    )
    shop.wait("Synced", "False", "AwaitingApproval", "parametersInForce", timeout=60)
    annotate(shop, approve=status(shop)["approval"])
    shop.wait("Synced", "True", timeout=60)

    # It waits for the window or an approval; then it is made beside what serves.
    shop.change("tracetrackdeployments", "demo", database={"rds": {**NEXT, "majorUpgrade": {"keepOldHours": 1}}})
    told = shop.wait("Synced", "False", "AwaitingApproval", "the upgrade from 16.10 to 17.6 waits for")
    assert upgrade(shop) == {"fromVersion": "16.10", "toVersion": "17.6", "state": "AwaitingApproval"}
    assert instances(aws) == [name]
    before = login(shop)
    plan = terminal.text("plan", "demo")
    assert "waits for the maintenance window" in plan
    assert operator.stop() == 0
    annotate(shop, approve=status(shop)["approval"])
    planned = terminal.json("plan", "demo")["aws"]
    done = len(executed(aws.calls("rds")))
    operator.ensure_running()
    reached(shop, "Preparing")
    run(*login(shop), "insert into loose values ('meanwhile')")
    since = reached(shop, "SwitchedOver", 90)
    shop.wait("Synced", "True", words=f"The former instance {name}-old1 (16.10) is kept until", timeout=60)
    shop.wait("DatabaseReady", "True", timeout=60)
    found = instance(aws, name)
    assert found is not None
    assert (found["EngineVersion"], found["DeletionProtection"]) == ("17.6", True)
    assert tags_of(found)["tracetrack.io/uid"] == shop.get("tracetrackdeployments", "demo")["metadata"]["uid"]
    assert found["DBParameterGroups"][0]["DBParameterGroupName"] == "own-17"
    assert login(shop) == before, "the application's binding stays as it is"
    assert run(*login(shop), "select count(*) from loose where code in ('before', 'meanwhile')") == 2
    assert instances(aws) == [name, f"{name}-old1"]
    assert deployments(aws) == []
    assert {"formerInstance", "formerUntil"} <= set(since) | set(upgrade(shop))

    names = [call["operation"] for call in planned]
    # The green instance isn't protected, which is put right once it serves.
    made = [operation for operation, _ in executed(aws.calls("rds"))[done:] if operation != "modify_db_instance"]
    assert made == names[:4]
    assert [(call["when"], call["disruption"]) for call in planned] == [
        ("now", "online"),
        ("later", "switchover"),
        ("later", "online"),
        ("later", "online"),
        ("later", "delete"),
    ]
    assert [call["monthlyCostChange"] for call in planned] == [None, "0.00", "0.00", "0.00", None], "in no price list"
    assert "16.10 → 17.6" in terminal.text("status", "demo")

    # After its time, the former one goes, with a last snapshot.
    shop.change("tracetrackdeployments", "demo", database={"rds": {"majorUpgrade": {"keepOldHours": 0}}})
    eventually(lambda: instances(aws) == [name], 60)
    eventually(lambda: "upgrade" not in status(shop))
    shop.change("tracetrackdeployments", "demo", database={"rds": {"deletionProtection": False}})
    snapshots = aws.client("rds").describe_db_snapshots(SnapshotType="manual")["DBSnapshots"]
    assert [each["EngineVersion"] for each in snapshots] == ["16.10"]
    for reason in ("UpgradeStarted", "SwitchedOver", "OldInstanceRemoved"):
        assert len(shop.events(reason)) == 1, reason
    shop.wait("Synced", "True", timeout=60)
    credentials = shop.get("secrets", "demo-database-credentials")["metadata"]["annotations"]
    assert "tracetrack.io/upgrading" not in credentials
    assert json.loads(credentials["tracetrack.io/agreed"])["engineVersion"] == "17"
    # What was asked for lately is read every two seconds for a while.
    eventually(lambda: time.time() - aws.calls("rds", "DescribeBlueGreenDeployments")[-1]["time"] > 5)
    asked = len(aws.calls("rds", "DescribeBlueGreenDeployments"))
    shop.change("tracetrackdeployments", "demo", database={"rds": {"backupRetentionDays": 8}})
    shop.wait("Synced", "True", timeout=60)
    assert len(aws.calls("rds", "DescribeBlueGreenDeployments")) == asked, "at rest, nobody asks"


def test_taken_back_before_the_switchover_and_deleted_in_the_middle_of_another(shop: Shop, aws: Emulator) -> None:
    logical(aws)
    shop.deploy(database=rds(), deletionPolicy="Snapshot")
    shop.wait("Synced", "True", timeout=60)
    name = f"test-{shop.namespace}-demo"
    shop.change("tracetrackdeployments", "demo", database={"rds": NEXT})
    shop.wait("Synced", "False", "AwaitingApproval", "the upgrade from 16.10 to 17.6")
    annotate(shop, approve=status(shop)["approval"])
    eventually(lambda: len(deployments(aws)) == 1)
    shop.change(
        "tracetrackdeployments", "demo", database={"rds": {"engineVersion": "16", "parameterGroupName": "own-16"}}
    )
    shop.wait("Synced", "True", timeout=60)
    eventually(lambda: instances(aws) == [name])
    assert deployments(aws) == []
    assert (instance(aws, name) or {})["EngineVersion"] == "16.10"
    assert not aws.calls("rds", "SwitchoverBlueGreenDeployment")

    shop.change("tracetrackdeployments", "demo", database={"rds": {**NEXT, "deletionProtection": False}})
    shop.wait("Synced", "False", "AwaitingApproval", "the upgrade from 16.10 to 17.6")
    annotate(shop, approve=status(shop)["approval"])
    eventually(lambda: len(deployments(aws)) == 1)
    shop.delete("tracetrackdeployments", "demo")
    eventually(lambda: shop.find("tracetrackdeployments", "demo") is None, 90)
    left = holdings(aws)
    assert (left["DB instance"], left["blue/green deployment"]) == ({}, {})
    assert all(each["EngineVersion"] == "16.10" for each in left["DB snapshot"].values())


def test_in_the_window_nobody_is_asked_and_a_deletion_takes_the_former_one_along(shop: Shop, aws: Emulator) -> None:
    logical(aws)
    declared = rds(backupWindow=BACKUPS, deletionProtection=False)
    shop.deploy(database=declared, deletionPolicy="Snapshot", maintenanceWindow=OPEN)
    shop.wait("Synced", "True", timeout=60)
    name = f"test-{shop.namespace}-demo"
    shop.change("tracetrackdeployments", "demo", database={"rds": NEXT})
    shop.wait("Synced", "True", words=f"The former instance {name}-old1 (16.10) is kept until", timeout=90)
    assert instances(aws) == [name, f"{name}-old1"]
    shop.delete("tracetrackdeployments", "demo")
    eventually(lambda: shop.find("tracetrackdeployments", "demo") is None, 90)
    left = holdings(aws)
    assert (left["DB instance"], left["blue/green deployment"]) == ({}, {})
    kept = {name: each["EngineVersion"] for name, each in left["DB snapshot"].items() if "-final-" in name}
    assert sorted(kept.values()) == ["16.10", "17.6"], kept
