"""The Secrets that the application's pods mount: first admin, session key, bindings, fleet keys."""

from collections.abc import Mapping

from ...dependencies.binding import Binding
from ...engine.objects import Object
from ...manifests.parent import APP, CACHE, DATABASE
from ...manifests.secret import secret
from .inputs import Inputs

ADMIN = "admin"
SESSION = "session"
FLEET_KEYS = "fleet-keys"
DATABASE_BINDING = "database-binding"
CACHE_BINDING = "cache-binding"


def admin_secret(inputs: Inputs) -> Object:
    return secret(inputs.parent.metadata(ADMIN, APP), inputs.admin)


def session_secret(inputs: Inputs) -> Object:
    return secret(inputs.parent.metadata(SESSION, APP), inputs.session)


def fleet_keys_secret(inputs: Inputs) -> Object:
    return secret(inputs.parent.metadata(FLEET_KEYS, APP), inputs.fleet_keys)


def database_binding(inputs: Inputs, binding: Binding) -> Object:
    metadata = inputs.parent.metadata(DATABASE_BINDING, DATABASE)
    return secret(metadata, binding.data(), "servicebinding.io/postgresql")


def cache_binding(inputs: Inputs, binding: Binding) -> Object:
    return secret(inputs.parent.metadata(CACHE_BINDING, CACHE), binding.data(), "servicebinding.io/redis")


def brought_binding(inputs: Inputs, suffix: str, values: Mapping[str, str]) -> Object:
    return secret(inputs.parent.metadata(suffix, APP), values)
