"""Exactly one certificate per key, whatever answer is lost."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from types import SimpleNamespace

import pytest

from tests.unit.operator.fleet.fake_iot import FakeIot
from tests.unit.operator.fleet.samples import target
from tracetrack_operator.aws.errors import AwsError, AwsInvalid, AwsThrottled
from tracetrack_operator.engine.errors import ReconcileError, RetryableError
from tracetrack_operator.fleet import keys
from tracetrack_operator.fleet.errors import Unresolved, certainly_refused
from tracetrack_operator.fleet.sweep import CertificateSweeper
from tracetrack_operator.fleet.things import Things

UNREACHABLE = RetryableError("AwsUnreachable", "the connection was closed")
FAILED = AwsError("InternalFailureException", "AwsError", "internal failure")
THROTTLED = AwsThrottled("ThrottlingException", "AwsThrottled", "rate exceeded")
DENIED = AwsError("AccessDeniedException", "AwsAccessDenied", "not allowed")
THING = "kind_north_lucknow-0001"


@pytest.fixture
def iot() -> FakeIot:
    return FakeIot()


def _sweeper(iot: FakeIot, known: set[str] | None = None) -> CertificateSweeper:
    return CertificateSweeper(iot, lambda: known or set(), settle_seconds=0.0)


def _things(iot: FakeIot) -> Things:
    return Things(iot, _sweeper(iot), target())


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    async def at_once(_: float) -> None:
        return None

    monkeypatch.setattr("tracetrack_operator.fleet.things.asyncio", SimpleNamespace(sleep=at_once))


async def test_the_normal_path_lists_nothing(iot: FakeIot) -> None:
    found = await _things(iot).issue(THING, keys.private_key())
    assert found.id in iot.certificates
    assert iot.calls == ["create_certificate_from_csr"]


@pytest.mark.parametrize("error", [UNREACHABLE, FAILED])
@pytest.mark.parametrize("executed", [True, False])
async def test_a_lost_answer_makes_no_second_certificate(iot: FakeIot, error: ReconcileError, executed: bool) -> None:
    iot.failures["create_certificate_from_csr"] = [(executed, error)]
    key = keys.private_key()
    found = await _things(iot).issue(THING, key)
    assert list(iot.certificates) == [found.id]
    assert keys.certificate_facts(found.pem)[:2] == (keys.key_fingerprint(key), THING)
    assert iot.calls.count("create_certificate_from_csr") == (1 if executed else 2)


async def test_a_throttled_request_is_repeated_without_a_search(iot: FakeIot) -> None:
    iot.failures["create_certificate_from_csr"] = [(False, THROTTLED), (False, THROTTLED)]
    await _things(iot).issue(THING, keys.private_key())
    assert iot.calls == ["create_certificate_from_csr"] * 3
    assert len(iot.certificates) == 1


async def test_a_refusal_is_passed_on_at_once(iot: FakeIot) -> None:
    iot.failures["create_certificate_from_csr"] = [(False, AwsInvalid("InvalidRequestException", "bad request"))]
    with pytest.raises(AwsInvalid):
        await _things(iot).issue(THING, keys.private_key())
    assert iot.calls == ["create_certificate_from_csr"]


async def test_what_a_failed_search_leaves_open_does_not_count_as_refused(iot: FakeIot) -> None:
    iot.failures["create_certificate_from_csr"] = [(True, UNREACHABLE)]
    iot.failures["list_certificates"] = [(False, DENIED)]
    with pytest.raises(Unresolved) as raised:
        await _things(iot).issue(THING, keys.private_key())
    assert certainly_refused(DENIED)
    assert not certainly_refused(raised.value)


async def test_of_two_certificates_for_one_key_one_stays(iot: FakeIot) -> None:
    key = keys.private_key()
    first, second = (iot.issue(keys.signing_request(key, THING)) for _ in range(2))
    first["status"], second["status"] = "ACTIVE", "INACTIVE"
    found = await _sweeper(iot).by_key({keys.key_fingerprint(key): None}, iot.now - timedelta(hours=1))
    kept = await _things(iot).keep_first(found[keys.key_fingerprint(key)])
    assert list(iot.certificates) == [kept.id] == [first["certificateId"]]


async def test_a_search_looks_no_further_back_than_it_must_and_not_at_what_is_known(iot: FakeIot) -> None:
    old = [iot.issue(keys.signing_request(keys.private_key(), f"old-{n}")) for n in range(3)]
    iot.now += timedelta(hours=1)
    asked_at = iot.now
    known = [iot.issue(keys.signing_request(keys.private_key(), f"known-{n}")) for n in range(3)]
    key = keys.private_key()
    lost = iot.issue(keys.signing_request(key, THING))
    sweeper = _sweeper(iot, {record["certificateId"] for record in known})
    found = await sweeper.by_key({keys.key_fingerprint(key): asked_at}, asked_at - timedelta(days=1))
    assert [f.id for f in found[keys.key_fingerprint(key)]] == [lost["certificateId"]]
    assert iot.calls == ["list_certificates", "describe_certificate"]
    assert old


async def test_strangers_are_described_once(iot: FakeIot) -> None:
    for number in range(4):
        iot.issue(keys.signing_request(keys.private_key(), f"stranger-{number}"))
    sweeper = _sweeper(iot)
    for _ in range(3):
        assert await sweeper.by_key({"0" * 64: None}, iot.now - timedelta(hours=1)) == {}
    assert iot.calls.count("describe_certificate") == 4


async def test_those_who_ask_together_share_a_search(iot: FakeIot) -> None:
    owned = [keys.private_key() for _ in range(5)]
    for key in owned:
        iot.issue(keys.signing_request(key, THING))
    sweeper, since = _sweeper(iot), iot.now - timedelta(hours=1)
    prints = [keys.key_fingerprint(key) for key in owned]
    answers = await asyncio.gather(*(sweeper.by_key({one: None}, since) for one in prints))
    assert [list(answer) for answer in answers] == [[one] for one in prints]
    assert iot.calls.count("list_certificates") <= 2


async def test_a_failed_search_fails_all_who_share_it_and_the_next_works(iot: FakeIot) -> None:
    iot.failures["list_certificates"] = [(False, UNREACHABLE), (False, UNREACHABLE)]
    sweeper, since = _sweeper(iot), iot.now - timedelta(hours=1)
    both = (sweeper.by_key({"a": None}, since), sweeper.by_subject({"b"}, since))
    answers = await asyncio.gather(*both, return_exceptions=True)
    assert all(isinstance(answer, RetryableError) for answer in answers)
    iot.failures.clear()
    assert await sweeper.by_key({"a": None}, since) == {}


async def test_a_certificate_is_found_by_the_name_in_it(iot: FakeIot) -> None:
    lost = iot.issue(keys.signing_request(keys.private_key(), THING))
    iot.issue(keys.signing_request(keys.private_key(), "kind_north_delhi-0001"))
    found = await _sweeper(iot).by_subject({keys.subject_name(THING)}, iot.now - timedelta(hours=1))
    assert [f.id for f in found] == [lost["certificateId"]]
