"""With which settings the operator runs: a plan that assumed others would be another plan."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..api.constants import LABEL_NAME
from ..engine.objects import Object
from ..settings import Settings
from .cluster import Cluster
from .errors import CliError

SELECTOR = f"{LABEL_NAME}=tracetrack-operator,app.kubernetes.io/component=operator"
DEFAULT_NAMESPACE = "tracetrack-system"


@dataclass(frozen=True)
class Installation:
    """`region` is the operator's, None where its environment names none."""

    settings: Settings
    region: str | None
    source: str


async def find(cluster: Cluster, namespace: str, environ: Mapping[str, str] = os.environ) -> Installation:
    """From the environment where it has TRACETRACK_CLUSTER, else from the operator's Deployment. Raises CliError."""
    if environ.get("TRACETRACK_CLUSTER"):
        return _read(environ, "the environment")
    found = await cluster.list_or_none("Deployment", namespace, SELECTOR)
    if not found:
        why = "may not be looked for" if found is None else "is not there"
        raise CliError(
            f"the operator's Deployment {why} in namespace {namespace}: name its namespace with "
            "--operator-namespace, or set TRACETRACK_CLUSTER and the operator's other settings in the environment."
        )
    return _read(environment_of(found[0]), f"Deployment {namespace}/{found[0]['metadata']['name']}")


def environment_of(deployment: Object) -> dict[str, str]:
    containers: list[dict[str, Any]] = deployment["spec"]["template"]["spec"]["containers"]
    return {
        variable["name"]: variable["value"]
        for container in containers
        for variable in container.get("env") or []
        if variable.get("value")
    }


def _read(environ: Mapping[str, str], source: str) -> Installation:
    try:
        settings = Settings.from_environ(environ)
    except ValueError as error:
        raise CliError(f"the operator's settings in {source}: {error}") from error
    return Installation(settings, environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or None, source)
