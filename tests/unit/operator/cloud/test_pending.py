"""What AWS holds for its own window, while the operator changes something else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.unit.operator.cloud import test_elasticache as elasticache
from tests.unit.operator.cloud.test_rds import ITEM, WORKING, desired, modified
from tests.unit.operator.cloud.test_replicas import FOLLOWING, REPORTS, SEEN
from tests.unit.operator.cloud.test_replicas import desired as replicated
from tracetrack_operator.api.replicas import ReadReplica
from tracetrack_operator.cache.elasticache.provider import ModifyGroup
from tracetrack_operator.database.rds.replicas.actions import ModifyReplica
from tracetrack_operator.dependencies.cloud.access import Access
from tracetrack_operator.dependencies.protocol import Dependency
from tracetrack_operator.engine.plan import Disruption

CHANGE = {"backupRetentionDays": 14}
CERTIFIED = {**ITEM, "CACertificateIdentifier": "rds-ca-rsa2048-g1"}


def pending(values: dict[str, Any], rds: dict[str, Any], **more: Any) -> Dependency:
    facts = {key: more.pop(key) for key in ("asked", "agreed", "access", "now") if key in more}
    return desired(replace(WORKING, item={**CERTIFIED, "PendingModifiedValues": values}, **facts), rds, **more)


@pytest.mark.parametrize(
    ("values", "rds", "sent"),
    [
        ({"DBInstanceClass": "db.r8g.large"}, {"instanceClass": "db.r8g.large"}, {"DBInstanceClass": "db.t4g.medium"}),
        ({"DBInstanceClass": "db.x2g.large"}, {"instanceClass": "db.r8g.large"}, {"DBInstanceClass": "db.t4g.medium"}),
        ({"DBInstanceClass": "db.x2g.large"}, {}, {"DBInstanceClass": "db.t4g.medium"}),
        ({"CACertificateIdentifier": "rds-ca-ecc384-g1"}, {}, {"CACertificateIdentifier": "rds-ca-rsa2048-g1"}),
        ({"EngineVersion": "18.1", "AllocatedStorage": 80}, {}, {"EngineVersion": "17.6", "AllocatedStorage": 50}),
        ({"BackupRetentionPeriod": 14}, {}, {}),
        ({"MasterUserPassword": "****"}, {}, {}),
    ],
)
def test_a_change_withdraws_what_is_not_due(values: dict[str, Any], rds: dict[str, Any], sent: dict[str, Any]) -> None:
    found = modified(pending(values, {**rds, **CHANGE})).parameters
    assert found == {
        "DBInstanceIdentifier": "kind-shop-demo",
        **sent,
        "BackupRetentionPeriod": 14,
        "ApplyImmediately": True,
    }


def test_what_was_sent_a_moment_ago_and_what_is_due_is_left() -> None:
    values = {"MultiAZ": False, "AllocatedStorage": 80}
    asked = frozenset({("multiAZ", "False")})
    found = modified(pending(values, {"multiAZ": False, "allocatedStorageGiB": 80, **CHANGE}, asked=asked))
    assert found.parameters.keys() & {"MultiAZ", "DBInstanceClass"} == set()


def test_a_password_sets_off_nothing_and_so_withdraws_nothing() -> None:
    refused = Access(WORKING.credentials, refused=True)
    values = {"DBInstanceClass": "db.r8g.large", "Port": 6432}
    agreed = {**WORKING.agreed, "masterUserPassword": None, "instanceClass": "db.t4g.medium"}
    found = pending(values, {}, access=refused, agreed=agreed)
    assert modified(found).parameters == {
        "DBInstanceIdentifier": "kind-shop-demo",
        "MasterUserPassword": "pw-secret",
        "ApplyImmediately": False,
    }


def test_what_the_operator_does_not_know_holds_up_what_would_set_it_off() -> None:
    values = {"Port": 6432, "ProcessorFeatures": []}
    found = pending(values, CHANGE)
    assert not found.steps
    (held,) = found.held
    assert held.disruption is Disruption.ONLINE
    assert "AWS has Port pending, and would set that off with any other change" in held.why
    assert found.sync is not None
    assert found.sync.reason == "AwaitingApproval"
    assert "Withdraw that in AWS" in found.sync.message
    approved = modified(pending(values, CHANGE, annotations={"tracetrack.io/approve": held.token}))
    assert approved.parameters["BackupRetentionPeriod"] == 14


def test_replicas_go_by_the_same_rule() -> None:
    wanted = ReadReplica(name="reports", instance_class="db.r8g.large")
    item = {**FOLLOWING, "CopyTagsToSnapshot": False, "PubliclyAccessible": False}
    seen = {**SEEN, "copyTagsToSnapshot": True}
    queued = {**item, "PendingModifiedValues": {"DBInstanceClass": "db.x2g.large"}}
    (step,) = replicated(replace(REPORTS, wanted=wanted, item=queued, agreed=seen)).steps
    assert isinstance(step, ModifyReplica)
    assert (step.parameters["DBInstanceClass"], step.parameters["CopyTagsToSnapshot"]) == ("db.t4g.medium", True)
    strange = {**item, "PendingModifiedValues": {"Port": 6432}}
    assert not replicated(replace(REPORTS, wanted=wanted, item=strange, agreed=seen)).steps


def test_neither_does_another_token_of_a_cache_set_anything_off() -> None:
    token = ModifyGroup(
        "Replication group kind-shop-demo",
        "elasticache",
        "modify_replication_group",
        None,
        {"AuthToken": "pw-secret", "ApplyImmediately": True},
        name="kind-shop-demo",
        asked=frozenset({("authToken", "ROTATE")}),
    )
    waits = {"CacheNodeType": "cache.r7g.large", "EngineVersion": "8.1"}
    item = {**elasticache.ITEM, "PendingModifiedValues": waits}
    facts = replace(elasticache.WORKING, item=item, access=Access(elasticache.WORKING.credentials, step=token))
    section = {"nodeType": "cache.r7g.large"}
    (step,) = elasticache.desired(facts, section).steps
    assert isinstance(step, ModifyGroup)
    assert (step.parameters["CacheNodeType"], step.parameters["EngineVersion"]) == ("cache.t4g.micro", "8.0")
