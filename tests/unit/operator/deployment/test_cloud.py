"""What follows from what AWS shows, and how often AWS is asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from tests.unit.operator.deployment.factory import DATABASE, owner
from tracetrack_operator.api import TraceTrackDeployment
from tracetrack_operator.aws.inventory import Inventory
from tracetrack_operator.database.rds import RDS, CreateInstance
from tracetrack_operator.dependencies.checks import CheckResult, Checks
from tracetrack_operator.dependencies.cloud import Facts, authorities, identifier, policy_of
from tracetrack_operator.dependencies.protocol import Dependency, Scope
from tracetrack_operator.engine.errors import TerminalError
from tracetrack_operator.manifests.parent import Parent
from tracetrack_operator.settings import Settings

SPEC: dict[str, Any] = {"database": {"provider": "RDS"}, "cache": {"provider": "Embedded"}}
OURS = {"tracetrack.io/uid": "uid-demo"}
ITEM: dict[str, Any] = {
    "DBInstanceIdentifier": "kind-shop-demo",
    "DBInstanceStatus": "available",
    "DBInstanceClass": "db.t4g.medium",
    "EngineVersion": "17.6",
    "AllocatedStorage": 50,
    "MultiAZ": True,
    "BackupRetentionPeriod": 7,
    "DeletionProtection": True,
}
WORKING = Facts(
    ITEM, OURS, {"username": "u", "password": "pw-secret"}, DATABASE, CheckResult(True), "2026-01-01T00:00:00Z"
)


def desired(facts: Facts, spec: dict[str, Any] | None = None) -> Dependency:
    obj = owner({**SPEC, **(spec or {})})
    provider = RDS(None, None, None, None, Settings())  # type: ignore[arg-type]
    return provider.desired(Scope(obj, Parent.of(obj), TraceTrackDeployment.parse(obj).spec, {}), facts)


def test_what_is_missing_is_created_after_its_password_is_saved() -> None:
    found = desired(replace(WORKING, item=None, binding=None))
    (step,) = found.steps
    assert isinstance(step, CreateInstance)
    assert [m["metadata"]["name"] for m in found.manifests] == ["demo-database-credentials"]
    assert step.parameters["MasterUserPassword"] == "pw-secret"
    assert {"Key": "tracetrack.io/uid", "Value": "uid-demo"} in step.parameters["Tags"]
    assert step.parameters["StorageEncrypted"] is True
    assert step.parameters["PubliclyAccessible"] is False
    assert "pw-secret" not in repr(found) + step.describe()


def test_networks_come_from_the_spec_or_else_from_the_operator() -> None:
    obj = owner(SPEC)
    scope = Scope(obj, Parent.of(obj), TraceTrackDeployment.parse(obj).spec, {})
    settings = Settings(rds_subnet_group="private", rds_security_groups=("sg-1",))
    provider = RDS(None, None, None, None, settings)  # type: ignore[arg-type]
    (step,) = provider.desired(scope, replace(WORKING, item=None)).steps
    assert isinstance(step, CreateInstance)
    assert (step.parameters["DBSubnetGroupName"], step.parameters["VpcSecurityGroupIds"]) == ("private", ["sg-1"])


@pytest.mark.parametrize(
    ("facts", "status", "reason", "words"),
    [
        (WORKING, "True", "Ready", "DB instance kind-shop-demo is available at demo-database.shop.svc:5432."),
        (
            replace(WORKING, item={**ITEM, "DBInstanceStatus": "creating"}, binding=None, check=None),
            "False",
            "Progressing",
            "is creating since 2026-01-01T00:00:00Z",
        ),
        (replace(WORKING, item={**ITEM, "DBInstanceStatus": "failed"}, binding=None), "False", "Failed", "is failed"),
        (replace(WORKING, tags={}), "False", "OwnershipConflict", "carries no tracetrack.io/uid tag"),
        (
            replace(WORKING, check=CheckResult(False, "EndpointUnreachable", "No answer.")),
            "False",
            "EndpointUnreachable",
            "No answer.",
        ),
        (
            replace(WORKING, item={**ITEM, "DBInstanceClass": "db.t3.micro"}),
            "True",
            "Ready",
            "instanceClass is db.t3.micro, the spec says db.t4g.medium",
        ),
    ],
)
def test_verdicts(facts: Facts, status: str, reason: str, words: str) -> None:
    found = desired(facts)
    assert (found.verdict.status, found.verdict.reason) == (status, reason)
    assert words in found.verdict.message
    assert not found.steps
    assert (found.binding is not None) == (status == "True")
    assert found.manifests, "the credentials must never be pruned"


@pytest.mark.parametrize(
    ("asked", "actual", "differs"),
    [("17", "17.6", False), ("17.6", "17.6", False), ("17.5", "17.6", True), ("16", "17.6", True)],
)
def test_a_major_version_stands_for_its_minor_ones(asked: str, actual: str, differs: bool) -> None:
    spec = {"database": {"provider": "RDS", "rds": {"engineVersion": asked}}}
    found = desired(replace(WORKING, item={**ITEM, "EngineVersion": actual}), spec)
    assert ("engineVersion" in found.verdict.message) == differs


@pytest.mark.parametrize(
    ("namespace", "name", "expected"),
    [("shop", "demo", "prod-shop-demo"), ("a--b", "demo", "prod-a-b-demo-"), ("n" * 60, "demo", "prod-nnn")],
)
def test_names_fit_what_aws_takes(namespace: str, name: str, expected: str) -> None:
    found = identifier("Prod", owner(name=name, namespace=namespace), None, 63)
    assert found.startswith(expected)
    assert len(found) <= 63
    assert "--" not in found
    assert identifier("x", owner(), "mine", 63) == "mine"


@pytest.mark.parametrize(
    ("obj", "policy"),
    [
        (owner({"deletionPolicy": "Delete"}), "Delete"),
        (owner({"deletionPolicy": "Shred"}), "Snapshot"),
        (owner(), "Snapshot"),
        ({"metadata": {}}, "Snapshot"),
        ({"metadata": {}, "spec": 3}, "Snapshot"),
    ],
)
def test_the_careful_policy_where_none_can_be_read(obj: dict[str, Any], policy: str) -> None:
    assert policy_of(obj) == policy


def test_a_ca_file_that_is_not_there_is_told() -> None:
    assert authorities("") == ""
    with pytest.raises(TerminalError, match=r"TRACETRACK_AWS_CA_FILE names /nowhere\.pem"):
        authorities("/nowhere.pem")


class CountingAws:
    """An `AwsPort` that lists one instance and counts how often it is asked."""

    def __init__(self) -> None:
        self.reads = 0

    async def call(self, service: str, operation: str, /, *, region: str | None = None, **_: Any) -> dict[str, Any]:
        self.reads += 1
        return {"TagList": [{"Key": "a", "Value": "b"}]}

    async def pages(
        self, service: str, operation: str, items: str, /, *, region: str | None = None, **_: Any
    ) -> AsyncIterator[dict[str, Any]]:
        self.reads += 1
        await asyncio.sleep(0)
        yield {"DBInstanceIdentifier": f"db-{self.reads}"}


async def test_one_describe_serves_all_until_it_is_too_old() -> None:
    now = 100.0
    aws = CountingAws()
    inventory = Inventory(aws, lambda: now)

    async def names(max_age: float) -> list[str]:
        found: Mapping[str, Any] = await inventory.db_instances("eu", max_age)
        return list(found)

    assert await asyncio.gather(*(names(10) for _ in range(20))) == [["db-1"]] * 20
    now += 9
    assert await names(10) == ["db-1"]
    now += 2
    assert await names(60) == ["db-1"]
    assert await names(10) == ["db-2"]
    assert aws.reads == 2
    inventory.expire("rds", "eu")
    assert await names(60) == ["db-3"], "what was read before a change is not good enough after it"


async def test_checks_are_remembered_a_while_and_per_binding() -> None:
    now, asked, good = 0.0, 0, True

    async def check(_: Any) -> CheckResult:
        nonlocal asked
        asked += 1
        return CheckResult(good)

    checks = Checks(check, lambda: now)
    for _ in range(3):
        await checks.result("uid", DATABASE)
    assert asked == 1
    await checks.result("uid", replace(DATABASE, password="new"))
    assert asked == 2
    good, now = False, 60.0
    await checks.result("uid", DATABASE)
    now += 5
    await checks.result("uid", DATABASE)
    assert asked == 3
    now += 5
    await checks.result("uid", DATABASE)
    assert asked == 4
