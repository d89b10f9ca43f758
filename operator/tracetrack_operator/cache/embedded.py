"""Redis in one pod of the namespace."""

from collections.abc import Mapping

from ..api.cache import EmbeddedCache
from ..dependencies.binding import CacheBinding
from ..dependencies.embedded import EmbeddedProvider
from ..dependencies.generated import password
from ..dependencies.protocol import Scope
from ..manifests.parent import CACHE
from ..manifests.server import Server

PORT = 6379
_PING = 'REDISCLI_AUTH="$(cat /credentials/password)" redis-cli ping | grep -q PONG'


class EmbeddedRedis(EmbeddedProvider):
    product = "Redis"
    makers = {"password": password}  # noqa: RUF012
    server = Server(
        component=CACHE,
        port=PORT,
        command="/usr/local/bin/tracetrack-redis",
        ready=("sh", "-c", _PING),
        cpu="50m",
        memory=("32Mi", "256Mi"),
        grace_seconds=30,
    )

    def section(self, scope: Scope) -> EmbeddedCache:
        return scope.spec.cache.embedded or EmbeddedCache()

    def binding(self, host: str, credentials: Mapping[str, str]) -> CacheBinding:
        return CacheBinding(provider="embedded", host=host, port=PORT, password=credentials["password"])
