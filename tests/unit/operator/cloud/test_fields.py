"""Rows of the tables of changes by which more is told than that a value is another one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.unit.operator.cloud.test_rds import AGREED, ITEM, WORKING, desired

KEY = "arn:aws:kms:eu-west-1:111122223333:key/k"
MANAGED = {"MasterUserSecret": {"SecretArn": "a", "SecretStatus": "active", "KmsKeyId": KEY}}
BY_RDS = {"masterCredentials": "ManagedByRDS"}


@pytest.mark.parametrize(
    ("agreed", "wanted", "reason"),
    [
        ({"kmsKeyId": "alias/a"}, "alias/a", "Ready"),
        ({"kmsKeyId": "alias/a"}, "alias/b", "ReplaceRequired"),
        ({"kmsKeyId": "alias/a"}, KEY, "Ready"),
        ({"kmsKeyId": KEY}, "alias/b", "ReplaceRequired"),
        ({"kmsKeyId": None}, "alias/b", "ReplaceRequired"),
        ({"kmsKeyId": "alias/a"}, KEY[:-1] + "other", "ReplaceRequired"),
        ({}, "alias/b", "Ready"),
    ],
)
def test_another_alias_is_another_key(agreed: dict[str, Any], wanted: str, reason: str) -> None:
    facts = replace(WORKING, item={**ITEM, "KmsKeyId": KEY}, agreed={**AGREED, **agreed})
    found = desired(facts, {"kmsKeyId": wanted})
    assert found.sync is not None
    assert found.sync.reason == reason, found.sync.message
    secret = {**AGREED, "masterCredentials": "ManagedByRDS", "masterSecretKmsKeyId": agreed.get("kmsKeyId")}
    facts = replace(WORKING, item={**ITEM, **MANAGED}, agreed=secret)
    found = desired(facts, {**BY_RDS, "masterSecretKmsKeyId": wanted})
    assert found.sync is not None
    expected = "Ready" if agreed.get("kmsKeyId") is None else reason
    assert found.sync.reason == expected, "none was agreed while there was no secret"
