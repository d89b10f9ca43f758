from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from prometheus_client import REGISTRY

from tracetrack_operator.engine.conditions import Conditions
from tracetrack_operator.engine.errors import ReconcileError, RetryableError, WaitingError
from tracetrack_operator.engine.events import MAX_MESSAGE, EventRecorder
from tracetrack_operator.engine.guide import Guide
from tracetrack_operator.engine.objects import Object
from tracetrack_operator.engine.status import StatusWriter

from .objects import RecordingKube, thing

GUIDE = Guide("page", frozenset({"Progressing"}))
REGARDING = thing("demo", 3, kind="TraceTrackDeployment", uid="uid-1", metadata={"generation": 4})


@pytest.fixture
def kube() -> RecordingKube:
    return RecordingKube()


@pytest.fixture
def recorder(kube: RecordingKube) -> EventRecorder:
    return EventRecorder(kube, "tracetrack-operator", "pod-1", GUIDE)


async def test_the_same_event_counts_up_in_place(kube: RecordingKube, recorder: EventRecorder) -> None:
    for _ in range(3):
        await recorder.emit(REGARDING, "Warning", "Broken", "the password is wrong")
    first, *_, last = kube.applied
    assert {event["metadata"]["name"] for event in kube.applied} == {first["metadata"]["name"]}
    assert last["count"] == 3
    assert last["firstTimestamp"] == first["firstTimestamp"]
    assert last["involvedObject"] == {
        "apiVersion": "v1",
        "kind": "TraceTrackDeployment",
        "name": "demo",
        "namespace": "shop",
        "uid": "uid-1",
    }
    assert last["metadata"]["namespace"] == "shop"


async def test_another_message_reason_or_object_is_another_event(kube: RecordingKube, recorder: EventRecorder) -> None:
    await recorder.emit(REGARDING, "Warning", "Broken", "one")
    await recorder.emit(REGARDING, "Warning", "Broken", "two")
    await recorder.emit(REGARDING, "Warning", "Odd", "one")
    await recorder.emit(
        {**REGARDING, "metadata": {**REGARDING["metadata"], "uid": "uid-2"}}, "Warning", "Broken", "one"
    )
    assert len({event["metadata"]["name"] for event in kube.applied}) == 4
    assert all(event["count"] == 1 for event in kube.applied)


async def test_a_long_message_is_cut_to_what_the_api_server_takes(kube: RecordingKube, recorder: EventRecorder) -> None:
    await recorder.emit(REGARDING, "Normal", "Long", "x" * 5000)
    await recorder.emit(REGARDING, "Warning", "Long", "x" * 5000)
    normal, warning = (event["message"] for event in kube.applied)
    assert len(normal) == len(warning) == MAX_MESSAGE == 1024
    assert normal == "x" * MAX_MESSAGE
    assert warning.endswith("x… See page#long.")


async def test_a_warning_ends_in_where_its_reason_is_explained(kube: RecordingKube, recorder: EventRecorder) -> None:
    await recorder.emit(REGARDING, "Warning", "OwnershipConflict", "It is another's")
    await recorder.emit(REGARDING, "Normal", "CleanedUp", "It is gone")
    assert [event["message"] for event in kube.applied] == [
        "It is another's. See page#ownershipconflict.",
        "It is gone",
    ]


async def test_a_refused_event_is_logged_and_harms_nobody(
    kube: RecordingKube, recorder: EventRecorder, caplog: pytest.LogCaptureFixture
) -> None:
    kube.failure = RetryableError("Forbidden", "not allowed to create events")
    with caplog.at_level(logging.WARNING):
        await recorder.emit(REGARDING, "Normal", "Ready", "all is well")
    assert "event not recorded" in caplog.text


async def test_what_is_remembered_is_bounded(kube: RecordingKube, recorder: EventRecorder) -> None:
    kube.failure = RetryableError("KubernetesUnreachable", "no answer")
    for number in range(2100):
        await recorder.emit(REGARDING, "Normal", "Many", str(number))
    assert len(recorder._seen) == len(recorder._unsaid) == 2000


def previous(status: str, reason: str = "R") -> list[dict[str, Any]]:
    return [{"type": "Ready", "status": status, "reason": reason, "lastTransitionTime": "2020-01-01T00:00:00Z"}]


async def publish(writer: StatusWriter, observed: Object, fields: dict[str, Any]) -> Object | None:
    now = Conditions(observed.get("status", {}).get("conditions", []), observed["metadata"]["generation"])
    now.true("DatabaseReady", "Up")
    now.roll_up(["DatabaseReady"], message="All parts are up.")
    return await writer.publish(observed, fields, now)


async def test_status_is_written_once_and_not_again_while_nothing_changes(
    kube: RecordingKube, recorder: EventRecorder
) -> None:
    writer = StatusWriter(kube, recorder)
    stored = await publish(writer, REGARDING, {"replicas": 2, "endpoint": None})
    assert stored is not None
    assert stored["status"]["observedGeneration"] == 4
    assert "endpoint" not in stored["status"], "a field that is not reported is left out"
    assert stored["metadata"]["uid"] == "uid-1", "a status must not land on a namesake that came after"
    again = {**REGARDING, "status": stored["status"]}
    assert await publish(writer, again, {"replicas": 2}) is None
    assert len(kube.statuses) == 1
    assert [event["reason"] for event in kube.applied] == ["Ready"], "good news of a part is no event of its own"


async def test_a_transition_is_told_before_the_status_has_it(kube: RecordingKube, recorder: EventRecorder) -> None:
    class Killed(RecordingKube):
        async def apply_status(self, manifest: Object, *, field_manager: str = "") -> Object:
            raise asyncio.CancelledError

    killed = Killed()
    with pytest.raises(asyncio.CancelledError):
        await publish(StatusWriter(killed, EventRecorder(killed, "tracetrack-operator", "pod-1")), REGARDING, {})
    await publish(StatusWriter(kube, recorder), REGARDING, {})
    [told], [again] = killed.applied, kube.applied
    assert told["reason"] == "Ready"
    assert told["metadata"] == again["metadata"], "told twice it must be one Event, not two"


@pytest.mark.parametrize(
    ("failure", "again"),
    [
        (RetryableError("KubernetesUnreachable", "no answer"), 1),
        (WaitingError("NamespaceTerminating", "nothing new can be made"), 0),
    ],
)
async def test_an_event_that_could_not_be_written_is_told_with_the_next_look(
    failure: ReconcileError, again: int
) -> None:
    class Deaf(RecordingKube):
        async def apply_status(self, manifest: Object, *, field_manager: str = "") -> Object:
            self.statuses.append(manifest)
            return manifest

    deaf = Deaf()
    deaf.failure = failure
    writer = StatusWriter(deaf, EventRecorder(deaf, "tracetrack-operator", "pod-1"))
    stored = await publish(writer, REGARDING, {})
    assert stored is not None, "the status must not wait for the Event"
    deaf.failure = None
    other = {**REGARDING, "metadata": {**REGARDING["metadata"], "uid": "uid-2"}, "status": stored["status"]}
    assert await publish(writer, other, {}) is None
    assert deaf.applied == []
    for _ in range(2):
        assert await publish(writer, {**REGARDING, "status": stored["status"]}, {}) is None
    assert [event["reason"] for event in deaf.applied] == ["Ready"] * again


async def test_what_moves_by_itself_is_written_with_what_else_is(kube: RecordingKube, recorder: EventRecorder) -> None:
    writer = StatusWriter(kube, recorder, at_rest=lambda status: {k: v for k, v in status.items() if k != "clock"})
    stored = await publish(writer, REGARDING, {"replicas": 2, "clock": 1})
    assert stored is not None
    now = {**REGARDING, "status": stored["status"]}
    assert await publish(writer, now, {"replicas": 2, "clock": 2}) is None
    stored = await publish(writer, now, {"replicas": 3, "clock": 3})
    assert stored is not None
    assert stored["status"]["clock"] == 3


async def test_a_broken_part_is_a_warning_that_names_the_part(kube: RecordingKube, recorder: EventRecorder) -> None:
    writer = StatusWriter(kube, recorder, GUIDE)

    async def told(*before: Object) -> set[tuple[str, str, str]]:
        now = Conditions(before, 4)
        now.false("DatabaseReady", "AuthenticationFailed", "password refused: correct the Secret")
        now.false("CacheReady", "SecretNotFound", "create the Secret")
        now.false("ApplicationReady", "Progressing", "1 of 2 replicas ready")
        now.roll_up(["DatabaseReady", "CacheReady", "ApplicationReady"])
        kube.applied.clear()
        await writer.publish({**REGARDING, "status": {"conditions": list(before)}}, {}, now)
        return {(event["type"], event["reason"], event["message"]) for event in kube.applied}

    warnings = {
        ("Warning", "AuthenticationFailed", "password refused: correct the Secret. See page#authenticationfailed."),
        ("Warning", "SecretNotFound", "CacheReady: create the Secret. See page#secretnotfound."),
    }
    passing = {("Normal", "Progressing", "ApplicationReady: 1 of 2 replicas ready")}
    held, coming = ({"type": "ApplicationReady", "status": status, "reason": "R"} for status in ("True", "Unknown"))
    assert await told(held) == warnings | passing, (
        "what Ready says already is not said twice, and what passes by itself is no warning"
    )
    assert await told() == await told(coming) == warnings, "of something new it is no news that a part is coming"


async def test_a_status_with_addresses_is_not_written_again_while_nothing_changes(
    kube: RecordingKube, recorder: EventRecorder
) -> None:
    writer = StatusWriter(kube, recorder, GUIDE)

    async def tell(observed: Object) -> Object | None:
        now = Conditions(observed.get("status", {}).get("conditions", []), 4)
        now.false("DatabaseReady", "AuthenticationFailed", "y" * 9000)
        now.roll_up(["DatabaseReady"])
        return await writer.publish(observed, {}, now)

    stored = await tell(REGARDING)
    assert stored is not None
    for condition in stored["status"]["conditions"]:
        assert condition["message"].endswith("y… See page#authenticationfailed.")
    assert await tell({**REGARDING, "status": stored["status"]}) is None
    assert len(kube.statuses) == 1


async def test_the_condition_metric_has_one_status_at_a_time(kube: RecordingKube, recorder: EventRecorder) -> None:
    await publish(StatusWriter(kube, recorder), REGARDING, {})
    labels = {"kind": "TraceTrackDeployment", "namespace": "shop", "name": "demo", "type": "Ready"}
    values = {
        status: REGISTRY.get_sample_value("tracetrack_operator_condition", {**labels, "status": status})
        for status in ("True", "False", "Unknown")
    }
    assert values == {"True": 1, "False": 0, "Unknown": 0}
