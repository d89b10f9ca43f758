"""`restore`: a new TraceTrackDeployment beside one that is there, with the data that that one's database held.

Never in place: the old one serves on until people have looked at the new one, and deleted one of them.
"""

from __future__ import annotations

import copy
import re
import sys
from argparse import Namespace
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import yaml

from ..api.constants import API_VERSION
from ..aws.client import AwsClient
from ..aws.errors import AwsNotFound
from ..engine.errors import ReconcileError
from ..engine.objects import Object
from . import approve, installation, look
from .cluster import DEPLOYMENT, Cluster
from .errors import CliError
from .readonly import ReadOnlyAws
from .text import age, moment, paragraph, table

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


async def run(cluster: Cluster, options: Namespace) -> dict[str, Any]:
    owner = await cluster.deployment(options.name)
    if options.list:
        return {"candidates": await _candidates(cluster, options, owner)}
    if not options.to:
        raise CliError("name the new TraceTrackDeployment with --to, or see what can be restored with --list.")
    source = source_of(owner, options.snapshot, options.at, options.latest)
    manifest, notes = manifest_of(owner, options.to, source)
    metadata = manifest["metadata"]
    if await cluster.kube.get(DEPLOYMENT, metadata["namespace"], metadata["name"]) is not None:
        raise CliError(
            f"TraceTrackDeployment {metadata['name']} exists: a restore never replaces one. Name another with --to."
        )
    found = {"manifest": manifest, "notes": notes, "of": owner["metadata"]["name"], "created": False}
    # Looked at by the API server in any case: a manifest that it would refuse helps nobody.
    await cluster.would_be(manifest)
    if options.dry_run:
        return found
    if not options.yes:
        print("\n".join(asked(found)), file=sys.stderr)
        if not approve.confirmed("Create it?"):
            raise CliError("nothing was created.")
    await cluster.create(manifest)
    return {**found, "created": True}


def source_of(owner: Object, snapshot: str | None, at: str | None, latest: bool) -> dict[str, Any]:
    """`restoreFrom`. Raises CliError for what can't be one. Pure."""
    if sum((snapshot is not None, at is not None, latest)) != 1:
        raise CliError("say what to restore: one of --snapshot ID, --at TIME and --latest; --list shows what there is.")
    if snapshot is not None:
        return {"snapshotIdentifier": snapshot}
    told = (owner.get("status") or {}).get("database") or {}
    identifier = told.get("identifier")
    if not identifier:
        raise CliError(
            f"the operator tells of no DB instance of {owner['metadata']['name']}: name a snapshot with --snapshot."
        )
    if at is None:
        return {"pointInTime": {"instanceIdentifier": identifier}}
    if not _TIME.fullmatch(at):
        raise CliError(f"--at {at}: write the moment in UTC, such as 2026-11-23T14:05:00Z.")
    if at > f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}":
        raise CliError(f"--at {at} is yet to come: name an earlier moment, or the latest one with --latest.")
    return {"pointInTime": {"instanceIdentifier": identifier, "time": at}}


def manifest_of(owner: Object, name: str, source: Mapping[str, Any]) -> tuple[Object, list[str]]:
    """The new one, and what a person has to know of it: what belongs to the old one alone is left out. Pure."""
    spec, notes = copy.deepcopy(owner["spec"]), []
    if spec["database"]["provider"] != "RDS":
        raise CliError(
            f"the database of {owner['metadata']['name']} is {spec['database']['provider']}: only one of provider RDS "
            "is restored here."
        )
    spec["database"]["restoreFrom"] = dict(source)
    for part, section, identifier in (
        ("database", "rds", "instanceIdentifier"),
        ("cache", "elasticache", "replicationGroupIdentifier"),
    ):
        own = spec[part].get(section) or {}
        if own.get("management") == "Bound":
            notes.append(f"Its {part} is made by the operator; that of {owner['metadata']['name']} is bound.")
        for field in (identifier, "management", "credentialsSecretRef"):
            own.pop(field, None)
    if spec["cache"]["provider"] == "External":
        notes.append(
            "spec.cache.external names the same Redis: two TraceTracks must not share one. Give it a database or a "
            "Redis of its own."
        )
    exposure = spec.get("exposure") or {}
    if exposure.pop("host", None) is not None:
        exposure.pop("tls", None)
        notes.append("spec.exposure.host is left out, since two can't have one name: move it over when you are sure.")
    if (exposure.get("service") or {}).pop("nodePort", None) is not None:
        notes.append("spec.exposure.service.nodePort is left out, since two can't have one port.")
    spec.pop("suspend", None)
    metadata = {"name": name, "namespace": owner["metadata"]["namespace"]}
    return {"apiVersion": API_VERSION, "kind": DEPLOYMENT, "metadata": metadata, "spec": spec}, notes


async def _candidates(cluster: Cluster, options: Namespace, owner: Object) -> dict[str, Any]:
    found = await installation.find(cluster, options.operator_namespace)
    region = look.region_of(owner, found, options.region)
    told = (owner.get("status") or {}).get("database") or {}
    if not told.get("identifier"):
        raise CliError(f"the operator tells of no DB instance of {options.name}.")
    aws = AwsClient(region)
    looks = ReadOnlyAws(aws, None)
    try:
        snapshots = [
            each
            async for each in looks.pages(
                "rds", "describe_db_snapshots", "DBSnapshots", DBInstanceIdentifier=told["identifier"]
            )
        ]
        try:
            answer = await looks.call("rds", "describe_db_instances", DBInstanceIdentifier=told["identifier"])
            instances = answer["DBInstances"]
        except AwsNotFound:
            instances = []
    except ReconcileError as error:
        raise CliError(f"{error} ({error.reason})") from error
    finally:
        aws.close()
    return candidates(told["identifier"], instances, snapshots, datetime.now(UTC))


def candidates(
    identifier: str, instances: Iterable[Mapping[str, Any]], snapshots: Iterable[Mapping[str, Any]], now: datetime
) -> dict[str, Any]:
    """What a new one may begin with, the latest first. Pure."""
    window = None
    for instance in instances:
        latest, days = instance.get("LatestRestorableTime"), int(instance.get("BackupRetentionPeriod") or 0)
        if latest is not None and days:
            earliest = max(instance.get("InstanceCreateTime") or latest, now - timedelta(days=days))
            window = {"earliest": _told(earliest), "latest": _told(latest), "retentionDays": days}
    usable = [each for each in snapshots if each.get("Status") == "available"]
    return {
        "instance": identifier,
        "pointInTime": window,
        "snapshots": [
            {
                "identifier": each["DBSnapshotIdentifier"],
                "type": each.get("SnapshotType", ""),
                "created": _told(each["SnapshotCreateTime"]),
                "engineVersion": each.get("EngineVersion", ""),
                "storageGiB": each.get("AllocatedStorage"),
            }
            for each in sorted(usable, key=lambda each: each["SnapshotCreateTime"], reverse=True)
        ],
    }


def _told(value: datetime) -> str:
    return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def asked(found: Mapping[str, Any]) -> list[str]:
    metadata = found["manifest"]["metadata"]
    (kind, value), *_ = found["manifest"]["spec"]["database"]["restoreFrom"].items()
    source = f"snapshot {value}"
    if kind == "pointInTime":
        source = f"{value['instanceIdentifier']} as of {value.get('time', 'its latest restorable moment')}"
    lines = [
        f"TraceTrackDeployment {metadata['namespace']}/{metadata['name']} will be made as {found['of']} is, with the "
        f"data of {source}. {found['of']} itself is not touched."
    ]
    return [line for text in (*lines, *found["notes"]) for line in paragraph(text)]


def text(found: Mapping[str, Any]) -> list[str]:
    if "candidates" in found:
        return _listed(found["candidates"], datetime.now(UTC))
    manifest = found["manifest"]
    if not found["created"]:
        written: str = yaml.safe_dump(manifest, sort_keys=False)
        return [*(f"# {line}" for note in found["notes"] for line in paragraph(note)), written.rstrip()]
    metadata = manifest["metadata"]
    name, namespace = metadata["name"], metadata["namespace"]
    lines = [f"{namespace}/{name} is being made. Follow it with: kubectl tracetrack status {name} -n {namespace}"]
    lines += [line for note in found["notes"] for line in paragraph(note)]
    check = f"kubectl exec -n {namespace} deploy/{name}-app -- tracetrack check"
    return [*lines, f"Look it through once it is Ready: {check}"]


def _listed(found: Mapping[str, Any], now: datetime) -> list[str]:
    window = found["pointInTime"]
    lines = [f"DB instance {found['instance']} can be had again as of"]
    if window is None:
        lines += ["  no moment: its automatic backups are off, or it is gone"]
    else:
        earliest, latest = (moment(datetime.fromisoformat(window[key])) for key in ("earliest", "latest"))
        lines += [f"  any moment from about {earliest} (--at TIME) to {latest} (--latest)"]
    lines += ["", "or as of a snapshot (--snapshot ID)"]
    rows = [
        (each["identifier"], each["type"], age(each["created"], now), f"PostgreSQL {each['engineVersion']}")
        for each in found["snapshots"]
    ]
    return [*lines, *(table(rows, "  ") or ["  there is none"])]
