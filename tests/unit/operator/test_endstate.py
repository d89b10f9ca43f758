"""What counts as another end of a flow, and at which calls it is killed."""

from __future__ import annotations

import base64
from typing import Any

from tests.integration.operator.endstate import difference, normal, of_namespace
from tests.integration.operator.kills.killing import KILLED_ONE, Call, Sample, all_points, calls_to_kill_at
from tracetrack_operator.fleet import keys

KEYS = [keys.private_key() for _ in range(2)]


def certificate(subject: str, key: str) -> dict[str, Any]:
    return {"subject": subject, "public key": keys.key_fingerprint(key), "status": "ACTIVE"}


def ended(namespace: str, uid: str, password: str, **certificates: dict[str, Any]) -> dict[str, Any]:
    """One run: a DB instance, the scanner's key and its certificates, the Secret that tells the password."""
    values = {"password": password, "uri": f"postgresql://x:{password}@127.0.0.1:5999/x", "s-1.key": KEYS[0]}
    data = {name: base64.b64encode(value.encode()).decode() for name, value in values.items()}
    secret = {"metadata": {"name": "s", "uid": uid[::-1], "ownerReferences": [{"uid": uid}]}, "data": data}
    account: dict[str, Any] = {
        "DB instance": {f"test-{namespace}": {"Endpoint": {"Port": 5999}, "TagList": [{"Key": "u", "Value": uid}]}},
        "certificate": dict(certificates),
    }
    mine = of_namespace(account, namespace, [namespace, "another"])
    return normal(mine, {"Secret": {"s": secret}}, {namespace: "<namespace>", uid: "<uid 1>"})


def test_what_each_run_draws_makes_no_difference() -> None:
    first = ended("kill-1", "uid-1111", "a" * 43, c1=certificate("test_kill-1_s-1", KEYS[0]))
    second = ended("kill-2", "uid-2222", "b" * 43, c2=certificate("test_kill-2_s-1", KEYS[0]))
    assert difference(first, second) == ""
    assert "a" * 43 not in str(first)


def test_another_certificate_or_one_for_another_key_does() -> None:
    first = ended("kill-1", "uid-1111", "a" * 43, c1=certificate("test_kill-1_s-1", KEYS[0]))
    each = certificate("test_kill-1_s-1", KEYS[0])
    twice = ended("kill-1", "uid-1111", "a" * 43, c1=each, c2=each)
    assert "<certificate of test_<namespace>_s-1> 2" in difference(first, twice)
    other = ended("kill-1", "uid-1111", "a" * 43, c1=certificate("test_kill-1_s-1", KEYS[1]))
    assert "public key" in difference(first, other)
    nobodys = ended("kill-1", "uid-1111", "a" * 43, c1=certificate("nobody", KEYS[1]))
    assert "nobody" in difference(first, nobodys)


def test_another_owner_does() -> None:
    first = ended("kill-1", "uid-1111", "a" * 43)
    account = {"DB instance": {"test-kill-1": {"TagList": [{"Key": "u", "Value": "uid-9999"}]}}, "certificate": {}}
    assert "uid-9999" in difference(first, normal(account, {}, {"kill-1": "<namespace>", "uid-1111": "<uid 1>"}))


def test_what_another_namespace_has_is_its_own() -> None:
    account: dict[str, Any] = {"thing": {"test_kill-1_a": {}, "test_kill-2_a": {}, "stray": {}}, "certificate": {}}
    assert of_namespace(account, "kill-1", ["kill-1", "kill-2"])["thing"].keys() == {"test_kill-1_a", "stray"}


def test_each_change_is_a_point_and_of_the_reads_the_first() -> None:
    def call(operation: str, caller: str = KILLED_ONE, **params: str) -> dict[str, Any]:
        return {"service": "iot", "operation": operation, "caller": caller, "params": params}

    calls = [
        call("DescribeThing", thingName="test_kill-1_a"),
        call("CreateThing", thingName="test_kill-1_a"),
        call("DescribeThing", thingName="test_kill-1_b"),
        call("CreateThing", thingName="test_kill-1_b"),
        call("CreateThing", "a person", thingName="test_kill-1_c"),
        call("ListThings"),
        call("DeleteCertificate", certificateId="c1"),
    ]
    found = tuple(calls_to_kill_at(calls, ["kill-1", "c1"]))
    assert [str(each) for each in found] == [
        "iot:DescribeThing",
        "iot:CreateThing",
        "iot:CreateThing 2",
        "iot:ListThings",
        "iot:DeleteCertificate",
    ]
    assert [each.own for each in found] == [True, True, True, False, True]
    assert len(all_points(found)) == 15
    sample = Sample()
    chosen = sample(found)
    assert {point.call for point in chosen} == set(found)
    assert [point.moment for point in chosen] == ["lost", "lost", "before", "after", "lost"]
    again = {str(point.call) for point in sample(found)}
    assert again == {str(call) for call in found} - {"iot:ListThings"}
    assert str(all_points([Call("iot", "CreateThing", True, 2)])[2]) == "answer lost of iot:CreateThing 2"
