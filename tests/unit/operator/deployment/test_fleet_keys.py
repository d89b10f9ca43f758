from __future__ import annotations

import json

import pytest

from tests.unit.operator.deployment.factory import fleet
from tracetrack_operator.deployment.specs.fleet_keys import fleet_keys

KEYS = json.dumps({"signingKeys": [{"id": "1", "secret": "c2VjcmV0"}], "arn": "arn:aws:secretsmanager:x"})


def test_what_the_application_reads() -> None:
    wanted = fleet(keys=KEYS, naming={"prefix": "lko", "digits": 3}, credentials={"keyGeneration": 4})
    files = fleet_keys([wanted], {})
    assert json.loads(files["lucknow.json"]) == {
        "fleet": "lucknow",
        "signingKeys": [{"id": "1", "secret": "c2VjcmV0"}],
        "scanners": {"prefix": "lko", "digits": 3, "count": 5},
        "generations": {"default": 4},
    }


def test_the_prefix_is_the_fleets_name_where_none_is_given() -> None:
    assert json.loads(fleet_keys([fleet(keys=KEYS)], {})["lucknow.json"])["scanners"]["prefix"] == "lucknow-"


@pytest.mark.parametrize("keys", [None, "", "{", "[]", '{"signingKeys": [{}]}'])
def test_unreadable_signing_keys_leave_what_was_there(keys: str | None) -> None:
    assert fleet_keys([fleet(keys=keys)], {"lucknow.json": "before"}) == {"lucknow.json": "before"}
    assert fleet_keys([fleet(keys=keys)], {}) == {}


def test_a_fleet_that_is_gone_is_gone_here_too() -> None:
    assert fleet_keys([], {"lucknow.json": "before"}) == {}
