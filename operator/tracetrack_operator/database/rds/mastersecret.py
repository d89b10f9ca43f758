"""The master's password in the secret that RDS keeps, and rotates by itself."""

from __future__ import annotations

import json
from dataclasses import dataclass

from ...aws.client import AwsPort
from ...aws.errors import AwsConflict, AwsNotFound
from ...dependencies.cloud.fields import Item
from ...dependencies.protocol import Verdict
from .fields import master_secret

IMPAIRED = "MasterSecretImpaired"


@dataclass(frozen=True)
class ManagedSecrets:
    """Asked only when a login is to be made: what RDS rotates is not to be kept."""

    aws: AwsPort

    async def password(self, arn: str, region: str | None) -> str:
        """That of the version in force; "" while there is none. Raises ReconcileError."""
        try:
            answer = await self.aws.call("secretsmanager", "get_secret_value", region=region, SecretId=arn)
            found = json.loads(answer.get("SecretString", "{}"))
        except (AwsNotFound, AwsConflict, ValueError):
            return ""
        return str(found.get("password", "")) if isinstance(found, dict) else ""


def secret_arn(item: Item) -> str:
    """Where RDS keeps the master's password; "" where it doesn't."""
    return str(master_secret(item).get("SecretArn", ""))


def impaired(item: Item, what: str) -> Verdict | None:
    """RDS can't rotate the password any more: it is still good, and a person has to act."""
    if master_secret(item).get("SecretStatus") != "impaired":
        return None
    return Verdict.not_ready(
        IMPAIRED,
        f"{what}: RDS can't rotate the master's password in {secret_arn(item)}. Let it use the secret and its KMS key "
        "again; or set spec.database.rds.masterCredentials to Generated and back, for a new secret.",
    )
