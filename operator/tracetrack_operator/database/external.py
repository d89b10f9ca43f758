"""A PostgreSQL that the user runs, reached with a Secret that the user brings."""

from urllib.parse import parse_qs, unquote, urlsplit

from ..dependencies.binding import DatabaseBinding
from ..dependencies.external import ExternalProvider, InvalidSecret, port_of, required
from ..dependencies.protocol import Scope
from ..manifests.parent import DATABASE

_SSLMODES = ("disable", "require", "verify-full")


class ExternalPostgres(ExternalProvider):
    component = DATABASE
    product = "PostgreSQL"
    field_path = "spec.database.external.secretRef.name"
    keys = "host, port, database, username and password (or uri), and optionally sslmode and ca.crt"

    def secret_name(self, scope: Scope) -> str:
        external = scope.spec.database.external
        return external.secret_ref.name if external else ""

    def read(self, secret: dict[str, str]) -> DatabaseBinding:
        return database_binding(secret)


def database_binding(secret: dict[str, str]) -> DatabaseBinding:
    """The binding in a Secret's values: single keys win over `uri`. Raises InvalidSecret."""
    merged = {**_from_uri(secret.get("uri", "").strip()), **{key: value for key, value in secret.items() if value}}
    sslmode = merged.get("sslmode", "").strip() or "require"
    if sslmode not in _SSLMODES:
        raise InvalidSecret(f"key sslmode must be one of {', '.join(_SSLMODES)}; correct it.")
    return DatabaseBinding(
        provider="external",
        host=required(merged, "host"),
        port=port_of(merged, 5432),
        database=required(merged, "database"),
        username=required(merged, "username"),
        password=required(merged, "password"),
        sslmode=sslmode,
        ca_crt=merged.get("ca.crt", ""),
    )


def _from_uri(uri: str) -> dict[str, str]:
    if not uri:
        return {}
    try:
        parts = urlsplit(uri)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in ("postgresql", "postgres") or not parts.hostname:
        raise InvalidSecret("key uri must look like postgresql://user:password@host:5432/database; correct it.")
    found = {
        "host": parts.hostname,
        "port": str(port or ""),
        "database": unquote(parts.path.lstrip("/")),
        "username": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
        "sslmode": parse_qs(parts.query).get("sslmode", [""])[0],
    }
    return {key: value for key, value in found.items() if value}
