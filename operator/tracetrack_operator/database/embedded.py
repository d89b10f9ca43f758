"""PostgreSQL in one pod of the namespace."""

from collections.abc import Mapping

from ..api.database import EmbeddedDatabase
from ..dependencies.binding import DatabaseBinding
from ..dependencies.embedded import EmbeddedProvider
from ..dependencies.generated import password
from ..dependencies.protocol import Scope
from ..manifests.parent import DATABASE
from ..manifests.server import Server

PORT = 5432
NAME = "tracetrack"


class EmbeddedPostgres(EmbeddedProvider):
    product = "PostgreSQL"
    makers = {"username": lambda: NAME, "password": password}  # noqa: RUF012
    server = Server(
        component=DATABASE,
        port=PORT,
        command="/usr/local/bin/tracetrack-postgres",
        ready=("pg_isready", "--quiet", "--host=127.0.0.1", f"--port={PORT}", f"--dbname={NAME}"),
        cpu="100m",
        memory=("128Mi", "512Mi"),
        grace_seconds=60,
    )

    def section(self, scope: Scope) -> EmbeddedDatabase:
        return scope.spec.database.embedded or EmbeddedDatabase()

    def binding(self, host: str, credentials: Mapping[str, str]) -> DatabaseBinding:
        return DatabaseBinding(
            provider="embedded",
            host=host,
            port=PORT,
            database=NAME,
            username=credentials["username"],
            password=credentials["password"],
            sslmode="disable",
        )
