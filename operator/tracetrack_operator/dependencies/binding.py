"""How the application reaches its database and its cache: one shape, whatever the provider.

The keys are those of the Service Binding Specification for Kubernetes (servicebinding.io), well-known entries.
"""

import hashlib
import json
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import quote, urlencode

CREDENTIALS = frozenset({"username", "password", "uri"})
"""The keys that change with the credentials alone: what the URI says besides is in others."""
REPLICA = frozenset({"replica-host", "replica-port"})
"""The keys about a read replica, which the application goes over to, or does without, while it runs."""


class Binding(Protocol):
    """What ends up in a binding Secret."""

    @property
    def host(self) -> str: ...

    @property
    def port(self) -> int: ...

    def data(self) -> dict[str, str]:
        """The Secret's keys and values."""


@dataclass(frozen=True)
class DatabaseBinding:
    """A PostgreSQL database. `sslmode` is disable, require or verify-full; `ca_crt` is PEM.

    `replica_host` is a read replica that the same login works at; "" where there is none.
    """

    provider: str
    host: str
    port: int
    database: str
    username: str
    password: str = field(repr=False)
    sslmode: str = "require"
    ca_crt: str = field(default="", repr=False)
    replica_host: str = ""
    replica_port: int = 0

    def data(self) -> dict[str, str]:
        login = f"{quote(self.username, safe='')}:{quote(self.password, safe='')}"
        where = f"{_bracketed(self.host)}:{self.port}/{quote(self.database, safe='')}"
        data = {
            "type": "postgresql",
            "provider": self.provider,
            "host": self.host,
            "port": str(self.port),
            "database": self.database,
            "username": self.username,
            "password": self.password,
            "sslmode": self.sslmode,
            "uri": f"postgresql://{login}@{where}?{urlencode({'sslmode': self.sslmode})}",
        }
        replica = {"replica-host": self.replica_host, "replica-port": str(self.replica_port)}
        return {**data, **({"ca.crt": self.ca_crt} if self.ca_crt else {}), **(replica if self.replica_host else {})}


@dataclass(frozen=True)
class CacheBinding:
    """A Redis. Without `ca_crt` (PEM) a TLS server is checked against the system's authorities."""

    provider: str
    host: str
    port: int
    username: str = ""
    password: str = field(default="", repr=False)
    tls: bool = False
    ca_crt: str = field(default="", repr=False)

    def data(self) -> dict[str, str]:
        login = f"{quote(self.username, safe='')}:{quote(self.password, safe='')}@" if self.password else ""
        data = {
            "type": "redis",
            "provider": self.provider,
            "host": self.host,
            "port": str(self.port),
            "tls": "true" if self.tls else "false",
            "uri": f"{'rediss' if self.tls else 'redis'}://{login}{_bracketed(self.host)}:{self.port}/0",
        }
        optional = {"username": self.username, "password": self.password, "ca.crt": self.ca_crt}
        return {**data, **{key: value for key, value in optional.items() if value}}


def endpoint(binding: Binding) -> str:
    return f"{_bracketed(binding.host)}:{binding.port}"


def fingerprint(binding: Binding) -> str:
    """Tells bindings apart within this process; never written anywhere."""
    return hashlib.sha256(json.dumps(binding.data(), sort_keys=True).encode()).hexdigest()


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
