"""A Redis that the user runs, reached with a Secret that the user brings."""

from urllib.parse import unquote, urlsplit

from ..dependencies.binding import CacheBinding
from ..dependencies.external import ExternalProvider, InvalidSecret, port_of, required
from ..dependencies.protocol import Scope
from ..manifests.parent import CACHE


class ExternalRedis(ExternalProvider):
    component = CACHE
    product = "Redis"
    field_path = "spec.cache.external.secretRef.name"
    keys = "host and port (or uri), and optionally username, password, tls and ca.crt"

    def secret_name(self, scope: Scope) -> str:
        external = scope.spec.cache.external
        return external.secret_ref.name if external else ""

    def read(self, secret: dict[str, str]) -> CacheBinding:
        return cache_binding(secret)


def cache_binding(secret: dict[str, str]) -> CacheBinding:
    """The binding in a Secret's values: single keys win over `uri`. Raises InvalidSecret."""
    merged = {**_from_uri(secret.get("uri", "").strip()), **{key: value for key, value in secret.items() if value}}
    tls = merged.get("tls", "false").strip().lower()
    if tls not in ("true", "false"):
        raise InvalidSecret("key tls must be true or false; correct it.")
    return CacheBinding(
        provider="external",
        host=required(merged, "host"),
        port=port_of(merged, 6379),
        username=merged.get("username", "").strip(),
        password=merged.get("password", "").rstrip("\r\n"),
        tls=tls == "true",
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
    if parts.scheme not in ("redis", "rediss") or not parts.hostname:
        raise InvalidSecret("key uri must look like redis://user:password@host:6379 or rediss://…; correct it.")
    found = {
        "host": parts.hostname,
        "port": str(port or ""),
        "username": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
        "tls": "true" if parts.scheme == "rediss" else "false",
    }
    return {key: value for key, value in found.items() if value}
