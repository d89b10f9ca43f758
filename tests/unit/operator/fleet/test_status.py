"""What is told of a fleet, for every state it can be in and everything that can hold it up."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.operator.fleet.samples import SETUP, target, target_of
from tracetrack_operator.api.slice import ScannerState
from tracetrack_operator.engine.conditions import Conditions
from tracetrack_operator.engine.errors import ReconcileError, RetryableError, TerminalError
from tracetrack_operator.fleet import status
from tracetrack_operator.fleet.errors import OwnershipConflict
from tracetrack_operator.fleet.memory import Memory, Progress
from tracetrack_operator.fleet.observe import Observed
from tracetrack_operator.fleet.slices import SliceRecord
from tracetrack_operator.fleet.target import Signing, Target

DENIED = RetryableError("AwsAccessDenied", "iot:CreateThing was refused", "Grant it to the operator.")
REFUSED = TerminalError("AwsInvalidRequest", "AWS refuses the attributes.")
CONFLICT = OwnershipConflict("The Secrets Manager secret tracetrack/kind/north/lucknow/signing", "north/other")
NOW = 1_000.0


def deleting(target_: Target) -> Target:
    metadata = {**target_.obj["metadata"], "deletionTimestamp": "2026-11-03T00:00:00Z"}
    return target_of({**target_.obj, "metadata": metadata})


def seen(
    of: Target, ready: int = 0, other: int = 0, *, deployment: bool = True, signing: Signing | None = SETUP.signing
) -> Observed:
    """The fleet with `ready` scanners in place and `other` half provisioned, all in one slice."""
    record = SliceRecord(0, of.names.slice(0), slice_uid="s", secret_uid="k")
    for number in range(1, ready + other + 1):
        state = ScannerState.READY if number <= ready else ScannerState.CERTIFICATE_REQUESTED
        record.update(of, of.names.scanner(number), state=state)
    return Observed(of, deployment, signing, (record,))


def memory(**known: Any) -> Memory:
    return Memory("north", "lucknow", **known)


def told(observed: Observed, known: Memory | None = None) -> dict[str, tuple[str, str, str]]:
    """Status, reason and message of each condition."""
    conditions = Conditions([], 1)
    status.tell(conditions, observed, known or memory())
    return {c["type"]: (c["status"], c["reason"], c["message"]) for c in conditions.to_list()}


@pytest.fixture
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tracetrack_operator.fleet.memory.time.monotonic", lambda: NOW)


def test_fields() -> None:
    of = target(5)
    first = seen(of, ready=2, other=1).slices[0]
    # Its Secret was saved, the slice itself not yet.
    second = SliceRecord(1, "lucknow-1", secret_uid="k")
    assert status.fields(Observed(of, True, SETUP.signing, (first, second)), memory()) == {
        "replicas": 3,
        "readyReplicas": 2,
        "selector": "tracetrack.io/fleet=lucknow",
        "slices": 1,
        "thingGroup": "kind_north_lucknow",
        "signingSecretArn": SETUP.signing.arn,
    }


def test_no_arn_is_told_before_there_is_a_signing_secret() -> None:
    assert status.fields(seen(target(), signing=None), memory())["signingSecretArn"] is None


@pytest.mark.parametrize(
    ("replicas", "message"), [(3, "3 of 3 scanners provisioned."), (0, "0 of 0 scanners provisioned.")]
)
def test_a_complete_fleet(replicas: int, message: str) -> None:
    assert told(seen(target(replicas), ready=replicas)) == {
        "Ready": ("True", "Ready", message),
        "DeploymentReady": ("True", "DeploymentFound", "demo exists."),
        "ScannersReady": ("True", "Provisioned", message),
        "SigningKeyReady": (
            "True",
            "Ready",
            "Kept in the Secrets Manager secret tracetrack/kind/north/lucknow/signing.",
        ),
    }


@pytest.mark.usefixtures("_clock")
@pytest.mark.parametrize(
    ("replicas", "ready", "progress", "message"),
    [
        pytest.param(
            100, 37, Progress(NOW - 10, 7), "37 of 100 scanners provisioned, 3.0/s, about 21 s left.", id="on"
        ),
        pytest.param(4, 3, Progress(NOW - 1, 0), "3 of 4 scanners provisioned, 3.0/s, about 1 s left.", id="nearly"),
        pytest.param(9, 3, Progress(NOW - 0.9, 0), "3 of 9 scanners provisioned.", id="too early to tell"),
        pytest.param(9, 3, Progress(NOW - 60, 3), "3 of 9 scanners provisioned.", id="at a standstill"),
        pytest.param(9, 3, Progress(NOW - 60, 5), "3 of 9 scanners provisioned.", id="fewer than before"),
        pytest.param(9, 3, None, "3 of 9 scanners provisioned.", id="nothing under way"),
        pytest.param(9, 0, None, "0 of 9 scanners provisioned.", id="new"),
    ],
)
def test_a_fleet_on_its_way(replicas: int, ready: int, progress: Progress | None, message: str) -> None:
    conditions = told(seen(target(replicas), ready), memory(progress=progress))
    assert conditions["ScannersReady"] == ("False", "Progressing", message)
    assert conditions["Ready"] == conditions["ScannersReady"]


@pytest.mark.usefixtures("_clock")
@pytest.mark.parametrize(
    ("ready", "other", "message"),
    [
        (3, 2, "3 of 3 scanners provisioned, 2 to be removed."),
        (2, 2, "2 of 3 scanners provisioned, 1 to be removed, 0.2/s, about 5 s left."),
    ],
)
def test_a_fleet_with_scanners_too_many_is_not_ready(ready: int, other: int, message: str) -> None:
    conditions = told(seen(target(3), ready, other), memory(progress=Progress(NOW - 10, 0)))
    assert conditions["Ready"] == conditions["ScannersReady"] == ("False", "Progressing", message)


@pytest.mark.parametrize(
    ("observed", "known"),
    [
        pytest.param(seen(target(3), deployment=False, signing=None), memory(), id="nothing made"),
        pytest.param(seen(target(3), ready=3, deployment=False), memory(), id="complete"),
        pytest.param(
            seen(target(3), ready=1, deployment=False), memory(error=DENIED, signing_error=DENIED), id="held up"
        ),
    ],
)
def test_a_missing_deployment_is_the_cause_of_all_the_rest(observed: Observed, known: Memory) -> None:
    conditions = told(observed, known)
    state, reason, message = conditions["DeploymentReady"]
    assert (state, reason) == ("False", "DeploymentNotFound")
    assert "TraceTrackDeployment demo in namespace north" in message
    assert conditions["Ready"] == conditions["DeploymentReady"]


def test_a_suspended_fleet_is_not_ready_whatever_its_parts_are() -> None:
    suspended = target(3, suspend=True)
    conditions = told(seen(suspended, ready=3))
    assert conditions["Ready"][:2] == ("False", "Suspended")
    assert "spec.suspend" in conditions["Ready"][2]
    assert conditions["ScannersReady"][:2] == ("True", "Provisioned")
    assert told(seen(suspended, deployment=False))["Ready"][:2] == ("False", "Suspended")


@pytest.mark.parametrize(
    ("known", "reason", "message"),
    [
        (memory(), "Deleting", "Being removed from AWS, 2 scanners left."),
        (
            memory(error=DENIED, scanner_errors={"lucknow-0001": REFUSED}),
            "AwsAccessDenied",
            "Being removed from AWS is held up: iot:CreateThing was refused. Grant it to the operator.",
        ),
        (
            memory(scanner_errors={"lucknow-0001": REFUSED}),
            "AwsInvalidRequest",
            "Being removed from AWS is held up: AWS refuses the attributes.",
        ),
        (memory(signing_error=DENIED), "Deleting", "Being removed from AWS, 2 scanners left."),
    ],
)
def test_a_fleet_being_deleted(known: Memory, reason: str, message: str) -> None:
    assert told(seen(deleting(target(3)), ready=2), known)["Ready"] == ("False", reason, message)


def test_deletion_comes_before_suspension_and_is_never_ready() -> None:
    gone = told(seen(deleting(target(3, suspend=True)), deployment=False))
    assert gone["Ready"] == ("False", "Deleting", "Being removed from AWS, 0 scanners left.")
    assert gone["ScannersReady"][:2] == ("False", "Progressing")


@pytest.mark.parametrize(
    ("numbers", "named", "more"),
    [
        ((2,), ("lucknow-0002",), None),
        ((3, 1, 2), ("lucknow-0001", "lucknow-0002", "lucknow-0003"), None),
        ((12, 4, 9, 1, 7), ("lucknow-0001", "lucknow-0004", "lucknow-0007"), " And 2 more, see the ScannerSlices."),
    ],
)
def test_scanners_kept_back_are_told_by_name(
    numbers: tuple[int, ...], named: tuple[str, ...], more: str | None
) -> None:
    errors: dict[str, ReconcileError] = {
        f"lucknow-{number:04d}": TerminalError(f"Reason{number}", f"thing {number} is taken.") for number in numbers
    }
    conditions = told(seen(target(12), ready=12 - len(numbers), other=len(numbers)), memory(scanner_errors=errors))
    state, reason, message = conditions["ScannersReady"]
    assert (state, reason) == ("False", f"Reason{int(named[0][-4:])}")
    head = f"{12 - len(numbers)} of 12 scanners provisioned. "
    assert message == head + " ".join(f"{name}: thing {int(name[-4:])} is taken." for name in named) + (more or "")
    assert conditions["Ready"] == conditions["ScannersReady"]


@pytest.mark.parametrize(
    ("signing", "error", "state", "reason", "words"),
    [
        pytest.param(None, None, "Unknown", "Progressing", "still to be made or read", id="nothing yet"),
        pytest.param(None, DENIED, "False", "AwsAccessDenied", "Grant it to the operator.", id="can't be made"),
        pytest.param(
            SETUP.signing, DENIED, "Unknown", "AwsAccessDenied", "as last seen. iot:CreateThing", id="can't be read"
        ),
        pytest.param(SETUP.signing, CONFLICT, "False", "OwnershipConflict", "belongs to north/other", id="taken away"),
        pytest.param(None, CONFLICT, "False", "OwnershipConflict", "belongs to north/other", id="another's"),
    ],
)
def test_signing_keys(
    signing: Signing | None, error: ReconcileError | None, state: str, reason: str, words: str
) -> None:
    conditions = told(seen(target(3), ready=3, signing=signing), memory(signing_error=error, error=error))
    assert conditions["SigningKeyReady"][:2] == (state, reason)
    assert words in conditions["SigningKeyReady"][2]
    assert conditions["Ready"] == conditions["SigningKeyReady"]


@pytest.mark.parametrize(
    ("ready", "other", "state", "message"),
    [
        (3, 0, "Unknown", "3 of 3 scanners provisioned. That is as last seen: iot:CreateThing was refused. "),
        (2, 0, "False", "2 of 3 scanners provisioned. iot:CreateThing was refused. "),
        (3, 1, "False", "3 of 3 scanners provisioned, 1 to be removed. iot:CreateThing was refused. "),
    ],
)
def test_what_holds_up_the_whole_fleet_leaves_a_complete_one_unknown(
    ready: int, other: int, state: str, message: str
) -> None:
    conditions = told(seen(target(3), ready, other), memory(error=DENIED))
    assert conditions["ScannersReady"] == (state, "AwsAccessDenied", message + "Grant it to the operator.")
    assert conditions["Ready"] == conditions["ScannersReady"]


@pytest.mark.usefixtures("_clock")
@pytest.mark.parametrize("trouble", [{"error": DENIED}, {"scanner_errors": {"lucknow-0004": REFUSED}}])
def test_a_fleet_that_is_held_up_promises_no_time(trouble: dict[str, Any]) -> None:
    known = memory(progress=Progress(NOW - 10, 0), **trouble)
    assert " left" not in told(seen(target(9), ready=3), known)["ScannersReady"][2]
