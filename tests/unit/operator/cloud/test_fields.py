"""Rows of the tables of changes by which more is told than that a value is another one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.unit.operator.cloud.test_rds import AGREED, ITEM, WORKING, desired
from tracetrack_operator.api.cache import ElastiCacheCache
from tracetrack_operator.api.model import ApiModel
from tracetrack_operator.api.rds import RDSDatabase
from tracetrack_operator.api.replicas import ReadReplica
from tracetrack_operator.cache.elasticache.fields import BESIDE as BESIDE_ELASTICACHE
from tracetrack_operator.cache.elasticache.fields import TABLE as ELASTICACHE
from tracetrack_operator.database.rds.beside import BESIDE as BESIDE_RDS
from tracetrack_operator.database.rds.beside import OF_REPLICA
from tracetrack_operator.database.rds.fields import TABLE as RDS
from tracetrack_operator.database.rds.replicas.fields import OWN as REPLICA
from tracetrack_operator.dependencies.cloud.fields import Field
from tracetrack_operator.dependencies.cloud.reference import Beside
from tracetrack_operator.engine.plan import Disruption

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


@pytest.mark.parametrize("field", [*RDS, *REPLICA, *ELASTICACHE], ids=lambda field: field.name)
def test_what_is_never_done_in_place_is_refused_with_the_commands_that_do_it(field: Field) -> None:
    replaced = Disruption.REPLACE in (field.disruption, *field.classes)
    assert bool(field.way) is replaced
    assert not replaced or "kubectl " in field.way or "aws " in field.way
    assert "{" not in field.told("demo", "kind-shop-demo").replace('{"', "")


@pytest.mark.parametrize(
    ("model", "table", "beside", "elsewhere"),
    [
        (RDSDatabase, RDS, BESIDE_RDS, {"restoreFrom"}),
        (ReadReplica, REPLICA, OF_REPLICA, set()),
        (ElastiCacheCache, ELASTICACHE, BESIDE_ELASTICACHE, set()),
    ],
)
def test_every_field_of_the_api_has_its_class(
    model: type[ApiModel], table: tuple[Field, ...], beside: tuple[Beside, ...], elsewhere: set[str]
) -> None:
    fields = {field.alias or name for name, field in model.model_fields.items()}
    rows, others = {each.name for each in table}, {each.name for each in beside}
    assert fields - rows == others - elsewhere, "and no field that is gone has one"
    assert all(each.classes for each in beside)


def test_the_commands_are_for_this_object() -> None:
    facts = replace(WORKING, item={**ITEM, "StorageEncrypted": False})
    found = desired(facts, {})
    (held,) = found.held
    assert found.sync is not None
    for text in (found.sync.message, held.why):
        assert "aws rds copy-db-snapshot --source-db-snapshot-identifier kind-shop-demo-before" in text
        assert "kubectl tracetrack restore demo --to demo-2 --snapshot kind-shop-demo-copy --dry-run" in text
