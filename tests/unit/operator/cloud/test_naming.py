"""Names in AWS, and what is read of an owner that no longer fits the model."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.operator.deployment.factory import owner
from tracetrack_operator.database.rds.provider import NAMING
from tracetrack_operator.dependencies.cloud.naming import authorities, policy_of
from tracetrack_operator.engine.errors import TerminalError


@pytest.mark.parametrize(
    ("namespace", "name", "expected"),
    [("shop", "demo", "prod-shop-demo"), ("a--b", "demo", "prod-a-b-demo-"), ("n" * 60, "demo", "prod-nnn")],
)
def test_names_fit_what_aws_takes(namespace: str, name: str, expected: str) -> None:
    found = NAMING.identifier("Prod", owner(name=name, namespace=namespace))
    assert found.startswith(expected)
    assert len(found) <= 63
    assert "--" not in found
    explicit = owner({"database": {"provider": "RDS", "rds": {"instanceIdentifier": "mine"}}})
    assert NAMING.identifier("x", explicit) == "mine"


@pytest.mark.parametrize(
    ("obj", "policy"),
    [
        (owner({"deletionPolicy": "Delete"}), "Delete"),
        (owner({"deletionPolicy": "Shred"}), "Snapshot"),
        (owner(), "Snapshot"),
        ({"metadata": {}}, "Snapshot"),
        ({"metadata": {}, "spec": 3}, "Snapshot"),
    ],
)
def test_the_careful_policy_where_none_can_be_read(obj: dict[str, Any], policy: str) -> None:
    assert policy_of(obj) == policy


def test_a_ca_file_that_is_not_there_is_told() -> None:
    assert authorities("") == ""
    with pytest.raises(TerminalError, match=r"TRACETRACK_AWS_CA_FILE names /nowhere\.pem"):
        authorities("/nowhere.pem")
