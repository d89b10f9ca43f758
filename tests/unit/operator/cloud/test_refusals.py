"""What becomes of a change that AWS refuses, and of the others meanwhile."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from tests.unit.operator.cloud.test_rds import ITEM, WORKING, desired, modified
from tests.unit.operator.cloud.test_replicas import REPORTS
from tests.unit.operator.cloud.test_replicas import desired as replicated
from tracetrack_operator.aws.errors import AwsInvalid
from tracetrack_operator.database.rds.provider import CreateInstance, ModifyInstance
from tracetrack_operator.database.rds.replicas.actions import CreateReplica
from tracetrack_operator.dependencies.cloud.asked import Asked
from tracetrack_operator.dependencies.cloud.calls import CloudCalls
from tracetrack_operator.dependencies.cloud.durations import Changes
from tracetrack_operator.dependencies.cloud.refusals import CREATION, LONGEST_SECONDS, Refusal, Refusals
from tracetrack_operator.engine.errors import TerminalError

COOLING = TerminalError("AwsInvalidRequest", "AWS refuses to change DB instance kind-shop-demo: it cools down.")
STORAGE = ("allocatedStorageGiB", "100")
RETENTION = ("backupRetentionDays", "14")
GROWN = {"allocatedStorageGiB": 100, "backupRetentionDays": 14}


class Watch:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_each_further_try_waits_twice_as_long_until_the_spec_is_another_one() -> None:
    watch = Watch()
    refusals = Refusals(20.0, watch)
    waits = []
    for _ in range(6):
        refusals.remember("uid", [STORAGE], COOLING)
        waits.append(refusals.of("uid", 3)[STORAGE].wait)
        watch.now += waits[-1]
        assert refusals.of("uid", 3)[STORAGE].wait == 0
    assert waits == [20, 40, 80, 160, LONGEST_SECONDS, LONGEST_SECONDS]
    for _ in range(2000):
        refusals.remember("uid", [STORAGE], COOLING)
    assert refusals.of("uid", 4) == {STORAGE: Refusal(COOLING)}, "tried at once, and still apart"
    refusals.remember("uid", [STORAGE], COOLING)
    assert refusals.of("uid", 4)[STORAGE].wait == 20


def test_what_was_taken_or_is_asked_no_more_is_forgotten() -> None:
    watch = Watch()
    refusals = Refusals(20.0, watch)
    refusals.remember("uid", [STORAGE, RETENTION], COOLING)
    refusals.forget("uid", [RETENTION])
    assert refusals.of("uid", 3).keys() == {STORAGE}
    assert refusals.of("another", 3) == {}
    watch.now = 3600
    assert refusals.of("uid", 3) == {}


def test_what_was_refused_goes_after_the_rest_and_by_itself() -> None:
    refused = {STORAGE: Refusal(COOLING, 12.0)}
    first = desired(replace(WORKING, refused=refused), GROWN)
    assert modified(first).parameters["BackupRetentionPeriod"] == 14
    assert "AllocatedStorage" not in modified(first).parameters
    assert first.look_again == 10
    assert first.sync is not None
    assert first.sync.reason == "AwsInvalidRequest"
    assert first.sync.message.startswith(COOLING.message)
    assert "is being changed: backupRetentionDays 7 → 14 (online)." in first.sync.message
    bad_group = {("securityGroupIds", "['sg-1']"): Refusal(COOLING, 0.0)}
    groups = {**ITEM, "VpcSecurityGroups": []}
    seen = {**WORKING.agreed, "securityGroupIds": []}
    asked = {"securityGroupIds": ["sg-1"], "backupRetentionDays": 14}
    apart = modified(desired(replace(WORKING, item=groups, agreed=seen, refused=bad_group), asked))
    assert "VpcSecurityGroupIds" not in apart.parameters, "even where they would go in one call, and it is time"


@pytest.mark.parametrize(("wait", "steps", "look_again"), [(12.0, 0, 12.0), (0.0, 1, 10.0), (300.0, 0, 60.0)])
def test_what_is_refused_waits_for_its_next_try(wait: float, steps: int, look_again: float) -> None:
    refused = {STORAGE: Refusal(COOLING, wait)}
    found = desired(replace(WORKING, refused=refused), {"allocatedStorageGiB": 100})
    assert (len(found.steps), found.look_again) == (steps, look_again)
    assert found.sync is not None
    assert found.sync.message == COOLING.message


@pytest.mark.parametrize(
    ("item", "rds", "sent"),
    [
        ({}, {"allocatedStorageGiB": 399}, {"AllocatedStorage": 399}),
        ({"Iops": 3000}, {"allocatedStorageGiB": 400}, {"AllocatedStorage": 400, "Iops": 12000}),
        (
            {"Iops": 3000},
            {"allocatedStorageGiB": 400, "storageIops": 16000},
            {"AllocatedStorage": 400, "Iops": 16000},
        ),
        (
            {"AllocatedStorage": 400, "Iops": 16000},
            {"allocatedStorageGiB": 500},
            {"AllocatedStorage": 500, "Iops": 16000},
        ),
        (
            {"AllocatedStorage": 400, "StorageThroughput": 500, "Iops": 16000},
            {"allocatedStorageGiB": 400, "storageThroughputMiBps": 1000},
            {"AllocatedStorage": 400, "Iops": 16000, "StorageThroughput": 1000},
        ),
    ],
)
def test_from_400_gib_on_size_and_io_operations_go_together(
    item: dict[str, Any], rds: dict[str, Any], sent: dict[str, Any]
) -> None:
    seen = {**WORKING.agreed, "storageIops": None, "storageThroughputMiBps": None}
    step = modified(desired(replace(WORKING, item={**ITEM, **item}, agreed=seen), rds))
    assert {key: value for key, value in step.parameters.items() if key.startswith(("All", "Iops", "Stor"))} == sent


@pytest.mark.parametrize(
    ("item", "rds", "sent"),
    [
        (
            {"AllocatedStorage": 50, "MaxAllocatedStorage": 100},
            {"allocatedStorageGiB": 200, "maxAllocatedStorageGiB": 300},
            {"AllocatedStorage": 200, "MaxAllocatedStorage": 300},
        ),
        (
            {"AllocatedStorage": 50, "MaxAllocatedStorage": 100},
            {"allocatedStorageGiB": 200},
            {"AllocatedStorage": 200, "MaxAllocatedStorage": 200},
        ),
        (
            {"AllocatedStorage": 50, "DBInstanceStatus": "storage-optimization"},
            {"maxAllocatedStorageGiB": 300},
            {"MaxAllocatedStorage": 300},
        ),
    ],
)
def test_the_limit_of_growing_goes_with_a_growth(
    item: dict[str, Any], rds: dict[str, Any], sent: dict[str, Any]
) -> None:
    seen = {**WORKING.agreed, "maxAllocatedStorageGiB": 100}
    step = modified(desired(replace(WORKING, item={**ITEM, **item}, agreed=seen), rds))
    assert {key: value for key, value in step.parameters.items() if "Storage" in key} == sent


def test_a_creation_that_aws_refuses_waits_too() -> None:
    missing = replace(WORKING, item=None, binding=None, check=None, refused={CREATION: Refusal(COOLING, 35.0)})
    found = desired(missing)
    assert (found.steps, found.look_again, found.verdict.reason) == ((), 35.0, "AwsInvalidRequest")
    assert found.manifests, "the credentials must never be pruned"
    again = desired(replace(missing, refused={CREATION: Refusal(COOLING)}))
    assert [type(each) for each in again.steps] == [CreateInstance]


def test_so_does_that_of_a_replica() -> None:
    absent = replace(REPORTS, item=None, binding=None, check=None)
    waits = replicated(replace(absent, refused={CREATION: Refusal(COOLING, 35.0)}))
    assert (waits.steps, waits.look_again) == ((), 35.0)
    assert waits.replicas is not None
    assert waits.replicas.reason == "AwsInvalidRequest"
    due = replicated(replace(absent, refused={CREATION: Refusal(COOLING)}))
    assert [type(each) for each in due.steps] == [CreateReplica]


async def test_how_often_aws_is_asked_for_what_it_refuses() -> None:
    """A look each second for ten minutes."""
    watch, calls = Watch(), 0

    async def call(*_: str, **__: Any) -> Any:
        nonlocal calls
        calls += 1
        raise AwsInvalid("InvalidParameterCombination", "not now")

    async def waiting(*_: Any) -> dict[str, Any]:
        return {}

    refusals, unused = Refusals(20.0, watch), SimpleNamespace(call=call, expire=lambda *_: None)
    aws: Any = unused
    made = CloudCalls(aws, aws, Asked(), Changes(), aws, waiting, aws, aws, 10.0, "DBInstance", refusals)
    for _ in range(600):
        found = desired(replace(WORKING, refused=refusals.of("uid-demo", 3)), {"allocatedStorageGiB": 100})
        for step in found.steps:
            assert isinstance(step, ModifyInstance)
            with pytest.raises(TerminalError, match="AWS refuses to change DB instance kind-shop-demo"):
                await made.modify(step)
        watch.now += 1
    assert calls == 5, "at 0, 20, 60, 140 and 300 seconds"
