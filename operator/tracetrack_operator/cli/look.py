"""Makes the operator's plan with the eyes of a user."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import boto3

from ..api.conditions import ConditionType, Reason
from ..api.model import InvalidResourceError
from ..aws.client import AwsClient, AwsPort
from ..context import INDEXERS, View
from ..database.inspection import Inspection
from ..dependencies.binding import Binding, DatabaseBinding, endpoint
from ..dependencies.checks import CheckResult
from ..deployment.deletion import End, clean_up, serving
from ..deployment.planner import Check, Planned, Planner
from ..engine.cache import ObjectCache
from ..engine.errors import ReconcileError
from ..engine.objects import Object
from ..engine.plan import Delete
from ..kube.kinds import KINDS, WATCHED, selector_of
from ..manifests.secret import values
from .cluster import Cluster
from .errors import CliError
from .installation import Installation
from .readonly import Noted, NotingAws, ReadOnlyAws, ReadOnlyKube

CA_KEY = "ca.crt"
WORKING = CheckResult(True)
CHECKED = frozenset(
    {
        "EndpointUnreachable",
        "TLSFailed",
        "AuthenticationFailed",
        "DatabaseNotFound",
        "DatabaseError",
        "VersionTooOld",
        "CacheError",
    }
)
"""Reasons that a check of a connection gives."""


async def plan(cluster: Cluster, installation: Installation, owner: Object, region: str | None) -> Planned:
    """Raises CliError when something that the plan needs can't be read."""
    aws = AwsClient(region)
    try:
        return await plan_with(cluster, installation, owner, ReadOnlyAws(aws, None))
    finally:
        aws.close()


async def plan_with(cluster: Cluster, installation: Installation, owner: Object, aws: AwsPort) -> Planned:
    cache = await _cached(cluster, owner["metadata"]["namespace"])
    with tempfile.TemporaryDirectory() as folder:
        settings = replace(installation.settings, aws_ca_file=_authorities(installation, owner, cache, Path(folder)))
        planner = _planner(View(settings, cache, ReadOnlyKube(cluster.kube), aws), owner)
        try:
            return await planner.plan(owner)
        except InvalidResourceError as error:
            raise CliError(str(error)) from error
        except ReconcileError as error:
            raise CliError(f"{error} ({error.reason})") from error


def _planner(view: View, owner: Object) -> Planner:
    return Planner(
        view,
        _as_told(owner, ConditionType.DATABASE_READY),
        _as_told(owner, ConditionType.CACHE_READY),
        replica_check=_replicas_as_told(owner),
        inspect=_unseen,
    )


@dataclass(frozen=True)
class Ending:
    """What a deletion does next: `first` in the cluster, then `calls` in AWS; `ends` tell what becomes of each part."""

    first: list[Delete]
    calls: list[Noted]
    ends: list[End]


async def ending(cluster: Cluster, installation: Installation, owner: Object, region: str | None) -> Ending:
    """By the operator's own code, whether the owner is being deleted or not; its spec may not parse."""
    cache = await _cached(cluster, owner["metadata"]["namespace"])
    aws = AwsClient(region)
    try:
        noting = NotingAws(aws, None)
        view = View(installation.settings, cache, ReadOnlyKube(cluster.kube), noting)
        planner = _planner(view, owner)
        ends = await clean_up(owner, planner.databases, planner.caches, planner.drills)
        return Ending(serving(view.children(owner)), noting.noted, ends)
    finally:
        aws.close()


async def _cached(cluster: Cluster, namespace: str) -> ObjectCache:
    """What the operator would hold of the namespace."""
    cache = ObjectCache(INDEXERS)

    async def fill(kind: str) -> None:
        try:
            objects = await cluster.kube.list(kind, namespace, selector_of(kind))
        except ReconcileError as error:
            if error.reason != "Forbidden":
                raise CliError(str(error)) from error
            plural = KINDS[kind].plural
            raise CliError(
                f"a plan needs the right to list {plural} in namespace {namespace}: {error.message}. "
                "Kubernetes' role edit has it"
                + (" (view has not: what pods get is compared with their Secrets)." if kind == "Secret" else ".")
            ) from error
        for obj in objects:
            cache.put(obj)

    await asyncio.gather(*(fill(kind) for kind in WATCHED))
    return cache


def _as_told(owner: Object, type_: str) -> Check:
    """Connections are taken to work unless the operator says otherwise: most databases can't be reached from here."""

    async def check(_: Binding) -> CheckResult:
        for condition in (owner.get("status") or {}).get("conditions") or []:
            if condition["type"] == type_ and condition["status"] == "False" and condition["reason"] in CHECKED:
                return CheckResult(False, condition["reason"], condition.get("message", ""))
        return WORKING

    return check


def _replicas_as_told(owner: Object) -> Check:
    """A replica serves as the operator says of its endpoint; of one that it hasn't told of, nothing is known."""
    told = ((owner.get("status") or {}).get("database") or {}).get("readReplicas") or []
    serving = {each.get("endpoint"): bool(each.get("serving")) for each in told}

    async def check(binding: Binding) -> CheckResult:
        if serving.get(endpoint(binding)):
            return WORKING
        return CheckResult(False, Reason.PROGRESSING, "The operator says that it does not serve.")

    return check


async def _unseen(_: DatabaseBinding) -> Inspection | None:
    """Most databases can't be reached from here: what keeps them from an upgrade, the operator tells."""
    return None


def _authorities(installation: Installation, owner: Object, cache: ObjectCache, folder: Path) -> str:
    """A file with what the operator's CA file holds, as far as the bindings show it; "" where it has none."""
    if not installation.settings.aws_ca_file:
        return ""
    path = folder / CA_KEY
    path.write_text(next(iter(_bundles(owner, cache)), "unknown\n"))
    return str(path)


def _bundles(owner: Object, cache: ObjectCache) -> list[str]:
    metadata = owner["metadata"]
    found = []
    for part in ("database", "cache"):
        secret = cache.get("Secret", metadata["namespace"], f"{metadata['name']}-{part}-binding")
        bundle = values(secret).get(CA_KEY) if secret is not None else None
        if bundle:
            found.append(bundle)
    return found


def region_of(owner: Object, installation: Installation, chosen: str | None) -> str | None:
    """Where the deployment's objects are; None leaves it to the user's own AWS configuration."""
    spec: Mapping[str, Any] = owner.get("spec") or {}
    return (spec.get("aws") or {}).get("region") or chosen or installation.region


def region_name(region: str | None) -> str:
    """As AWS calls it; "" when nothing names one."""
    return region or boto3.session.Session().region_name or ""
