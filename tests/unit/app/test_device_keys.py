"""Device keys against the vectors that the operator's side is tested with too."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from tracetrack_app.domain.devicekeys import Device, DeviceKeyError, FleetError, derive, parse_fleet, verify

VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[2] / "vectors" / "device_keys.json").read_text("utf-8"))
FLEETS = {name: parse_fleet(json.dumps(fleet)) for name, fleet in VECTORS["fleets"].items()}
CASES = VECTORS["cases"]


@pytest.mark.parametrize("case", [case for case in CASES if case["valid"]], ids=lambda case: case["name"])
def test_valid_keys_name_their_device_and_are_derived_alike(case: dict[str, Any]) -> None:
    assert verify(case["key"], FLEETS) == Device(case["fleet"], case["scanner"])
    secret = base64.b64decode(case["secret"])
    assert derive(secret, case["fleet"], case["scanner"], case["generation"]) == case["key"]


@pytest.mark.parametrize("case", [case for case in CASES if not case["valid"]], ids=lambda case: case["name"])
def test_invalid_keys_are_refused_for_the_reason(case: dict[str, Any]) -> None:
    with pytest.raises(DeviceKeyError, match=case["reason"]):
        verify(case["key"], FLEETS)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fleet": None}, "fleet is missing"),
        ({"signingKeys": []}, "signingKeys is empty"),
        ({"signingKeys": [{"id": "1", "secret": "c2hvcnQ="}]}, r"signingKeys\[0\].secret is shorter than 32 bytes"),
        ({"signingKeys": [{"id": "1", "secret": "***"}]}, r"signingKeys\[0\].secret is not base64"),
        ({"scanners": {"prefix": "a-", "digits": 4}}, "scanners.count is missing"),
        ({"generations": {}}, "generations.default is missing"),
        ({"generations": {"default": "1"}}, "generations.default is missing or not of type int"),
    ],
)
def test_a_bad_fleet_file_is_refused_by_field(change: dict[str, Any], message: str) -> None:
    with pytest.raises(FleetError, match=message):
        parse_fleet(json.dumps(VECTORS["fleets"]["lucknow"] | change))


def test_no_secret_is_shown_by_repr() -> None:
    assert "secret" not in repr(FLEETS["lucknow"])
