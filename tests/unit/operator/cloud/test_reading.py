"""How often AWS is asked, and connections are tried."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from tests.unit.operator.deployment.factory import DATABASE, owner, stored
from tracetrack_operator.api import TraceTrackDeployment
from tracetrack_operator.aws.inventory import Inventory
from tracetrack_operator.dependencies.checks import GOOD_SECONDS, CheckResult, Checks
from tracetrack_operator.dependencies.protocol import Scope
from tracetrack_operator.dependencies.vouching import vouched
from tracetrack_operator.manifests.parent import Parent
from tracetrack_operator.manifests.secret import secret


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


async def test_a_group_comes_with_the_description_of_its_first_member() -> None:
    class Groups:
        async def pages(
            self, service: str, operation: str, items: str, /, *, region: str | None = None, **_: Any
        ) -> AsyncIterator[dict[str, Any]]:
            if items == "ReplicationGroups":
                yield {"ReplicationGroupId": "made", "MemberClusters": ["made-001", "made-002"]}
                yield {"ReplicationGroupId": "being-made", "MemberClusters": []}
            else:
                yield {"CacheClusterId": "made-001", "EngineVersion": "8.0.1"}

    aws: Any = Groups()
    found = await Inventory(aws).replication_groups(None, 10)
    assert found["made"]["Member"]["EngineVersion"] == "8.0.1"
    assert "Member" not in found["being-made"]


async def test_after_a_start_what_is_vouched_for_is_asked_later_and_only_then() -> None:
    now, asked = 0.0, 0

    async def check(_: Any) -> CheckResult:
        nonlocal asked
        asked += 1
        return CheckResult(False, "AuthenticationFailed")

    checks = Checks(check, lambda: now, trusting=True)
    assert await checks.result("uid", DATABASE, lambda: True) == CheckResult(True)
    assert asked == 0
    now = GOOD_SECONDS
    assert not (await checks.result("uid", DATABASE, lambda: True)).ok
    assert asked == 1
    assert not (await checks.result("uid/other", DATABASE, lambda: True)).ok, "the owner was met before"
    assert not (await checks.result("second", DATABASE, lambda: False)).ok
    assert not (await Checks(check, lambda: now).result("uid", DATABASE, lambda: True)).ok, "who only looks asks"
    checks.leave("uid")
    assert (await checks.result("uid", DATABASE, lambda: True)).ok


@pytest.mark.parametrize(
    ("told", "given", "synced", "expected"),
    [
        ("True", {}, "Ready", True),
        ("True", {"replica-host": "replica.test", "replica-port": "5432"}, "Ready", True),
        ("True", {"password": "another"}, "Ready", False),
        ("True", {"ca.crt": "pem"}, "Ready", False),
        ("True", {}, "TLSNotEnforced", False),
        ("False", {}, "Ready", False),
        ("True", None, "Ready", False),
    ],
)
def test_a_binding_is_vouched_for_by_status_and_secret_together(
    told: str, given: dict[str, str] | None, synced: str, expected: bool
) -> None:
    since = "2026-11-23T12:00:00Z"
    condition = {"type": "DatabaseReady", "status": told, "reason": "Ready", "message": "", "lastTransitionTime": since}
    obj = {**owner(), "status": {"conditions": [condition, {**condition, "type": "Synced", "reason": synced}]}}
    parent = Parent.of(obj)
    name = parent.child("database-binding")
    kept = None if given is None else stored(secret({"name": name}, {**DATABASE.data(), **given}))
    scope = Scope(obj, parent, TraceTrackDeployment.parse(obj).spec, {("Secret", name): kept} if kept else {})
    assert vouched(scope, "database", DATABASE) is expected
