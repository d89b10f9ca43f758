"""The Secret of the operator's own credentials: what is lost of it comes back as it was."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import count
from typing import Any

from tests.unit.operator.deployment.factory import owner, stored
from tests.unit.operator.deployment.test_writing import LiveKube
from tracetrack_operator.api import TraceTrackDeployment
from tracetrack_operator.aws.errors import AwsNotFound
from tracetrack_operator.dependencies.cloud.credentials import CredentialsSecret
from tracetrack_operator.dependencies.cloud.vault import Vault
from tracetrack_operator.dependencies.generated import GeneratedSecrets
from tracetrack_operator.dependencies.protocol import Scope
from tracetrack_operator.engine.cache import ObjectCache
from tracetrack_operator.engine.objects import Object
from tracetrack_operator.manifests.parent import Parent
from tracetrack_operator.manifests.secret import secret

PARENT = Parent.of(owner())
NAME = PARENT.child("database-credentials")
GOING = {"metadata": {"name": "shop", "deletionTimestamp": "2026-11-23T12:00:00Z"}}


class SecretsManager:
    """AWS with the secrets `saved`, by name."""

    def __init__(self) -> None:
        self.saved: dict[str, dict[str, str]] = {}

    async def call(self, service: str, operation: str, /, *, region: str | None = None, **given: Any) -> dict[str, Any]:
        if operation == "create_secret":
            self.saved[given["Name"]] = json.loads(given["SecretString"])
            return {}
        if given["SecretId"] not in self.saved:
            raise AwsNotFound("ResourceNotFoundException", "AwsNotFound", "none")
        return {"SecretString": json.dumps(self.saved[given["SecretId"]])}


class Credentials:
    """Those of shop/demo's database; `look` observes with or without the Secret and the object in AWS."""

    def __init__(self) -> None:
        self.kube, self.aws, drawn = LiveKube(), SecretsManager(), count(1)
        self.kube.live[("Namespace", "shop")] = GOING
        generated = GeneratedSecrets(self.kube, ObjectCache())
        self.secret = CredentialsSecret(self.kube, generated, Vault(self.aws, "kind"), "database", ("former",))  # type: ignore[arg-type]
        self.makers = {"username": lambda: "tracetrack", "password": lambda: f"made-up-{next(drawn)}"}

    async def look(
        self, held: Mapping[str, str] | None = None, *, bound: Mapping[str, str] | None = None, left: bool = False
    ) -> dict[str, str]:
        children: dict[tuple[str, str], Object] = {}
        if held is not None:
            children["Secret", NAME] = stored(secret(PARENT.metadata("database-credentials", "database"), held))
        self.kube.live = {("Namespace", "shop"): GOING, **children}
        obj = owner()
        scope = Scope(obj, PARENT, TraceTrackDeployment.parse(obj).spec, children, ())
        return await self.secret.ensure(scope, self.makers, bound or {}, left)


HELD = {"username": "tracetrack", "password": "real"}


async def test_what_is_lost_comes_back_as_it_last_was() -> None:
    found = Credentials()
    await found.look({**HELD, "former": "before"})
    assert await found.look(left=True, bound={"password": "older"}) == {**HELD, "former": "before"}
    assert await found.look(HELD) == HELD
    assert await found.look(left=True) == HELD


async def test_an_operator_that_never_saw_it_takes_what_the_application_has() -> None:
    found = Credentials()
    assert await found.look(left=True, bound={"password": "bound"}) == {"username": "tracetrack", "password": "bound"}


async def test_what_a_running_operator_made_up_stays_until_it_is_written() -> None:
    found = Credentials()
    assert await found.look() == await found.look()


async def test_what_goes_with_its_namespace_is_saved_as_it_was() -> None:
    found = Credentials()
    await found.look(HELD, left=True)
    await found.look(left=True)
    await found.secret.outlive(owner(), "db.test")
    assert found.aws.saved == {"tracetrack/kind/shop/demo/database": {**HELD, "host": "db.test"}}


async def test_what_opens_nothing_is_not_saved() -> None:
    found = Credentials()
    await found.look(left=True)
    told = await found.secret.outlive(owner(), "db.test")
    assert "Its password went with Secret demo-database-credentials" in told
    assert found.aws.saved == {}
