"""The master's password when RDS keeps it: who makes it up, who reads it and when."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.unit.operator.cloud.test_rds import AGREED, ITEM, WORKING, desired, modified
from tests.unit.operator.cloud.test_rotation import BOUND_A, DATABASE, MASTER, REFUSED, Server, seat
from tracetrack_operator.aws.errors import AwsNotFound
from tracetrack_operator.database.rds.logins import Logins, MakeLogin
from tracetrack_operator.database.rds.mastersecret import ManagedSecrets
from tracetrack_operator.database.rds.provider import CreateInstance
from tracetrack_operator.database.roles import RolesError
from tracetrack_operator.dependencies.binding import DatabaseBinding
from tracetrack_operator.dependencies.checks import CheckResult, Checks
from tracetrack_operator.dependencies.cloud.access import Access, Seat
from tracetrack_operator.engine.errors import WaitingError

ARN = "arn:aws:secretsmanager:eu-west-1:1:secret:rds!db-0c1d"
KEY = "arn:aws:kms:eu-west-1:111122223333:key/6f0e9a3c-1b0e-4a54-8c3f-2a52a5c7b1d2"
OTHER_KEY = "arn:aws:kms:eu-west-1:111122223333:key/00000000-1b0e-4a54-8c3f-2a52a5c7b1d2"
MANAGED = {**ITEM, "MasterUserSecret": {"SecretArn": ARN, "SecretStatus": "active", "KmsKeyId": KEY}}
BY_RDS = {"masterCredentials": "ManagedByRDS"}
KEPT = {**AGREED, "masterCredentials": "ManagedByRDS"}


def test_an_instance_is_made_with_a_password_that_rds_makes_up() -> None:
    for key in (None, KEY):
        section = {**BY_RDS, **({"masterSecretKmsKeyId": key} if key else {})}
        (step,) = desired(replace(WORKING, item=None, binding=None), section).steps
        assert isinstance(step, CreateInstance)
        assert step.parameters["ManageMasterUserPassword"] is True
        assert step.parameters.get("MasterUserSecretKmsKeyId") == key
        assert "MasterUserPassword" not in step.parameters


@pytest.mark.parametrize(
    ("item", "section", "agreed", "parameters"),
    [
        (ITEM, BY_RDS, {**AGREED, "masterCredentials": "Generated"}, {"ManageMasterUserPassword": True}),
        (
            ITEM,
            {**BY_RDS, "masterSecretKmsKeyId": "alias/ours"},
            {**AGREED, "masterCredentials": "Generated", "masterSecretKmsKeyId": None},
            {"ManageMasterUserPassword": True, "MasterUserSecretKmsKeyId": "alias/ours"},
        ),
        (MANAGED, {}, KEPT, {"ManageMasterUserPassword": False, "MasterUserPassword": "pw-secret"}),
    ],
)
def test_the_one_or_the_other_in_use(
    item: dict[str, Any], section: dict[str, Any], agreed: dict[str, Any], parameters: dict[str, Any]
) -> None:
    call = modified(desired(replace(WORKING, item=item, agreed=agreed), section))
    assert call.parameters == {
        "DBInstanceIdentifier": "kind-shop-demo",
        "ApplyImmediately": False,
        **parameters,
    }
    assert call.disruption == "online"
    assert "pw-secret" not in repr(call) + call.describe()


def test_another_key_is_not_taken_while_rds_keeps_the_password() -> None:
    facts = replace(WORKING, item=MANAGED, agreed={**KEPT, "masterSecretKmsKeyId": KEY})
    same = desired(facts, {**BY_RDS, "masterSecretKmsKeyId": KEY})
    assert same.sync is not None
    assert (same.sync.status, same.details["masterSecretStatus"]) == ("True", "active")
    other = desired(facts, {**BY_RDS, "masterSecretKmsKeyId": OTHER_KEY})
    assert other.sync is not None
    assert other.sync.reason == "ReplaceRequired"
    assert '"masterCredentials":"Generated"' in other.sync.message


def test_a_secret_that_rds_cannot_rotate_is_told() -> None:
    secret = {**MANAGED["MasterUserSecret"], "SecretStatus": "impaired"}
    found = desired(replace(WORKING, item={**MANAGED, "MasterUserSecret": secret}, agreed=KEPT), BY_RDS)
    assert found.sync is not None
    assert (found.sync.status, found.sync.reason) == ("False", "MasterSecretImpaired")
    assert ARN in found.sync.message
    assert found.verdict.status == "True", "the database serves"


class Secrets:
    """Secrets Manager with these passwords, one after the other; `None` for no such secret."""

    def __init__(self, *passwords: str | None) -> None:
        self.left = list(passwords)
        self.asked: list[str] = []

    async def call(self, service: str, operation: str, /, *, region: str | None = None, **given: Any) -> dict[str, Any]:
        assert (service, operation) == ("secretsmanager", "get_secret_value")
        self.asked.append(given["SecretId"])
        password = self.left.pop(0)
        if password is None:
            raise AwsNotFound("ResourceNotFoundException", "AwsNotFound", "No.")
        return {"SecretString": json.dumps({"username": "tracetrack", "password": password})}


async def _same(at: Seat) -> dict[str, str]:
    return dict(at.values)


def keeper(secrets: Secrets, server: Server) -> Logins:
    port: Any = secrets
    return Logins("tracetrack", Checks(server.check), _same, ManagedSecrets(port))


def managed(at: Seat) -> Seat:
    return replace(at, item=MANAGED)


def step(found: Access) -> MakeLogin:
    assert isinstance(found.step, MakeLogin)
    assert found.step.secret == ARN
    return found.step


async def test_the_password_is_read_when_a_login_is_made_and_each_time_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    secrets, server, used = Secrets("first", "second", None), Server({"pw-a"}), []

    async def make(master: DatabaseBinding, user: str, password: str) -> None:
        used.append((master.username, master.password))
        if master.password != "second":
            raise RolesError("PostgreSQL refuses user tracetrack.", REFUSED)
        server.taken.add(password)

    monkeypatch.setattr("tracetrack_operator.database.rds.logins.check_database", server.check)
    monkeypatch.setattr("tracetrack_operator.database.rds.logins.make_login", make)
    logins = keeper(secrets, server)
    resting = await logins.look(managed(seat(DATABASE, BOUND_A)))
    assert (resting.step, secrets.asked) == (None, []), "nobody needs it"
    begun = await logins.look(managed(seat(DATABASE, BOUND_A, asked="two")))
    for _ in range(1):
        with pytest.raises(WaitingError, match="may be rotating it now") as told:
            await logins.make(step(begun))
        assert told.value.reason == "CredentialsNotRotated"
    again = await logins.look(managed(seat(begun.values, BOUND_A, begun.kept)))
    assert (again.refused, MASTER.password in server.asked) == (False, False), "RDS mends what it keeps"
    await logins.make(step(again))
    assert used == [("tracetrack", "first"), ("tracetrack", "second")]
    assert await Checks(server.check).result("x", step(again).login) == CheckResult(True)
    other = replace(step(again), login=replace(MASTER, username="tracetrack_b", password="pw-other"))
    with pytest.raises(WaitingError, match="has none"):
        await logins.make(other)
