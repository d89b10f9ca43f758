"""`pause` and `resume`: whether the operator changes anything of a deployment."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from typing import Any

from .cluster import Cluster


async def pause(cluster: Cluster, options: Namespace) -> dict[str, Any]:
    return await _set(cluster, options.name, True)


async def resume(cluster: Cluster, options: Namespace) -> dict[str, Any]:
    return await _set(cluster, options.name, False)


async def _set(cluster: Cluster, name: str, suspend: bool) -> dict[str, Any]:
    owner = await cluster.deployment(name)
    before = bool(owner["spec"].get("suspend"))
    if before != suspend:
        await cluster.merge(owner, {"spec": {"suspend": suspend}})
    return {
        "namespace": owner["metadata"]["namespace"],
        "name": name,
        "suspended": suspend,
        "changed": before != suspend,
    }


def text(found: Mapping[str, Any]) -> list[str]:
    name = f"{found['namespace']}/{found['name']}"
    was = "" if found["changed"] else " already"
    if not found["suspended"]:
        return [f"{name} is{was} kept as declared."]
    return [
        f"{name} is{was} paused: it serves on, and nothing of it is changed before kubectl tracetrack resume "
        f"{found['name']} -n {found['namespace']}."
    ]
