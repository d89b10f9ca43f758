"""The operator's own settings, from the environment."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Self


@dataclass(frozen=True)
class Settings:
    """What an installation sets once, for all custom resources.

    `cluster` is this cluster's name inside the AWS account and part of every AWS name; `app_repository` and
    `embedded_image` are the images used where a resource names none; `namespaces` empty means all.
    `aws_ca_file` is a PEM bundle that RDS and ElastiCache endpoints are verified with, in place of the authorities of
    RDS that the operator has and of the system's; `rds_*` and `elasticache_*` are for resources that name no network
    of their own.
    `aws_steady_seconds` is how old what AWS says of databases and caches may be, `aws_changing_seconds` while one of
    them changes: the descriptions are read once for all, and one at rest is looked at every two `aws_steady_seconds`,
    and whenever a reading in between shows it changed.
    `credentials_settle_seconds` is how long applications have to go over to rotated credentials before the former may
    go: longer than a kubelet takes to bring a changed Secret into its pods.
    `fleet_check_seconds` is how often a fleet that needs nothing is compared with AWS.
    `docs_url` is where crds/REASONS.md can be read: the messages of conditions and Events point there.
    Each field is read from `TRACETRACK_<FIELD>`.
    """

    cluster: str = "kind"
    app_repository: str = "tracetrack-app"
    embedded_image: str = "tracetrack-embedded:0.1.0"
    aws_ca_file: str = ""
    rds_subnet_group: str = ""
    rds_security_groups: tuple[str, ...] = ()
    elasticache_subnet_group: str = ""
    elasticache_security_groups: tuple[str, ...] = ()
    namespaces: tuple[str, ...] = ()
    workers: int = 8
    resync_seconds: float = 600.0
    aws_steady_seconds: float = 30.0
    aws_changing_seconds: float = 10.0
    credentials_settle_seconds: float = 600.0
    fleet_check_seconds: float = 300.0
    docs_url: str = "crds/REASONS.md"
    health_port: int = 8080
    metrics_port: int = 9090
    log_level: str = "INFO"

    @classmethod
    def from_environ(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Read the settings. Raises ValueError that names the variable and what it takes."""
        values: dict[str, object] = {}
        for field in fields(cls):
            variable = f"TRACETRACK_{field.name.upper()}"
            text = environ.get(variable, "").strip()
            if not text:
                continue
            try:
                values[field.name] = _convert(text, field.default)
            except ValueError:
                wanted = type(field.default).__name__
                raise ValueError(f"{variable} must be of type {wanted}, not {text!r}; correct or unset it") from None
        return cls(**values)  # type: ignore[arg-type]


def _convert(text: str, default: object) -> object:
    if isinstance(default, tuple):
        return tuple(part.strip() for part in text.split(",") if part.strip())
    return type(default)(text)  # type: ignore[call-arg]
