"""What is told of a fleet, for every state it can be in and everything that can hold it up."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.operator.fleet.samples import SETUP, ready_slice, target, target_of
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
    record = ready_slice(of, 0, ready)
    for number in range(ready + 1, ready + other + 1):
        record.update(of, of.names.scanner(number), state=ScannerState.CERTIFICATE_REQUESTED)
    return Observed(of, deployment, signing, (record,) if record.entries else ())


def memory(**known: Any) -> Memory:
    return Memory("fleet-uid", **known)


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
    assert status.fields(Observed(of, True, SETUP.signing, (first, second))) == {
        "replicas": 3,
        "readyReplicas": 2,
        "selector": "tracetrack.io/fleet=lucknow",
        "slices": 1,
        "thingGroup": "kind_north_lucknow",
        "signingSecretArn": SETUP.signing.arn,
    }


def test_no_arn_is_told_before_there_is_a_signing_secret() -> None:
    assert status.fields(seen(target(), signing=None))["signingSecretArn"] is None


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
            memory(error=DENIED),
            "AwsAccessDenied",
            "Being removed from AWS is held up, 2 scanners left. iot:CreateThing was refused. "
            "Grant it to the operator.",
        ),
        (
            memory(error=DENIED, scanner_errors={"lucknow-0001": REFUSED}),
            "AwsAccessDenied",
            "Being removed from AWS is held up, 2 scanners left. iot:CreateThing was refused. "
            "Grant it to the operator. lucknow-0001: AWS refuses the attributes.",
        ),
        (
            memory(scanner_errors={"lucknow-0001": REFUSED}),
            "AwsInvalidRequest",
            "Being removed from AWS is held up, 2 scanners left. lucknow-0001: AWS refuses the attributes.",
        ),
        (memory(signing_error=DENIED), "Deleting", "Being removed from AWS, 2 scanners left."),
    ],
)
def test_a_fleet_being_deleted(known: Memory, reason: str, message: str) -> None:
    conditions = told(seen(deleting(target(3)), ready=2), known)
    assert conditions["Ready"] == ("False", reason, message)
    state, same_reason, scanners = conditions["ScannersReady"]
    assert (state, same_reason) == ("False", reason)
    assert scanners.startswith("2 scanners left to be removed from AWS.")
    assert (known.error is not None) is (DENIED.message in scanners)


def test_the_last_scanner_of_a_fleet_being_deleted() -> None:
    conditions = told(seen(deleting(target(3)), ready=1))
    assert conditions["Ready"][2] == "Being removed from AWS, 1 scanner left."
    assert conditions["ScannersReady"][2] == "1 scanner left to be removed from AWS."


@pytest.mark.parametrize(
    ("known", "reason", "ready", "scanners"),
    [
        pytest.param(
            memory(),
            "Deleting",
            "Being deleted. The scanners stay in AWS, as spec.deletionPolicy Retain asks.",
            "The scanners stay in AWS, as spec.deletionPolicy Retain asks.",
            id="going",
        ),
        pytest.param(
            memory(error=RetryableError("Forbidden", "The Secret can't be deleted")),
            "Forbidden",
            "Being deleted is held up. The scanners stay in AWS, as spec.deletionPolicy Retain asks. "
            "The Secret can't be deleted.",
            "The scanners stay in AWS, as spec.deletionPolicy Retain asks. The Secret can't be deleted.",
            id="held up",
        ),
    ],
)
def test_a_retained_fleet_being_deleted_is_not_said_to_be_removed(
    known: Memory, reason: str, ready: str, scanners: str
) -> None:
    conditions = told(seen(deleting(target(3, deletionPolicy="Retain")), ready=3), known)
    assert conditions["Ready"] == ("False", reason, ready)
    assert conditions["ScannersReady"] == ("False", reason, scanners)


def test_deletion_comes_before_suspension_and_is_never_ready() -> None:
    gone = told(seen(deleting(target(3, suspend=True)), deployment=False))
    assert gone["Ready"] == ("False", "Deleting", "Being removed from AWS, 0 scanners left.")
    assert gone["ScannersReady"] == ("False", "Deleting", "0 scanners left to be removed from AWS.")


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


def things(*records: SliceRecord) -> set[str]:
    return {entry.thing_name for record in records for entry in record.entries.values()}


def without_secret(of: Target, replicas: int) -> SliceRecord:
    record = ready_slice(of, 0, replicas)
    return SliceRecord(0, record.name, record.entries, {}, record.thing_hash, record.slice_uid)


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize(
    ("wanted", "records", "message"),
    [
        pytest.param(
            target(3, credentials={"keyGeneration": 2}),
            (ready_slice(target(3), 0, 3),),
            "0 of 3 scanners up to date.",
            id="key generation raised",
        ),
        pytest.param(
            target(150, credentials={"keyGeneration": 2}),
            (ready_slice(target(150, credentials={"keyGeneration": 2}), 0, 150), ready_slice(target(150), 1, 150)),
            "100 of 150 scanners up to date.",
            id="one slice of two renewed",
        ),
        pytest.param(
            target(3, attributes={"dock": "7"}),
            (ready_slice(target(3), 0, 3),),
            "0 of 3 scanners up to date.",
            id="attributes changed",
        ),
        pytest.param(target(3), (without_secret(target(3), 3),), "0 of 3 scanners up to date.", id="Secret deleted"),
        pytest.param(
            target(0),
            (SliceRecord(0, "lucknow-0", slice_uid="s"), SliceRecord(1, "lucknow-1", slice_uid="s")),
            "0 of 0 scanners provisioned, 2 empty slices to be removed.",
            id="emptied slices",
        ),
    ],
)
def test_a_fleet_that_is_behind_its_spec_is_not_ready(
    wanted: Target, records: tuple[SliceRecord, ...], message: str, restarted: bool
) -> None:
    """Neither while it runs nor just after a restart, when all it has is what the cluster holds."""
    known = memory() if restarted else memory(setup=SETUP, present=things(*records))
    conditions = told(Observed(wanted, True, SETUP.signing, records), known)
    assert conditions["Ready"] == conditions["ScannersReady"] == ("False", "Progressing", message)


def test_a_raised_key_generation_is_noticed_without_the_signing_keys() -> None:
    behind = Observed(target(3, credentials={"keyGeneration": 2}), True, None, (ready_slice(target(3), 0, 3),))
    assert told(behind)["ScannersReady"][:2] == ("False", "Progressing")


def test_other_signing_keys_ask_for_other_device_keys() -> None:
    other = Signing(SETUP.signing.arn, (("2", bytes(32)),))
    conditions = told(Observed(target(3), True, other, (ready_slice(target(3), 0, 3),)))
    assert conditions["ScannersReady"] == ("False", "Progressing", "0 of 3 scanners up to date.")


@pytest.mark.parametrize(
    ("listed", "foreign", "state", "message"),
    [
        (
            {"kind_north_lucknow-0001", "kind_north_lucknow-0003"},
            set(),
            "False",
            "2 of 3 scanners up to date.",
        ),
        (
            {f"kind_north_lucknow-000{number}" for number in (1, 2, 3, 7)},
            set(),
            "False",
            "3 of 3 scanners provisioned, 1 thing without a record to be removed.",
        ),
        (
            {f"kind_north_lucknow-000{number}" for number in (1, 2, 3, 7)},
            {"kind_north_lucknow-0007"},
            "True",
            "3 of 3 scanners provisioned.",
        ),
    ],
)
def test_what_the_listing_of_the_group_shows_is_told(
    listed: set[str], foreign: set[str], state: str, message: str
) -> None:
    known = memory(setup=SETUP, present=listed, foreign=foreign)
    conditions = told(seen(target(3), ready=3), known)
    assert (conditions["Ready"][0], conditions["Ready"][2]) == (state, message)


def test_an_error_leaves_a_fleet_that_is_behind_its_spec_false_not_unknown() -> None:
    behind = Observed(target(3, attributes={"dock": "7"}), True, SETUP.signing, (ready_slice(target(3), 0, 3),))
    state, reason, message = told(behind, memory(error=DENIED))["ScannersReady"]
    assert (state, reason) == ("False", "AwsAccessDenied")
    assert message.startswith("0 of 3 scanners up to date. iot:CreateThing was refused.")


def test_a_scale_down_counts_no_scanner_that_is_to_go_as_one_asked_for() -> None:
    big = ready_slice(target(5), 0, 5)
    conditions = told(Observed(target(3), True, SETUP.signing, (big,)))
    assert conditions["Ready"][2] == "3 of 3 scanners provisioned, 2 to be removed."
    big.update(target(3), "lucknow-0002", state=ScannerState.RETIRING)
    conditions = told(Observed(target(3), True, SETUP.signing, (big,)))
    assert conditions["Ready"][2] == "2 of 3 scanners provisioned, 2 to be removed."


@pytest.mark.parametrize("ready", [2, 3])
def test_what_holds_up_the_whole_fleet_comes_before_what_holds_up_a_scanner(ready: int) -> None:
    conditions = told(seen(target(3), ready), memory(error=DENIED, scanner_errors={"lucknow-0003": REFUSED}))
    assert conditions["ScannersReady"] == (
        "False",
        "AwsAccessDenied",
        f"{ready} of 3 scanners provisioned. iot:CreateThing was refused. Grant it to the operator. "
        "lucknow-0003: AWS refuses the attributes.",
    )
    assert conditions["Ready"] == conditions["ScannersReady"]


def test_errors_without_a_stop_do_not_run_together() -> None:
    errors: dict[str, ReconcileError] = {
        "lucknow-0001": TerminalError("AwsInvalidRequest", "AWS iot CreateThing: InvalidRequestException: no"),
        "lucknow-0002": TerminalError("AwsInvalidRequest", "Is it so?"),
        "lucknow-0003": TerminalError("AwsInvalidRequest", "AWS refuses it.", "Correct the field"),
        "lucknow-0004": TerminalError("AwsInvalidRequest", "never told"),
    }
    assert told(seen(target(4)), memory(scanner_errors=errors))["ScannersReady"][2] == (
        "0 of 4 scanners provisioned. lucknow-0001: AWS iot CreateThing: InvalidRequestException: no. "
        "lucknow-0002: Is it so? lucknow-0003: AWS refuses it. Correct the field. And 1 more, see the ScannerSlices."
    )
    denied = RetryableError("AwsAccessDenied", "AWS iot DescribeEndpoint: AccessDenied")
    assert told(seen(target(3), ready=1), memory(error=denied))["Ready"][2] == (
        "1 of 3 scanners provisioned. AWS iot DescribeEndpoint: AccessDenied."
    )
    assert told(seen(target(3), signing=None), memory(signing_error=denied))["SigningKeyReady"][2] == (
        "AWS iot DescribeEndpoint: AccessDenied."
    )
