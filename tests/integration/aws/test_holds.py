"""Calls that are stopped on their way: before they are executed, or with their answer kept back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ConnectionClosedError, HTTPClientError

from tests.aws.emulator import Emulator, EmulatorError
from tests.integration.aws.support import signing_request

ONCE = Config(retries={"mode": "standard", "total_max_attempts": 1})
CUT_OFF = (ConnectionClosedError, HTTPClientError)


@pytest.fixture
def background(aws: Emulator) -> Iterator[ThreadPoolExecutor]:
    """Whoever waits for a held call; what is held at the end goes on."""
    with ThreadPoolExecutor(4) as pool:
        yield pool
        aws.faults.clear()


@pytest.fixture
def iot(aws: Emulator) -> Any:
    """A client that asks once."""
    return aws.client("iot", config=ONCE)


def things(aws: Emulator) -> list[str]:
    """Seen by a client of its own; not while calls are frozen."""
    return [thing["thingName"] for thing in aws.client("iot").list_things()["things"]]


def create(pool: ThreadPoolExecutor, iot: Any, name: str) -> Future[Any]:
    return pool.submit(iot.create_thing, thingName=name)


def test_a_call_held_before_goes_on_or_never_happens(aws: Emulator, iot: Any, background: ThreadPoolExecutor) -> None:
    rule = aws.faults.add("iot", "CreateThing", kind="hold-before", times=2)
    first = create(background, iot, "first")
    (held,) = aws.held.wait(rule)
    assert (held.service, held.operation, held.moment) == ("iot", "CreateThing", "before")
    assert held.params == {"thingName": "first"}
    assert things(aws) == []
    assert not first.done()
    assert aws.held.release([held]) == [held]
    assert first.result(10)["thingName"] == "first"
    second = create(background, iot, "second")
    aws.held.drop(aws.held.wait(rule))
    with pytest.raises(CUT_OFF):
        second.result(10)
    assert things(aws) == ["first"]
    told = [(call["status"], call["error"], call["fault"]) for call in aws.calls("iot", "CreateThing")]
    assert told == [(200, None, "hold-before"), (499, "Dropped", "hold-before")]


def test_a_call_held_after_has_happened(aws: Emulator, iot: Any, background: ThreadPoolExecutor) -> None:
    rule = aws.faults.add("iot", "CreateThing", kind="hold-after", times=2)
    first, second = create(background, iot, "first"), create(background, iot, "second")
    while len(held := aws.held.wait(rule)) < 2:
        time.sleep(0.01)
    assert sorted(things(aws)) == ["first", "second"]
    assert not first.done()
    assert not second.done()
    answered = [call for call in held if call.params["thingName"] == "first"]
    aws.held.release(answered)
    assert first.result(10)["thingName"] == "first"
    assert [call.params["thingName"] for call in aws.held.drop()] == ["second"]
    with pytest.raises(CUT_OFF):
        second.result(10)


def test_what_comes_later_about_the_same_is_frozen(aws: Emulator, iot: Any, background: ThreadPoolExecutor) -> None:
    rule = aws.faults.add("iot", "CreateThing", kind="hold-after", about=["shop"], skip=1, freeze=True)
    iot.create_thing(thingName="shop-1")
    stopped = create(background, iot, "shop-2")
    assert [call.first for call in aws.held.wait(rule)] == [True]
    frozen = background.submit(iot.delete_thing, thingName="shop-1")
    iot.create_thing(thingName="another")
    while len(held := aws.held.wait(rule)) < 2:
        time.sleep(0.01)
    assert [(call.operation, call.first, call.moment) for call in held] == [
        ("CreateThing", True, "after"),
        ("DeleteThing", False, "before"),
    ]
    aws.held.drop()
    for call in (stopped, frozen):
        with pytest.raises(CUT_OFF):
            call.result(10)
    assert sorted(things(aws)) == ["another", "shop-1", "shop-2"]
    assert aws.faults.rules() == []


def test_only_the_caller_of_a_rule_is_held(aws: Emulator, iot: Any, background: ThreadPoolExecutor) -> None:
    theirs = {"aws_access_key_id": "theirs", "aws_secret_access_key": "theirs"}
    other = aws.client("iot", config=ONCE, **theirs)
    rule = aws.faults.add("iot", "CreateThing", kind="hold-before", caller="theirs", freeze=True)
    iot.create_thing(thingName="ours-1")
    stopped = create(background, other, "another")
    assert [call.params["thingName"] for call in aws.held.wait(rule)] == ["another"]
    iot.create_thing(thingName="ours-2")
    aws.held.drop()
    with pytest.raises(CUT_OFF):
        stopped.result(10)
    assert sorted(things(aws)) == ["ours-1", "ours-2"]
    assert [call["caller"] for call in aws.calls("iot", "CreateThing")] == ["emulator", "theirs", "emulator"]


def test_a_certificate_is_about_whom_it_is_asked_for(aws: Emulator, iot: Any, background: ThreadPoolExecutor) -> None:
    request, _ = signing_request()
    rule = aws.faults.add("iot", "*", kind="hold-before", about=["scanner"])
    background.submit(iot.create_certificate_from_csr, certificateSigningRequest=request)
    (held,) = aws.held.wait(rule)
    assert held.operation == "CreateCertificateFromCsr"
    assert held.params["subject"] == "scanner"


def test_waiting_ends_when_nothing_comes(aws: Emulator, iot: Any, background: ThreadPoolExecutor) -> None:
    rule = aws.faults.add("iot", "CreateThing", kind="hold-before", about=["nothing"])
    iot.create_thing(thingName="t")
    began = time.monotonic()
    assert aws.held.wait(rule, seconds=0.3) == []
    assert 0.3 <= time.monotonic() - began < 10
    assert aws.held.release([]) == []


def test_clearing_the_faults_lets_go_and_a_reset_cuts_off(
    aws: Emulator, iot: Any, background: ThreadPoolExecutor
) -> None:
    rule = aws.faults.add("iot", "CreateThing", kind="hold-before")
    first = create(background, iot, "first")
    aws.held.wait(rule)
    aws.faults.clear()
    assert first.result(10)["thingName"] == "first"
    rule = aws.faults.add("iot", "CreateThing", kind="hold-before")
    second = create(background, iot, "second")
    aws.held.wait(rule)
    aws.reset()
    with pytest.raises(CUT_OFF):
        second.result(10)
    assert things(aws) == []


def test_what_makes_no_sense_is_refused(aws: Emulator) -> None:
    with pytest.raises(EmulatorError, match=r"fault\.freeze"):
        aws.faults.add("iot", "ListThings", kind="throttle", freeze=True)
    with pytest.raises(EmulatorError, match="then"):
        aws.control("POST", "held", {"then": "explode"})
    with pytest.raises(EmulatorError, match="rule and seconds"):
        aws.control("GET", "held?rule=x")
