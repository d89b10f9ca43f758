"""`kubectl tracetrack drill`, `rotate` and `restore`, and what the operator then does."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.aws.emulator import Emulator
from tests.cluster.controlplane import ControlPlane
from tests.integration.operator.conftest import eventually
from tests.integration.operator.deployments import Shop
from tests.integration.operator.kubelet import run_job_pods
from tests.integration.operator.terminal import Terminal, executed
from tests.integration.operator.test_cli import ELASTICACHE, made
from tests.integration.operator.test_deployment_aws import instance, shop
from tests.integration.operator.test_deployment_changes import made as made_here
from tests.integration.operator.test_deployment_restore import run
from tests.integration.operator.test_drills import snapshot

__all__ = ["shop"]


@pytest.fixture
def terminal(control_plane: ControlPlane, shop: Shop, aws: Emulator) -> Terminal:
    return Terminal(control_plane.kubeconfig, shop.namespace, aws)


def test_a_drill_is_asked_for_planned_and_priced(shop: Shop, aws: Emulator, terminal: Terminal, tmp_path: Path) -> None:
    made(shop)
    assert "set spec.database.drill" in terminal.refusal("drill", "demo")
    shop.change("tracetrackdeployments", "demo", database={"drill": {"schedule": "0 3 * * SUN"}})
    shop.wait("DrillPassed", "Unknown", "DrillNotRun")
    name = f"test-{shop.namespace}-demo"
    snapshot(aws, name, "nightly", region_name="us-east-1")
    assert "A restore drill costs $0.07 an hour while it runs." in terminal.text("cost", "demo")

    shop.change("tracetrackdeployments", "demo", suspend=True)
    assert "resume it first" in terminal.refusal("drill", "demo")
    shop.control_plane.kubectl("annotate", "-n", shop.namespace, "ttd/demo", "tracetrack.io/drill=while-paused")
    plan = terminal.json("plan", "demo")
    (call,) = plan["aws"]
    assert (call["operation"], call["object"]) == (
        "restore_db_instance_from_db_snapshot",
        f"DB instance {name}-drill",
    )
    assert call["changes"] == ["for a restore drill, until it is over: $0.07 an hour"]
    assert call["monthlyCostChange"] == "0.00"
    before = len(executed(aws.calls()))
    terminal.text("resume", "demo")
    eventually(lambda: len(executed(aws.calls())) > before, 60)
    operation, given = executed(aws.calls())[before]
    assert operation == call["operation"]
    assert given["DBSnapshotIdentifier"] == call["parameters"]["DBSnapshotIdentifier"] == "nightly"

    def over() -> bool:
        run_job_pods(shop, tmp_path)
        return "lastRun" in shop.get("tracetrackdeployments", "demo")["status"]["database"].get("drill", {})

    eventually(over, 90, 0.5)
    told = terminal.text("drill", "demo")
    assert "is asked for" in told
    assert "The last one, of " in told
    eventually(lambda: "runs since" in terminal.refusal("drill", "demo"), 60)
    shop.change("tracetrackdeployments", "demo", database={"drill": None})


def test_a_rotation_is_followed_until_the_application_has_other_credentials(shop: Shop, terminal: Terminal) -> None:
    made(shop, cache=ELASTICACHE)
    shop.wait("CacheReady", "True", timeout=60)
    eventually(lambda: "credentials" in shop.get("tracetrackdeployments", "demo")["status"]["cache"], 60)
    before = {part: shop.secret(f"demo-{part}-binding") for part in ("database", "cache")}
    told = terminal.text("rotate", "demo", "--database", "--wait", "--timeout", "120")
    assert "logs in to the database as tracetrack_b" in told
    assert shop.secret("demo-database-binding")["username"] == "tracetrack_b"
    assert shop.secret("demo-cache-binding") == before["cache"], "nobody asked for that"
    told = terminal.text("rotate", "demo", "--wait", "--timeout", "180")
    assert told.count("what it got at") == 2
    assert shop.secret("demo-database-binding")["username"] == "tracetrack_a"
    assert shop.secret("demo-cache-binding")["password"] != before["cache"]["password"]


def test_a_restore_makes_a_new_one_beside_the_old_one(shop: Shop, aws: Emulator, terminal: Terminal) -> None:
    made_here(shop, aws, exposure={"host": "scan.example.com"})
    name = f"test-{shop.namespace}-demo"
    eventually(lambda: shop.find("secrets", "demo-database-binding"))
    binding = shop.secret("demo-database-binding")
    at = binding["host"], int(binding["port"]), binding["username"], binding["password"], binding["database"]
    run(*at, "create table kept as select 'SB00001' as bag")
    snapshot(aws, name, "before")
    run(*at, "drop table kept")
    listed = terminal.json("restore", "demo", "--list")["candidates"]
    assert "before" in [each["identifier"] for each in listed["snapshots"]]
    assert listed["pointInTime"]["latest"]
    assert "(--latest)" in terminal.text("restore", "demo", "--list")

    assert "name the new TraceTrackDeployment" in terminal.refusal("restore", "demo", "--latest")
    assert "exists: a restore never replaces" in terminal.refusal("restore", "demo", "--to", "demo", "--latest")
    assert "metadata.name" in terminal.refusal("restore", "demo", "--to", "2nd", "--latest")
    dry = terminal.text("restore", "demo", "--to", "demo-2", "--snapshot", "before", "--dry-run")
    manifest = yaml.safe_load(dry)
    assert manifest["spec"]["database"]["restoreFrom"] == {"snapshotIdentifier": "before"}
    assert "host" not in manifest["spec"]["exposure"]
    assert shop.find("tracetrackdeployments", "demo-2") is None
    refused = terminal.run("restore", "demo", "--to", "demo-2", "--snapshot", "before", stdin="n\n")
    assert refused.returncode == 1
    assert "demo itself is not touched" in " ".join(refused.stderr.split())
    assert shop.find("tracetrackdeployments", "demo-2") is None

    told = terminal.text("restore", "demo", "--to", "demo-2", "--snapshot", "before", "--yes")
    assert f"{shop.namespace}/demo-2 is being made" in told
    shop.wait("DatabaseReady", "True", name="demo-2", timeout=120)
    eventually(lambda: shop.find("secrets", "demo-2-database-binding"))
    second = shop.secret("demo-2-database-binding")
    there = second["host"], int(second["port"]), second["username"], second["password"], second["database"]
    assert run(*there, "select bag from kept") == "SB00001"
    assert instance(aws, f"{name}-2")
    assert instance(aws, name)
