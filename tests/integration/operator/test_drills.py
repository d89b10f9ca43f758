"""Restores of the latest snapshot, tried on real data: by whom, how long, and what is left of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.aws.emulator import Emulator
from tests.backing import RedisServer
from tests.integration.operator.conftest import eventually
from tests.integration.operator.deployments import Shop
from tests.integration.operator.kubelet import app, run_job_pods, write
from tests.integration.operator.process import OperatorProcess
from tests.integration.operator.test_deployment_aws import RDS, instance, shop, tags_of
from tests.integration.operator.test_deployment_changes import annotate, made, status
from tests.integration.operator.test_deployment_restore import run

__all__ = ["shop"]

CHILDREN = "Child Bag,Parent Bag\nCHILD1,SB00001\nCHILD2,SB00001\n"


def record(shop: Shop) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(shop.get("configmaps", "demo-drill")["data"]["record.json"])
    return found


def snapshot(aws: Emulator, name: str, snapshot: str, **options: Any) -> None:
    client = aws.client("rds", **options)
    client.create_db_snapshot(DBInstanceIdentifier=name, DBSnapshotIdentifier=snapshot)

    def done() -> bool:
        (made,) = client.describe_db_snapshots(DBSnapshotIdentifier=snapshot)["DBSnapshots"]
        (source,) = client.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"]
        return (made["Status"], source["DBInstanceStatus"]) == ("available", "available")

    eventually(done, 90)


def restores(aws: Emulator) -> list[dict[str, Any]]:
    operation = "RestoreDBInstanceFromDBSnapshot"
    return [call["params"] for call in aws.calls("rds") if call["operation"] == operation]


def over(shop: Shop, folder: Path, count: str, timeout: float = 120) -> dict[str, Any]:
    """The last run, once it is the one that was asked for; its Job's commands are run."""

    def look() -> dict[str, Any]:
        run_job_pods(shop, folder)
        found = record(shop)
        assert found.get("honoured") == count, found
        assert "current" not in found, found
        last: dict[str, Any] = status(shop).get("drill", {}).get("lastRun", {})
        assert last == {key: value for key, value in found["last"].items() if key in last}, (last, found)
        return last

    return eventually(look, timeout, 0.5)


@pytest.fixture
def login(shop: Shop, aws: Emulator, tmp_path: Path) -> dict[str, str]:
    """A deployment whose database has bags in it, by the application's own commands; gives its binding."""
    made(shop, aws, database={**RDS, "drill": {"schedule": "0 3 1 1 *", "timeZone": "Asia/Kolkata"}})
    for secret in ("demo-database-binding", "demo-session"):
        eventually(lambda secret=secret: shop.find("secrets", secret))
    binding = shop.secret("demo-database-binding")
    write(tmp_path / "bindings/database", binding)
    write(tmp_path / "bindings/session", shop.secret("demo-session"))
    (tmp_path / "children.csv").write_text(CHILDREN)
    environ = {"SERVICE_BINDING_ROOT": f"{tmp_path}/bindings", "TRACETRACK_PASSWORD": "Adm1n!-for-tests"}
    with RedisServer() as redis:
        for command in (
            "tracetrack migrate",
            "tracetrack create-admin admin --password-env TRACETRACK_PASSWORD",
            f"tracetrack import child-parent {tmp_path}/children.csv",
        ):
            code, output = app(command.split(), {**environ, "REDIS_URL": redis.url})
            assert code == 0, output
    return binding


def test_a_drill_looks_through_what_it_restores_and_leaves_nothing(
    shop: Shop, aws: Emulator, operator: OperatorProcess, login: dict[str, str], tmp_path: Path
) -> None:
    name, scratch = f"test-{shop.namespace}-demo", f"test-{shop.namespace}-demo-drill"
    at = login["host"], int(login["port"]), login["username"], login["password"], login["database"]
    told = shop.wait("DrillPassed", "Unknown", "DrillNotRun")
    assert "-12-31T21:30:00Z" in told["message"]
    snapshot(aws, name, "good")

    annotate(shop, drill="1")
    made_of = eventually(lambda: instance(aws, scratch), 60)
    tags = tags_of(made_of)
    assert tags["tracetrack.io/uid"] == shop.get("tracetrackdeployments", "demo")["metadata"]["uid"]
    assert tags["tracetrack.io/drill"] == record(shop)["current"]["startedAt"]
    primary = instance(aws, name)
    assert primary is not None
    assert (made_of["DBInstanceClass"], made_of["MultiAZ"], made_of["DeletionProtection"]) == (
        primary["DBInstanceClass"],
        False,
        False,
    )
    assert made_of["BackupRetentionPeriod"] == 0
    last = over(shop, tmp_path, "1")
    assert (last["result"], last["snapshot"]) == ("Passed", "good"), last
    assert last["rtoSeconds"] >= 1
    assert 0 <= last["rpoSeconds"] < 60
    assert shop.wait("DrillPassed", "True", "DrillPassed", "tracetrack check found no fault")
    eventually(lambda: instance(aws, scratch) is None, 60)
    eventually(lambda: not shop.list("jobs") and shop.find("secrets", "demo-drill-binding") is None, 60)
    assert shop.find("networkpolicies", "demo-drill") is None
    labels = {"namespace": shop.namespace}
    assert operator.metric("tracetrack_operator_drills_total", outcome="passed", **labels) == 1
    assert operator.metric("tracetrack_operator_drill_rto_seconds", **labels) == last["rtoSeconds"]
    assert operator.metric("tracetrack_operator_drill_last_success_timestamp_seconds", **labels) > 1.7e9

    # A fault that the service has not made: no scan has registered this bag. The operator is killed meanwhile.
    run(*at, "insert into bags (code, kind) values ('NEW001', 'child')")
    snapshot(aws, name, "bad")
    annotate(shop, drill="2")
    eventually(lambda: instance(aws, scratch), 60)
    operator.kill()
    operator.start()
    last = over(shop, tmp_path, "2")
    assert (last["result"], last["snapshot"]) == ("Failed", "bad"), last
    assert "tracetrack check ended with exit code 1" in last["message"]
    assert "FAULT bag_made_once" in last["message"], last
    assert "NEW001: " in last["message"], last
    assert shop.wait("DrillPassed", "False", "DrillFailed")
    assert {event["type"] for event in shop.events("DrillFailed")} == {"Warning"}
    shop.wait("DatabaseReady", "True")
    shop.wait("Synced", "True")
    eventually(lambda: instance(aws, scratch) is None, 60)
    assert len(restores(aws)) == 2
    password = shop.secret("demo-database-credentials")["password"]
    assert login["password"] not in json.dumps([last, record(shop)])
    assert password not in json.dumps([last, record(shop)])

    # Nobody wants the third to its end: it goes with the field of the spec.
    annotate(shop, drill="3")
    eventually(lambda: instance(aws, scratch), 60)
    shop.change("tracetrackdeployments", "demo", database={"drill": None})
    eventually(lambda: instance(aws, scratch) is None, 90)
    eventually(lambda: shop.find("configmaps", "demo-drill") is None)
    assert "DrillPassed" not in shop.conditions()
    assert not [each for each in aws.client("rds").describe_db_snapshots()["DBSnapshots"] if scratch in str(each)]


def test_the_instance_of_a_drill_goes_with_the_deployment(shop: Shop, aws: Emulator) -> None:
    name = made(shop, aws, database={**RDS, "drill": {}})
    scratch = f"{name}-drill"
    snapshot(aws, name, "good")
    shop.wait("DrillPassed", "Unknown", "DrillNotRun")
    annotate(shop, drill="now")
    eventually(lambda: instance(aws, scratch), 60)
    shop.delete("tracetrackdeployments", "demo")
    eventually(lambda: shop.find("tracetrackdeployments", "demo") is None, 90)
    assert instance(aws, scratch) is None
    assert instance(aws, name) is None


def test_what_is_somebody_elses_is_left_alone_and_a_bad_schedule_is_told(shop: Shop, aws: Emulator) -> None:
    name = made(shop, aws, database={**RDS, "drill": {"schedule": "0 3 30 2 *"}})
    told = shop.wait("DrillPassed", "False", "DrillScheduleInvalid")
    assert "spec.database.drill.schedule 0 3 30 2 * never comes" in told["message"]
    shop.change("tracetrackdeployments", "demo", database={"drill": {"schedule": None}})
    annotate(shop, drill="without a snapshot")
    shop.wait("DrillPassed", "False", "DrillFailed", f"There is no DB snapshot of {name}", timeout=60)
    aws.client("rds").create_db_instance(
        DBInstanceIdentifier=f"{name}-drill",
        Engine="postgres",
        DBInstanceClass="db.t4g.micro",
        AllocatedStorage=20,
        MasterUsername="theirs",
        MasterUserPassword="made-by-hand",
    )
    snapshot(aws, name, "good")
    annotate(shop, drill="with one")
    shop.wait("DrillPassed", "False", "DrillFailed", "was not made for a drill", timeout=60)
    shop.wait("DatabaseReady", "True")
    assert instance(aws, f"{name}-drill")
    assert not restores(aws)
