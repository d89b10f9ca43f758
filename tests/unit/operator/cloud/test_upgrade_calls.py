"""The calls of an upgrade against an AWS that has changed meanwhile, and what is left of one when its owner goes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from tests.unit.operator.cloud.test_upgrade import (
    ARN,
    BLUE,
    GREEN,
    NAME,
    NOW,
    OLD,
    STEPS,
    WANTED,
    deployment,
    instance,
    marked,
)
from tracetrack_operator.api.deployment import DeletionPolicy
from tracetrack_operator.aws.errors import AwsAlreadyExists, AwsConflict, AwsInvalid, AwsNotFound
from tracetrack_operator.aws.inventory import Inventory
from tracetrack_operator.aws.listing import Listing
from tracetrack_operator.database.inspection import Inspection
from tracetrack_operator.database.rds.upgrade import leftovers
from tracetrack_operator.database.rds.upgrade.act import UpgradeCall, UpgradeCalls
from tracetrack_operator.database.rds.upgrade.look import Concern, Lookout
from tracetrack_operator.dependencies.cloud.asked import Asked
from tracetrack_operator.dependencies.cloud.durations import Changes
from tracetrack_operator.dependencies.cloud.fields import Item
from tracetrack_operator.engine.errors import TerminalError, WaitingError

OTHERS = [{"Key": "tracetrack.io/uid", "Value": "uid-other"}]
READS = ("describe_", "list_")


class Account:
    """RDS with some instances and blue/green deployments; `fails` answers an operation with an error."""

    def __init__(self, *objects: Item, fails: dict[str, Exception] | None = None) -> None:
        self.instances = {str(o["DBInstanceIdentifier"]): o for o in objects if "DBInstanceIdentifier" in o}
        self.deployments = [o for o in objects if "BlueGreenDeploymentIdentifier" in o]
        self.fails = fails or {}
        self.made: list[tuple[str, dict[str, Any]]] = []
        self.read: list[str] = []

    async def call(self, service: str, operation: str, /, *, region: str | None = None, **given: Any) -> dict[str, Any]:
        assert (service, region) == ("rds", "eu-west-1")
        if operation in self.fails:
            raise self.fails[operation]
        if operation == "describe_blue_green_deployments":
            self.read.append(operation)
            return {"BlueGreenDeployments": self.deployments}
        if operation == "describe_db_engine_versions":
            self.read.append(operation)
            return {"DBEngineVersions": [{"ValidUpgradeTarget": [{"EngineVersion": "17.6"}]}]}
        self.made.append((operation, given))
        return {}

    async def pages(
        self, service: str, operation: str, items: str, /, *, region: str | None = None, **given: Any
    ) -> AsyncIterator[Item]:
        for item in (await self.call(service, operation, region=region, **given))[items]:
            yield item

    async def live(self, name: str, region: str | None) -> Item | None:
        return self.instances.get(name)

    @property
    def calls(self) -> UpgradeCalls:
        return UpgradeCalls(self, Inventory(self), Asked(), Changes(), self.live, 1.0)

    @property
    def names(self) -> list[str]:
        return [operation for operation, _ in self.made]


GIVE_UP = STEPS.give_up(deployment("AVAILABLE"))
FORGET = STEPS.forget("bgd-1")
END = STEPS.end(OLD, "16.10", DeletionPolicy.SNAPSHOT)
MARK = STEPS.mark(OLD, ARN + OLD, NOW)
CREATE = STEPS.create(BLUE, "17.6", "own-17")


@pytest.mark.parametrize(
    ("step", "objects", "made"),
    [
        (CREATE, (), ["create_blue_green_deployment"]),
        (GIVE_UP, (deployment("AVAILABLE"), instance(GREEN, "17.6")), ["delete_blue_green_deployment"]),
        (
            GIVE_UP,
            (deployment("AVAILABLE"), instance(GREEN, "17.6", DeletionProtection=True)),
            ["modify_db_instance", "delete_blue_green_deployment"],
        ),
        (GIVE_UP, (deployment("AVAILABLE", TagList=OTHERS),), None),
        (GIVE_UP, (deployment("SWITCHOVER_COMPLETED"),), None),
        (GIVE_UP, (), None),
        (FORGET, (deployment("SWITCHOVER_COMPLETED"),), ["delete_blue_green_deployment"]),
        (FORGET, (deployment("AVAILABLE"),), None),
        (MARK, (instance(OLD, "16.10"),), ["add_tags_to_resource"]),
        (MARK, (marked(NOW),), None),
        (MARK, (instance(OLD, "16.10", TagList=OTHERS),), None),
        (END, (marked(NOW),), ["delete_db_instance"]),
        (
            END,
            ({**marked(NOW), "DeletionProtection": True},),
            ["modify_db_instance", "delete_db_instance"],
        ),
        (END, (instance(OLD, "16.10"),), None),
        (END, (), None),
    ],
)
async def test_what_removes_something_looks_first(
    step: UpgradeCall, objects: tuple[Item, ...], made: list[str] | None
) -> None:
    account = Account(*objects)
    if made is None:
        with pytest.raises(WaitingError):
            await account.calls.run(step)
        assert account.made == []
    else:
        await account.calls.run(step)
        assert account.names == made
        protection = [given for operation, given in account.made if operation == "modify_db_instance"]
        assert all(given["DeletionProtection"] is False for given in protection)
        assert all(given["DBInstanceIdentifier"] != NAME for given in protection), "never of the one that serves"


@pytest.mark.parametrize(
    ("step", "error", "raised", "reason"),
    [
        (CREATE, AwsAlreadyExists("x", "AwsAlreadyExists", "there"), None, ""),
        (CREATE, AwsConflict("x", "AwsConflict", "busy"), WaitingError, "Modifying"),
        (CREATE, AwsInvalid("x", "no such version"), TerminalError, "AwsInvalidRequest"),
        (CREATE, AwsNotFound("x", "AwsNotFound", "no such group"), AwsNotFound, "AwsNotFound"),
        (END, AwsAlreadyExists("x", "AwsAlreadyExists", "there"), WaitingError, "SnapshotExists"),
        (END, AwsNotFound("x", "AwsNotFound", "gone"), WaitingError, "Modifying"),
    ],
)
async def test_what_aws_says_to_it(
    step: UpgradeCall, error: Exception, raised: type[Exception] | None, reason: str
) -> None:
    account = Account(marked(NOW), fails={step.operation: error})
    calls = account.calls
    if raised is None:
        await calls.run(step)
        assert calls.asked.of("uid-demo") == {("upgrade", "17.6")}
    else:
        with pytest.raises(raised) as told:
            await calls.run(step)
        assert getattr(told.value, "reason", "") == reason
        assert not calls.asked.of("uid-demo")


@pytest.mark.parametrize(
    ("objects", "begun", "made", "done"),
    [
        ((), True, [], True),
        ((deployment("PROVISIONING"),), True, [], False),
        ((deployment("AVAILABLE"), instance(GREEN, "17.6")), False, ["delete_blue_green_deployment"], False),
        ((deployment("INVALID_CONFIGURATION"),), True, ["delete_blue_green_deployment"], False),
        ((instance(GREEN, "17.6", "deleting"),), False, [], False),
        ((deployment("SWITCHOVER_COMPLETED"), instance(OLD, "16.10")), True, ["add_tags_to_resource"], False),
        ((deployment("SWITCHOVER_COMPLETED"), marked(NOW)), True, ["delete_blue_green_deployment"], False),
        ((deployment("SWITCHOVER_COMPLETED"), instance(GREEN, "17.6")), True, [], False),
        ((marked(NOW),), False, ["delete_db_instance"], False),
        (({**marked(NOW), "DBInstanceStatus": "deleting"},), False, [], False),
        ((instance(OLD, "16.10"),), False, [], True),
        ((deployment("AVAILABLE", TagList=OTHERS), instance(GREEN, "17.6", TagList=OTHERS)), True, [], True),
    ],
)
@pytest.mark.parametrize("policy", list(DeletionPolicy))
async def test_all_that_is_ours_goes_step_by_step(
    objects: tuple[Item, ...], begun: bool, made: list[str], done: bool, policy: DeletionPolicy
) -> None:
    account = Account(*objects)

    async def clear() -> None:
        await leftovers.clear(account, account.calls, STEPS, "uid-demo", Listing(account.instances), begun, policy, NOW)

    if done:
        await clear()
    else:
        with pytest.raises(WaitingError):
            await clear()
    assert account.names == made
    for operation, given in account.made:
        if operation == "delete_db_instance":
            assert given["SkipFinalSnapshot"] is (policy is DeletionPolicy.DELETE)


def concern(**changes: Any) -> Concern:
    given = {"wanted": None, "attempts": None, "master": None, "item": {**BLUE, "DBInstanceArn": ARN + NAME}, **changes}
    return Concern("uid-demo", "eu-west-1", NAME, max_age=1.0, **given)


async def looked(account: Account, of: Concern) -> Any:
    async def inspect(_: object) -> Inspection:
        return Inspection()

    return await Lookout(account, Inventory(account), inspect).look(of, Listing(account.instances))


async def test_nobody_is_asked_while_no_upgrade_is_wanted_or_begun() -> None:
    account = Account(marked(NOW - timedelta(hours=1)), instance(f"{NAME}-other", "16.10"))
    found = await looked(account, concern())
    assert (account.read, set(found.beside)) == ([], {OLD})
    for begun in (concern(attempts=0), concern(wanted=WANTED)):
        account = Account()
        await looked(account, begun)
        assert "describe_blue_green_deployments" in account.read
    account = Account(instance(GREEN, "17.6"))
    await looked(account, concern())
    assert account.read == ["describe_blue_green_deployments"], "what is seen of one tells that it was begun"


async def test_somebody_elses_deployment_of_the_instance_is_in_the_way() -> None:
    theirs = deployment("AVAILABLE", BlueGreenDeploymentName="by-hand", TagList=[])
    found = await looked(Account(theirs), concern(wanted=WANTED))
    assert (found.deployments, found.foreign, found.targets) == ((), "by-hand", ("17.6",))
    elsewhere = {**theirs, "Source": f"{ARN}another"}
    assert (await looked(Account(elsewhere), concern(wanted=WANTED))).foreign == ""
    namesake = {**elsewhere, "BlueGreenDeploymentName": f"{NAME}-to-17"}
    assert (await looked(Account(namesake), concern(wanted=WANTED))).foreign == f"{NAME}-to-17"
