"""Master passwords: checked, changed on the real server, and kept in Secrets Manager when RDS manages them."""

from __future__ import annotations

import json
import secrets
import string
from typing import Any

from moto.rds.models import MasterUserSecret

from tests.aws.estate import Step, literal, quoted
from tests.aws.patch import put
from tests.aws.rds.errors import OPERATIONAL, combination, wrong
from tests.backing import PostgresServer

_LETTERS = string.ascii_letters + string.digits + "!#$%&*+-=?^_~"


def check_password(password: str) -> None:
    if not 8 <= len(password) <= 128:
        raise wrong("The parameter MasterUserPassword is not a valid password because it is shorter than 8 characters.")
    if any(character in "/'\"@ " or not 32 < ord(character) < 127 for character in password):
        raise wrong(
            "The parameter MasterUserPassword is not a valid password. "
            "Only printable ASCII characters besides '/', '@', '\"', ' ' may be used."
        )


def check_created(given: Any) -> None:
    """What a creation says about the master password."""
    if not given.get("manage_master_user_password"):
        check_password(given.get("master_user_password") or "")
    elif given.get("master_user_password") is not None:
        raise combination("You can't specify MasterUserPassword when ManageMasterUserPassword is turned on.")


def check_modified(instance: Any, given: dict[str, Any]) -> None:
    """What a modification asks of the master password."""
    managed, password = bool(instance.manage_master_user_password), given.get("MasterUserPassword")
    manage, rotate = given.get("ManageMasterUserPassword"), given.get("RotateMasterUserPassword")
    if password is not None:
        check_password(password)
        if instance.read_replica_source_db_instance_identifier:
            raise combination("The master user password of a read replica is that of its source.")
        if manage or (managed and manage is not False):
            raise combination("You can't specify MasterUserPassword when ManageMasterUserPassword is turned on.")
    if managed and manage is False and password is None:
        raise combination("You must specify MasterUserPassword when you turn off ManageMasterUserPassword.")
    if rotate and not managed:
        raise combination("You can't rotate the master user password: it is not managed in AWS Secrets Manager.")
    if rotate and not given.get("ApplyImmediately"):
        raise combination("You must specify apply immediately when rotating the master user password.")
    if given.get("MasterUserSecretKmsKeyId") and (managed or not manage):
        raise combination("You can specify MasterUserSecretKmsKeyId only when you turn on ManageMasterUserPassword.")


def password_of(instance: Any) -> str:
    """The password that the managed secret of an instance holds now."""
    secret = instance.master_user_secret
    version = secret.secret.versions[secret.secret.default_version_id]
    return str(json.loads(version["secret_string"])["password"])


def steps(instance: Any, given: dict[str, Any], seconds: float) -> list[Step[PostgresServer]]:
    """What a modification asks of the master password. A managed secret has a new one when the server has it."""
    managed, manage = bool(instance.manage_master_user_password), given.get("ManageMasterUserPassword")
    password, renewed = given.get("MasterUserPassword"), None
    if manage and not managed:
        instance.master_user_secret = MasterUserSecret(instance, given.get("MasterUserSecretKmsKeyId"))
        instance.manage_master_user_password = True
        password = password_of(instance)
    elif given.get("RotateMasterUserPassword"):
        renewed = instance.master_user_secret._generate_secret_string()
        instance.master_user_secret._status = "rotating"
        password = json.loads(renewed)["password"]
    elif managed and manage is False:
        instance.master_user_secret.delete_secret()
        del instance.master_user_secret
        instance.manage_master_user_password = False
    if password is None:
        return []
    statement = f"alter role {quoted(instance.master_username)} password {literal(password)}"

    def change(server: PostgresServer) -> None:
        server.sql(statement, "postgres")
        if renewed is not None:
            _renew(instance.master_user_secret, renewed)

    return [Step("resetting-master-credentials", seconds, change)]


def _renew(managed: Any, value: str) -> None:
    """Make `value` the current version of a managed secret, and the one before it the previous."""
    secret = managed.secret
    managed.secretsmanager._add_secret(
        secret.arn,
        secret_string=value,
        description=secret.description,
        tags=secret.tags,
        version_stages=["AWSCURRENT"],
    )


def install() -> None:
    """moto's managed secret always holds admin and one fixed password, and is never rotated."""

    def _generate_secret_string(self: Any) -> str:
        password = "".join(secrets.choice(_LETTERS) for _ in range(32))
        return json.dumps({"username": self.resource.master_username, "password": password})

    def shown(self: Any) -> str:
        if self._status != "active" and self.resource.status in OPERATIONAL:
            self._status = "active"
        return str(self._status)

    put(MasterUserSecret, _generate_secret_string)
    cls: Any = MasterUserSecret
    cls.secret_status = property(shown)
