"""`support-bundle`: what somebody who helps needs to see, in one file, without what nobody else may see."""

from __future__ import annotations

import asyncio
import io
import json
import platform
import tarfile
import time
from argparse import Namespace
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .. import __version__
from ..api.constants import LABEL_DEPLOYMENT
from ..aws.client import AwsClient
from ..deployment.planner import Planned
from ..engine.errors import ReconcileError
from ..engine.objects import Object, controller_uid
from ..kube.kinds import KINDS, WATCHED, selector_of
from ..manifests.secret import values
from . import conditions, installation, look, plan
from .cluster import DEPLOYMENT, Cluster
from .errors import CliError
from .readonly import ReadOnlyAws
from .redact import MASK, Redactor

LOG_LINES = 5000
OWN = ("TraceTrackDeployment", "ScannerFleet", "ScannerSlice")
OPEN_KEYS = frozenset(
    {"username", "provider", "host", "port", "database", "sslmode", "ca.crt", "tls", "tls.crt", "name", "cluster"}
)
"""Keys of Secrets whose values say where and as whom, and open nothing."""
SHORTEST_IN_JSON = 16
_DROPPED = ("managedFields",)
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


class Bundle:
    """Files by name; what couldn't be had is told in one of them, and ends nothing."""

    def __init__(self) -> None:
        self.files: dict[str, Any] = {}
        self.missing: list[str] = []

    async def collect(self, name: str, read: Callable[[], Awaitable[Any]]) -> Any:
        try:
            found = await read()
        except (CliError, ReconcileError) as error:
            self.missing.append(f"{name}: {error}")
            return None
        if found is not None:
            self.files[name] = found
        return found


async def run(cluster: Cluster, options: Namespace) -> dict[str, Any]:
    owner = await cluster.deployment(options.name)
    bundle = Bundle()
    secrets = await _children(cluster, owner, bundle)
    await _events(cluster, owner, bundle)
    await _plan(cluster, options, owner, bundle)
    await _logs(cluster, options.operator_namespace, bundle)
    bundle.files["conditions.json"] = conditions.of(owner)
    bundle.files["about.json"] = {
        "tool": __version__,
        "python": platform.python_version(),
        "made": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "deployment": f"{cluster.namespace}/{options.name}",
    }
    if bundle.missing:
        bundle.files["missing.txt"] = "\n".join(bundle.missing) + "\n"
    known = [text for secret in secrets for key, value in values(secret).items() for text in secret_texts(key, value)]
    path = Path(options.filename)
    try:
        await asyncio.to_thread(path.write_bytes, packed(bundle.files, Redactor(known), f"{options.name}-support"))
    except OSError as error:
        raise CliError(f"{path} can't be written: {error.strerror}; name another file with -f.") from error
    return {"file": str(path), "files": sorted(bundle.files), "missing": bundle.missing}


def packed(files: Mapping[str, Any], redactor: Redactor, folder: str) -> bytes:
    """A tar.gz of `files`, each a text or a JSON value, redacted."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz") as archive:
        for name, content in sorted(files.items()):
            if isinstance(content, str):
                text = redactor.text(content)
            else:
                plain = json.loads(json.dumps(content, default=str))
                text = redactor.text(json.dumps(redactor.value(plain), indent=2, sort_keys=True)) + "\n"
            data = text.encode()
            entry = tarfile.TarInfo(f"{folder}/{name}")
            entry.size, entry.mode, entry.mtime = len(data), 0o600, int(time.time())
            archive.addfile(entry, io.BytesIO(data))
    return target.getvalue()


def secret_texts(key: str, value: str) -> list[str]:
    """What of a Secret's value must not be seen anywhere: it, and what stands in it as JSON."""
    if key in OPEN_KEYS:
        return []
    try:
        document = json.loads(value)
    except ValueError:
        return [value]
    return [value, *_leaves(document)]


def _leaves(document: Any) -> list[str]:
    if isinstance(document, Mapping):
        return [text for each in document.values() for text in _leaves(each)]
    if isinstance(document, list):
        return [text for each in document for text in _leaves(each)]
    return [document] if isinstance(document, str) and len(document) >= SHORTEST_IN_JSON else []


def bare(obj: Object) -> Object:
    """An object without the data of Secrets and ConfigMaps, and without what only servers read."""
    metadata = {key: value for key, value in obj["metadata"].items() if key not in _DROPPED}
    annotations = {k: v for k, v in (metadata.get("annotations") or {}).items() if k != _LAST_APPLIED}
    if annotations:
        metadata["annotations"] = annotations
    else:
        metadata.pop("annotations", None)
    found = {**obj, "metadata": metadata}
    for field in ("data", "stringData", "binaryData"):
        if field in found:
            found[field] = dict.fromkeys(found[field] or {}, MASK)
    return found


async def _children(cluster: Cluster, owner: Object, bundle: Bundle) -> list[Object]:
    """Writes every object of the deployment; gives its Secrets, whose values are taken out wherever they stand."""
    bundle.files["deployment.json"] = bare(owner)
    secrets: list[Object] = []
    for kind in WATCHED:
        if kind == DEPLOYMENT:
            continue

        async def read(kind: str = kind) -> list[Object] | None:
            objects = await cluster.kube.list(kind, cluster.namespace, selector_of(kind))
            ours = [obj for obj in objects if _concerns(obj, owner)]
            if kind == "Secret":
                secrets.extend(ours)
            return [bare(obj) for obj in ours] or None

        await bundle.collect(f"objects/{KINDS[kind].plural}.json", read)
    return secrets


def _concerns(obj: Object, owner: Object) -> bool:
    name = owner["metadata"]["name"]
    if controller_uid(obj) == owner["metadata"]["uid"]:
        return True
    if obj["kind"] == "ScannerFleet":
        return bool((obj.get("spec") or {}).get("deploymentRef", {}).get("name") == name)
    return bool((obj["metadata"].get("labels") or {}).get(LABEL_DEPLOYMENT) == name)


async def _events(cluster: Cluster, owner: Object, bundle: Bundle) -> None:
    name = owner["metadata"]["name"]

    async def read() -> list[Object]:
        found = await cluster.kube.list("Event", cluster.namespace)
        return [bare(event) for event in found if _about(event, name)]

    await bundle.collect("events.json", read)


def _about(event: Mapping[str, Any], name: str) -> bool:
    about = str((event.get("involvedObject") or event.get("regarding") or {}).get("name", ""))
    return about == name or about.startswith(f"{name}-")


async def _plan(cluster: Cluster, options: Namespace, owner: Object, bundle: Bundle) -> None:
    async def read() -> dict[str, Any]:
        return await plan.of(cluster, options, owner)

    await bundle.collect("plan.json", read)

    async def describe() -> dict[str, Any]:
        found = await installation.find(cluster, options.operator_namespace)
        aws = AwsClient(look.region_of(owner, found, options.region))
        try:
            return _items(await look.plan_with(cluster, found, owner, ReadOnlyAws(aws, None)))
        finally:
            aws.close()

    await bundle.collect("aws.json", describe)


def _items(planned: Planned) -> dict[str, Any]:
    parts = (("database", planned.observed.database), ("cache", planned.observed.cache))
    return {name: part.item for name, part in parts if part.item is not None}


async def _logs(cluster: Cluster, namespace: str, bundle: Bundle) -> None:
    async def pods() -> list[str]:
        return [pod["metadata"]["name"] for pod in await _operators(cluster, namespace)]

    names = await bundle.collect("operator/pods.json", pods)
    for name in names or ():

        async def read(name: str = name) -> str:
            return await cluster.log(namespace, name, LOG_LINES)

        await bundle.collect(f"operator/{name}.log", read)
    if not names:
        bundle.missing.append(f"operator's logs: no pod of the operator in namespace {namespace}")


async def _operators(cluster: Cluster, namespace: str) -> Iterable[Object]:
    return await cluster.kube.list("Pod", namespace, installation.SELECTOR)


def text(found: Mapping[str, Any]) -> list[str]:
    lines = [f"{found['file']} has {len(found['files'])} files, without values of Secrets, keys and passwords:"]
    lines += [f"  {name}" for name in found["files"]]
    if found["missing"]:
        lines += ["", "Left out:", *(f"  {each}" for each in found["missing"])]
    return [*lines, "", "Look through it before you hand it on."]
