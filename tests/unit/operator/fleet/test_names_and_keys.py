"""Names, device keys, private keys and certificate requests."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tests.unit.operator.fleet.samples import target
from tracetrack_operator.fleet import keys
from tracetrack_operator.fleet.names import slice_index

VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[3] / "vectors" / "device_keys.json").read_text("utf-8"))
VALID = [case for case in VECTORS["cases"] if case["valid"]]


@pytest.mark.parametrize("case", VALID, ids=lambda case: case["name"])
def test_device_keys_are_those_the_app_takes(case: dict[str, Any]) -> None:
    secret = base64.b64decode(case["secret"])
    assert keys.device_key(secret, case["fleet"], case["scanner"], case["generation"]) == case["key"]


def test_names() -> None:
    names = target().names
    assert names.group == "kind_north_lucknow"
    assert names.signing == "tracetrack/kind/north/lucknow/signing"
    assert names.signing_secret == "lucknow-signing"
    assert names.thing("lucknow-0007") == "kind_north_lucknow-0007"
    assert names.topic("kind_north_lucknow-0007", "scans") == "tracetrack/kind/north/demo/kind_north_lucknow-0007/scans"


@pytest.mark.parametrize(("number", "index"), [(1, 0), (100, 0), (101, 1), (200, 1), (201, 2), (10_000, 99)])
def test_a_slice_holds_a_hundred_scanners(number: int, index: int) -> None:
    assert slice_index(number) == index
    names = target(naming={"digits": 5}).names
    assert names.scanner(number) in set(names.scanners(index, 10_000))


@pytest.mark.parametrize(
    ("index", "replicas", "count"), [(0, 0, 0), (0, 5, 5), (0, 100, 100), (1, 100, 0), (1, 101, 1)]
)
def test_scanners_of_a_slice_end_with_the_fleet(index: int, replicas: int, count: int) -> None:
    assert len(list(target().names.scanners(index, replicas))) == count


@pytest.mark.parametrize(("scanner", "number"), [("lucknow-0042", 42), ("lucknow-", 0), ("delhi-0042", 0), ("0042", 0)])
def test_the_number_is_read_from_a_name_of_the_fleet_only(scanner: str, number: int) -> None:
    assert target().names.number(scanner) == number


def test_long_names_stay_within_what_aws_allows_and_apart() -> None:
    names = replace(target().names, namespace="n" * 63, prefix="p" * 48, digits=6, cluster="c" * 40)
    things = {names.thing(names.scanner(number)) for number in range(1, 200)}
    assert len(things) == 199
    assert all(re.fullmatch(r"[a-zA-Z0-9:_-]{1,128}", thing) for thing in things)


def test_a_request_carries_its_own_key_and_the_things_name() -> None:
    pem = keys.private_key()
    key = load_pem_private_key(pem.encode(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert isinstance(key.curve, ec.SECP256R1)
    request = x509.load_pem_x509_csr(keys.signing_request(pem, "kind_north_lucknow-0001").encode())
    assert request.is_signature_valid
    assert request.public_key() == key.public_key()
    assert request.subject.rfc4514_string() == "CN=kind_north_lucknow-0001"


def test_a_name_too_long_for_a_certificate_is_stood_in_for_by_its_digest() -> None:
    thing = "x" * 100
    request = x509.load_pem_x509_csr(keys.signing_request(keys.private_key(), thing).encode())
    assert request.subject.rfc4514_string() == f"CN={keys.subject_name(thing)}"
    assert len(keys.subject_name(thing)) == 64


def test_every_key_is_another() -> None:
    made = keys.private_keys(f"s{number}" for number in range(20))
    assert len({keys.key_fingerprint(pem) for pem in made.values()}) == 20
