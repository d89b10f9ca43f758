"""Corrections to moto's Secrets Manager."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from moto.secretsmanager.exceptions import InvalidRequestException, ValidationException
from moto.secretsmanager.models import SecretsManagerBackend

from tests.aws.patch import put


def install() -> None:
    get: Callable[..., Any] = SecretsManagerBackend.get_secret_value
    create: Callable[..., Any] = SecretsManagerBackend.create_secret

    def get_secret_value(self: Any, secret_id: str, version_id: str | None, version_stage: str | None) -> Any:
        """moto remembers the version that was current first; AWS goes by the stage."""
        known = self._is_valid_identifier(secret_id)
        if known and not version_id and not version_stage and self.secrets[secret_id].versions:
            version_stage = "AWSCURRENT"
        return get(self, secret_id, version_id, version_stage)

    def create_secret(self: Any, name: str, *arguments: Any, **options: Any) -> Any:
        """A name that waits for its deletion is refused in words of its own, which tell the remedy."""
        if not re.fullmatch(r"[A-Za-z0-9/_+=.@!-]+", name):
            raise ValidationException(
                "Invalid name. Must be a valid name containing alphanumeric characters, "
                "or any of the following: -/_+=.@!"
            )
        if name in self.secrets and self.secrets[name].is_deleted():
            raise InvalidRequestException(
                "You can't create this secret because a secret with this name is already scheduled for deletion."
            )
        return create(self, name, *arguments, **options)

    put(SecretsManagerBackend, get_secret_value)
    put(SecretsManagerBackend, create_secret)
