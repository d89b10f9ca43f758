"""What a fleet tells while runs are under way, and what one run leaves to the next."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
from typing import Any

import pytest

from tests.unit.operator.fleet.rig import KEY, Rig
from tracetrack_operator.engine.errors import RetryableError
from tracetrack_operator.engine.objects import Key
from tracetrack_operator.fleet import reconciler
from tracetrack_operator.fleet.reconciler import LOOK_SECONDS, FleetReconciler

DENIED = RetryableError("AwsAccessDenied", "not allowed")
STRANGERS = {"tracetrack-uid": "someone"}


async def test_a_run_makes_the_fleet_ready() -> None:
    rig = Rig(3)
    await rig.reconcile()
    assert rig.condition()[0] != "True"
    await rig.run_ended()
    await rig.reconcile()
    assert rig.condition() == ("True", "Ready", "3 of 3 scanners provisioned.")
    assert rig.aws.joined == {f"kind_north_lucknow-000{number}" for number in (1, 2, 3)}
    assert (await rig.reconcile()).requeue_after != LOOK_SECONDS


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("change", [{"credentials": {"keyGeneration": 2}}, {"attributes": {"dock": "7"}}])
async def test_a_changed_spec_is_ready_only_when_it_is_done(change: dict[str, Any], restarted: bool) -> None:
    rig = Rig(3)
    await rig.settle()
    before = rig.secret()["data"]["lucknow-0001.device-key"]
    if restarted:
        rig.reconciler = FleetReconciler(rig.context)
    rig.change(change)
    await rig.reconcile()
    assert rig.condition() == ("False", "Progressing", "0 of 3 scanners up to date.")
    await rig.run_ended()
    await rig.reconcile()
    assert rig.condition() == ("True", "Ready", "3 of 3 scanners provisioned.")
    renewed = rig.secret()["data"]["lucknow-0001.device-key"] != before
    assert renewed is ("credentials" in change)
    assert {things.get("dock") for things in rig.aws.things.values()} == {change.get("attributes", {}).get("dock")}


@pytest.mark.parametrize("by_hand", ["other keys", "no keys", "deleted"])
@pytest.mark.parametrize("gone_in_aws", [False, True])
async def test_signing_keys_changed_by_hand_in_the_cluster_are_put_right_from_aws(
    by_hand: str, gone_in_aws: bool
) -> None:
    rig = Rig(1)
    await rig.settle()
    at = Key("Secret", "north", "lucknow-signing")
    before = rig.kube.objects[at]
    if by_hand == "deleted":
        rig.cache.remove(rig.kube.objects.pop(at))
    else:
        keys = [{"id": "9", "secret": base64.b64encode(b"x" * 32).decode()}] if by_hand == "other keys" else []
        text = json.dumps({"signingKeys": keys, "arn": rig.aws.secret["ARN"]})
        data = {"keys.json": base64.b64encode(text.encode()).decode()}
        rig.cache.put(rig.kube.put({**before, "data": data}))
    if gone_in_aws:
        rig.aws.secret = {}
    await rig.settle()
    assert rig.kube.objects[at]["data"] == before["data"]
    assert rig.aws.calls.count("create_secret") == 1 + gone_in_aws
    looked = len(rig.aws.calls)
    assert (await rig.reconcile()).requeue_after != LOOK_SECONDS
    assert len(rig.aws.calls) == looked, "once it is right nothing is looked at again"


async def test_a_failing_set_up_is_told_whatever_scanners_failed_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tracetrack_operator.fleet.memory.BACKOFF_LIMIT", 0.0)
    rig = Rig(3)
    rig.aws.things["kind_north_lucknow-0002"] = STRANGERS
    await rig.settle()
    assert rig.condition()[:2] == ("False", "OwnershipConflict")
    rig.aws.refusals["create_thing_group"] = rig.aws.refusals["describe_thing_group"] = DENIED
    rig.memory.check_at = 0.0
    await rig.settle()
    state, reason, message = rig.condition()
    assert (state, reason) == ("False", "AwsAccessDenied")
    assert message.startswith("2 of 3 scanners provisioned. not allowed. lucknow-0002: The AWS IoT thing")


async def test_what_keeps_a_scanner_back_is_told_until_it_has_been_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tracetrack_operator.fleet.memory.BACKOFF_LIMIT", 0.0)
    rig = Rig(3)
    rig.aws.things["kind_north_lucknow-0002"] = STRANGERS
    await rig.settle()
    told = rig.condition()
    assert told[1] == "OwnershipConflict"
    reached, go_on = asyncio.Event(), asyncio.Event()

    async def wait(_: dict[str, Any]) -> None:
        reached.set()
        await go_on.wait()

    rig.aws.before["create_thing"] = wait
    await rig.reconcile()
    async with asyncio.timeout(10):
        await reached.wait()
    await rig.reconcile()
    assert rig.condition() == told
    del rig.aws.things["kind_north_lucknow-0002"]
    go_on.set()
    await rig.run_ended()
    await rig.reconcile()
    assert rig.condition()[0] == "True"


async def test_what_kept_a_fleet_from_being_made_does_not_hold_up_its_removal(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    rig = Rig(3)
    rig.aws.refusals["create_secret"] = DENIED
    await rig.settle()
    assert rig.condition("SigningKeyReady")[:2] == ("False", "AwsAccessDenied")
    caplog.clear()
    # No time to get anywhere: the removal takes more than one run.
    monkeypatch.setattr(reconciler, "RUN_SECONDS", 0.0)
    rig.change(deletionTimestamp="2026-11-03T00:00:00Z")
    with caplog.at_level(logging.WARNING):
        await rig.reconcile()
        assert rig.condition() == ("False", "Deleting", "Being removed from AWS, 0 scanners left.")
        await rig.run_ended()
        assert (await rig.reconcile()).requeue_after == LOOK_SECONDS
        await rig.run_ended()
    assert [record.message for record in caplog.records] == []
    assert rig.condition("SigningKeyReady")[1] != "AwsAccessDenied"


async def test_things_of_others_in_the_group_are_left_alone_and_keep_nobody_waiting() -> None:
    rig = Rig(2)
    await rig.settle()
    rig.aws.things["theirs"] = STRANGERS
    rig.aws.joined.add("theirs")
    rig.reconciler = FleetReconciler(rig.context)
    for looked in (1, 2):
        await rig.settle()
        assert rig.condition()[0] == "True"
        assert rig.aws.calls.count("list_things_in_thing_group") == looked
        assert rig.aws.calls.count("describe_thing") == 1
        rig.memory.check_at = 0.0
    assert rig.aws.things["theirs"] == STRANGERS


class _Unscanned(dict[Any, Any]):
    """A dictionary in which one looks up, and never looks through."""

    def _refuse(self) -> Any:
        raise AssertionError("every fleet was looked through for one")

    __iter__ = items = keys = values = _refuse  # type: ignore[assignment]


async def test_a_reconcile_looks_at_no_other_fleet() -> None:
    rig = Rig(1)
    rig.reconciler._memories = _Unscanned()
    await rig.settle()
    assert rig.condition()[0] == "True"
    await rig.reconciler.reconcile(Key("ScannerFleet", "north", "gone"))


async def test_a_fleet_made_again_under_its_name_begins_anew() -> None:
    rig = Rig(1)
    await rig.settle()
    first = rig.memory
    rig.cache.remove(rig.fleet)
    await rig.reconcile()
    assert not rig.reconciler._memories
    rig.cache.put(rig.kube.put({**rig.fleet, "metadata": {**rig.fleet["metadata"], "uid": "another"}}))
    rig.context.queue.add(KEY)
    await rig.reconcile()
    assert rig.memory is not first
    assert rig.memory.uid == "another"
    await rig.reconciler.stop()
