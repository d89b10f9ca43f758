"""`kubectl tracetrack` against the real API server, the operator and the emulated AWS."""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.aws.emulator import Emulator
from tests.cluster.controlplane import ControlPlane
from tests.integration.operator.conftest import eventually
from tests.integration.operator.deployments import EMBEDDED, Shop
from tests.integration.operator.process import OperatorProcess
from tests.integration.operator.terminal import Terminal, account, executed, planned
from tests.integration.operator.test_deployment_aws import ELASTICACHE, RDS, shop
from tracetrack_operator.cli.main import COMMANDS

__all__ = ["shop"]

SPEC: dict[str, Any] = {
    **EMBEDDED,
    "version": "0.1.0",
    "rollout": {"minReadySeconds": 1},
    "database": RDS,
    "aws": {"region": "us-east-1"},
    "deletionPolicy": "Delete",
}


def rds(**fields: Any) -> dict[str, Any]:
    return {**SPEC, "database": {"provider": "RDS", "rds": {**RDS["rds"], **fields}}}


def write(folder: Path, spec: dict[str, Any]) -> str:
    path = folder / "demo.yaml"
    body = {"apiVersion": "tracetrack.io/v1alpha1", "kind": "TraceTrackDeployment", "metadata": {"name": "demo"}}
    path.write_text(yaml.safe_dump({**body, "spec": spec}))
    return str(path)


def made(shop: Shop, **spec: Any) -> None:
    shop.deploy(**{**SPEC, **spec})
    shop.wait("DatabaseReady", "True", timeout=60)
    shop.wait("Synced", "True", timeout=60)


@pytest.fixture
def terminal(control_plane: ControlPlane, shop: Shop, aws: Emulator) -> Terminal:
    return Terminal(control_plane.kubeconfig, shop.namespace, aws)


def actions(operator: OperatorProcess, namespace: str) -> list[str]:
    """What the operator did to the namespace's objects, from its log."""
    done = [entry["action"] for entry in operator.log() if entry.get("message") == "action"]
    return [action for action in done if f" {namespace}/" in action]


def test_a_new_deployment_is_made_as_planned(
    shop: Shop, aws: Emulator, terminal: Terminal, operator: OperatorProcess, tmp_path: Path
) -> None:
    manifest = write(tmp_path, {**SPEC, "cache": ELASTICACHE})
    told = terminal.text("plan", "-f", manifest)
    assert "which is not in the cluster yet" in told
    assert "Monthly cost: $0.00 → $61.43" in told, told
    plan = terminal.json("plan", "-f", manifest)
    assert (shop.list("secrets"), executed(aws.calls())) == ([], []), "a plan changes nothing"

    uid = shop.deploy(**{**SPEC, "cache": ELASTICACHE})["metadata"]["uid"]
    shop.wait("DatabaseReady", "True", timeout=60)
    shop.wait("CacheReady", "True", timeout=60)
    assert executed(aws.calls()) == planned(plan, uid)
    assert all({"Key": "tracetrack.io/uid", "Value": uid} in given["Tags"] for _, given in executed(aws.calls()))
    applied = [each["action"] for each in plan["kubernetes"] if f" {shop.namespace}/" in each["action"]]
    assert len(applied) > 8
    # What AWS makes at once brings its binding in between.
    eventually(lambda: [action for action in actions(operator, shop.namespace) if action in applied] == applied)
    later = {(each["kind"], each["name"]) for each in plan["awaited"]}
    assert ("Secret", "demo-database-binding") in later
    for kind, name in later:
        eventually(lambda kind=kind, name=name: shop.find(f"{kind.lower()}s", name), 60)

    eventually(lambda: "seconds" in shop.get("tracetrackdeployments", "demo")["status"]["cache"]["lastChange"])
    eventually(lambda: nothing_is_left(terminal.json("plan", "demo")))
    second = terminal.json("plan", "-f", manifest)
    assert second["aws"] == []
    is_deleted_as_planned(shop, aws, terminal, operator)


def nothing_is_left(plan: dict[str, Any]) -> bool:
    assert (plan["aws"], plan["held"], plan["kubernetes"]) == ([], [], [])
    return True


def is_deleted_as_planned(shop: Shop, aws: Emulator, terminal: Terminal, operator: OperatorProcess) -> None:
    before = executed(aws.calls())
    plan = terminal.json("plan", "demo", "--delete")
    assert plan["deletion"] == {"asked": None, "policy": "Delete"}
    assert {operation for operation, _ in planned(plan)} == {"delete_db_instance", "delete_replication_group"}
    assert executed(aws.calls()) == before, "a plan changes nothing"
    assert operator.stop() == 0
    shop.delete("tracetrackdeployments", "demo")
    told = terminal.text("plan", "demo")
    assert "is being deleted since" in told
    assert f"delete_db_instance (us-east-1): test-{shop.namespace}-demo" in told
    assert "without a copy" in told
    assert "It is being deleted since" in terminal.text("cost", "demo")
    assert planned(terminal.json("plan", "demo")) == planned(plan)
    operator.start()
    eventually(lambda: shop.find("tracetrackdeployments", "demo") is None, 90)
    assert executed(aws.calls())[len(before) :] == planned(plan)


def test_changes_are_made_as_planned_call_by_call(
    shop: Shop, aws: Emulator, terminal: Terminal, tmp_path: Path
) -> None:
    made(shop)
    before = len(executed(aws.calls()))
    spec = rds(
        allocatedStorageGiB=40,
        backupRetentionDays=9,
        backupWindow="20:00-20:30",
        instanceClass="db.r8g.large",
        readReplicas=[{"name": "reports", "instanceClass": "db.t4g.medium"}],
    )
    plan = terminal.json("plan", "-f", write(tmp_path, spec))
    assert [(call["when"], call["disruption"], call["monthlyCostChange"]) for call in plan["aws"]] == [
        ("now", "online", "2.30"),
        ("later", "online", "0.00"),
        ("later", "none", "52.05"),
    ]
    (held,) = plan["held"]
    assert held["change"] == "instanceClass db.t4g.medium → db.r8g.large (reboot)"
    assert held["waitsFor"].startswith("the maintenance window ")
    assert held["until"]
    assert plan["cost"]["withHeld"]["unknown"] == ["DB instance db.r8g.large, one zone"]
    shop.change("tracetrackdeployments", "demo", database=spec["database"])
    eventually(lambda: len(executed(aws.calls())) == before + 3, 60)
    assert executed(aws.calls())[before:] == planned(plan)
    shop.wait("Synced", "False", "AwaitingApproval", timeout=60)
    status = shop.get("tracetrackdeployments", "demo")["status"]["database"]
    assert status["approval"] == held["token"]


def test_an_approved_restart_is_made_as_planned_and_timed(
    shop: Shop, aws: Emulator, terminal: Terminal, operator: OperatorProcess
) -> None:
    made(shop)
    shop.change("tracetrackdeployments", "demo", database=rds(instanceClass="db.t3.medium")["database"])
    shop.wait("Synced", "False", "AwaitingApproval", timeout=60)
    before = executed(aws.calls())
    plan = terminal.json("plan", "demo")
    assert (plan["aws"], len(plan["held"])) == ([], 1)
    refused = terminal.run("approve", "demo", stdin="n\n")
    assert refused.returncode == 1
    assert "instanceClass db.t4g.medium → db.t3.medium (reboot)" in refused.stderr
    assert "tracetrack.io/approve" not in shop.get("tracetrackdeployments", "demo")["metadata"].get("annotations", {})

    assert operator.stop() == 0
    assert "Approved" in terminal.text("approve", "demo", stdin="y\n")
    approved = shop.get("tracetrackdeployments", "demo")["metadata"]["annotations"]["tracetrack.io/approve"]
    assert approved == plan["held"][0]["token"]
    plan = terminal.json("plan", "demo")
    (call,) = plan["aws"]
    assert (call["operation"], call["disruption"], call["monthlyCostChange"]) == (
        "modify_db_instance",
        "reboot",
        "5.48",
    )
    assert plan["held"] == []
    operator.start()
    shop.wait("Synced", "True", timeout=60)
    assert executed(aws.calls())[len(before) :] == planned(plan)

    last = eventually(lambda: _finished(shop))
    assert (last["operation"], last["disruption"]) == ("modify_db_instance", "reboot")
    assert last["seconds"] >= 2, "the emulated change takes so long"
    shop.change("tracetrackdeployments", "demo", database=rds(instanceClass="db.t4g.medium")["database"])
    shop.wait("Synced", "False", "AwaitingApproval", timeout=60)
    (held,) = terminal.json("plan", "demo")["held"]
    assert held["duration"] == {"medianSeconds": last["seconds"], "seen": 1}
    terminal.text("approve", "demo", "--yes")
    shop.wait("Synced", "True", timeout=60)


def _finished(shop: Shop) -> dict[str, Any]:
    last: dict[str, Any] = shop.get("tracetrackdeployments", "demo")["status"]["database"]["lastChange"]
    return last if last["operation"] == "modify_db_instance" and "seconds" in last else {}


def test_every_command_answers_a_machine(shop: Shop, terminal: Terminal, tmp_path: Path) -> None:
    words = {
        "approve": ["--yes"],
        "restore": ["--to", "demo-2", "--snapshot", "nightly", "--dry-run"],
        "support-bundle": ["-f", str(tmp_path / "demo.tar.gz")],
    }
    made = shop.deploy(**{**SPEC, "database": {**RDS, "drill": {}}})
    eventually(lambda: shop.get("tracetrackdeployments", "demo").get("status", {}).get("observedGeneration"))
    found = terminal.json_of_each({command.name: words.get(command.name, []) for command in COMMANDS}, "demo")
    assert all(found.values()), found
    assert found["pause"]["suspended"], found["pause"]
    assert found["resume"]["suspended"] is False, found["resume"]
    assert found["rotate"]["parts"] == ["database"]
    assert found["restore"]["manifest"]["spec"]["database"]["restoreFrom"] == {"snapshotIdentifier": "nightly"}
    assert (tmp_path / "demo.tar.gz").exists()
    assert all(made["metadata"]["namespace"] in str(each) for name, each in found.items() if name != "support-bundle")


def test_a_paused_deployment_rests_until_it_is_resumed(
    shop: Shop, aws: Emulator, terminal: Terminal, operator: OperatorProcess
) -> None:
    made(shop)
    before = executed(aws.calls())
    assert "demo is paused" in terminal.text("pause", "demo")
    assert "already" in terminal.text("pause", "demo")
    shop.change("tracetrackdeployments", "demo", database=rds(backupRetentionDays=9)["database"])
    shop.wait("Ready", "False", "Suspended")
    plan = terminal.json("plan", "demo")
    assert (plan["suspended"], len(plan["aws"])) == (True, 1)
    assert "resume" in terminal.refusal("approve", "demo")
    why = terminal.json("why", "demo")
    told = {each["reason"]: each for each in why["conditions"]}
    assert told["Suspended"]["remedy"]
    assert executed(aws.calls()) == before
    terminal.text("resume", "demo")
    shop.wait("Synced", "True", timeout=60)
    assert executed(aws.calls())[len(before) :] == planned(plan)


def test_a_viewer_sees_and_an_editor_plans(
    control_plane: ControlPlane, shop: Shop, aws: Emulator, tmp_path: Path
) -> None:
    shop.deploy(**{**SPEC, "database": {"provider": "Embedded"}})
    shop.create(
        "scannerfleets", {"apiVersion": "tracetrack.io/v1alpha1", "kind": "ScannerFleet", **_fleet("lucknow", "demo")}
    )
    eventually(lambda: shop.conditions().get("Ready"))
    viewer = Terminal(account(control_plane, shop.namespace, "view"), shop.namespace, aws)
    editor = Terminal(account(control_plane, shop.namespace, "edit"), shop.namespace, aws)

    tree = eventually(lambda: _granted(viewer, "status", "demo"))
    assert all(words in tree for words in ("database Embedded", "cache Embedded", "application", "fleet lucknow")), tree
    assert "DatabaseReady is False" in viewer.text("why", "demo")
    assert "ScannerFleet" in viewer.text("why", "fleet/lucknow")
    refusal = viewer.refusal("plan", "demo")
    assert "needs the right to list secrets" in refusal
    assert "edit" in refusal
    assert "Ask for a role" in viewer.refusal("pause", "demo") or "forbidden" in viewer.refusal("pause", "demo")

    assert eventually(lambda: _granted(editor, "plan", "demo"))
    assert "not in the cluster yet" in editor.text("plan", "-f", _renamed(tmp_path))
    spec = {**SPEC, "database": {"provider": "External", "external": {"secretRef": {"name": "x"}}}}
    assert "spec.database.provider can't be changed" in editor.refusal("plan", "-f", write(tmp_path, spec))
    assert "paused" in editor.text("pause", "demo")
    assert "signing secret of fleet lucknow  $0.40" in editor.text("cost", "demo"), "the rest runs in the cluster"


def _granted(terminal: Terminal, *words: str) -> str:
    """The controller that puts the chart's roles into Kubernetes' own takes a moment."""
    done = terminal.run(*words)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _fleet(name: str, deployment: str) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"deploymentRef": {"name": deployment}, "replicas": 1}}


def _renamed(folder: Path) -> str:
    path = folder / "other.yaml"
    body = yaml.safe_load(Path(write(folder, SPEC)).read_text())
    body["metadata"]["name"] = "other"
    path.write_text(yaml.safe_dump(body))
    return str(path)


def test_a_support_bundle_holds_no_secret(shop: Shop, aws: Emulator, terminal: Terminal, tmp_path: Path) -> None:
    made(shop)
    path = tmp_path / "demo.tar.gz"
    told = terminal.text("support-bundle", "demo", "-f", str(path))
    assert "operator's logs: no pod of the operator" in told, "the operator of this test runs in no pod"
    with tarfile.open(path) as archive:
        files = {entry.name: archive.extractfile(entry).read().decode() for entry in archive.getmembers()}  # type: ignore[union-attr]
    names = {name.partition("/")[2] for name in files}
    assert names >= {"deployment.json", "objects/secrets.json", "events.json", "plan.json", "aws.json"}, names
    assert f"test-{shop.namespace}-demo" in files["demo-support/aws.json"]
    values = {
        value
        for secret in shop.list("secrets")
        for key, value in shop.secret(secret["metadata"]["name"]).items()
        if "password" in key or key == "key"
    }
    assert len(values) >= 4
    found = {(name, value) for name, text in files.items() for value in values if value in text}
    assert found == set()
