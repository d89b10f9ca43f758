"""`status`: a deployment and what it is made of, as a tree with ages, states and reasons."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from ..api.constants import LABEL_COMPONENT, LABEL_DEPLOYMENT
from ..engine.objects import Object, labels_of
from ..kube.pods import first_problem, is_ready
from ..manifests.parent import APP, CACHE, DATABASE
from . import conditions
from .cluster import Cluster
from .text import Node, age, paragraph, tree

_CONDITIONS = {DATABASE: "DatabaseReady", CACHE: "CacheReady", APP: "ApplicationReady"}


async def run(cluster: Cluster, options: Namespace) -> dict[str, Any]:
    owner = await cluster.deployment(options.name)
    pods = await cluster.list_or_none("Pod", selector=f"{LABEL_DEPLOYMENT}={options.name}")
    fleets = await cluster.list_or_none("ScannerFleet")
    return of(owner, pods, fleets)


def of(owner: Object, pods: Iterable[Object] | None, fleets: Iterable[Object] | None) -> dict[str, Any]:
    """Pure. None: may not be listed."""
    metadata, status = owner["metadata"], owner.get("status") or {}
    return {
        "namespace": metadata["namespace"],
        "name": metadata["name"],
        "created": metadata.get("creationTimestamp"),
        "deleting": metadata.get("deletionTimestamp"),
        "suspended": bool(owner["spec"].get("suspend")),
        "stale": conditions.stale(owner),
        "version": status.get("version"),
        "url": status.get("url"),
        "ready": _condition(conditions.one(owner, "Ready")),
        "synced": _condition(conditions.one(owner, "Synced")),
        "replicas": _condition(conditions.one(owner, "ReplicasReady")),
        "mail": _condition(conditions.one(owner, "MailReady")),
        "endOfDay": _condition(conditions.one(owner, "EndOfDayReady")),
        "drill": _condition(conditions.one(owner, conditions.DRILL)),
        "database": _dependency(owner, DATABASE, pods),
        "cache": _dependency(owner, CACHE, pods),
        "application": {
            "condition": _condition(conditions.one(owner, "ApplicationReady")),
            "scaling": _condition(conditions.one(owner, "ScalingReady")),
            "replicas": status.get("replicas", 0),
            "readyReplicas": status.get("readyReplicas", 0),
            "pods": _pods(pods, APP),
        },
        "fleets": None if fleets is None else [_fleet(fleet) for fleet in fleets if _refers(fleet, metadata["name"])],
    }


def _condition(condition: Mapping[str, Any] | None) -> dict[str, Any]:
    found = condition or {}
    return {
        "state": conditions.word(condition),
        "since": conditions.since(condition),
        "message": found.get("message", ""),
    }


def _dependency(owner: Object, part: str, pods: Iterable[Object] | None) -> dict[str, Any]:
    told = (owner.get("status") or {}).get(part) or {}
    return {
        "condition": _condition(conditions.one(owner, _CONDITIONS[part])),
        "provider": owner["spec"][part]["provider"],
        **{key: value for key, value in told.items() if key != "provider"},
        "pods": _pods(pods, part),
    }


def _pods(pods: Iterable[Object] | None, component: str) -> list[dict[str, Any]] | None:
    if pods is None:
        return None
    return [_pod(pod) for pod in pods if labels_of(pod).get(LABEL_COMPONENT) == component]


def _pod(pod: Object) -> dict[str, Any]:
    problem = first_problem([pod])
    metadata = pod["metadata"]
    if metadata.get("deletionTimestamp"):
        state = "Terminating"
    elif problem is not None:
        state = str(problem.reason)
    else:
        state = "Ready" if is_ready(pod) else (pod.get("status") or {}).get("phase", "Pending")
    return {
        "name": metadata["name"],
        "created": metadata.get("creationTimestamp"),
        "state": state,
        "message": problem.message if problem is not None else "",
    }


def _refers(fleet: Object, name: str) -> bool:
    return bool((fleet.get("spec") or {}).get("deploymentRef", {}).get("name") == name)


def _fleet(fleet: Object) -> dict[str, Any]:
    status = fleet.get("status") or {}
    return {
        "name": fleet["metadata"]["name"],
        "created": fleet["metadata"].get("creationTimestamp"),
        "condition": _condition(conditions.one(fleet, "Ready")),
        "scanners": fleet["spec"].get("replicas", 0),
        "readyScanners": status.get("readyReplicas", 0),
    }


def text(found: Mapping[str, Any], now: datetime | None = None) -> list[str]:
    moment = now or datetime.now(UTC)
    root = Node(
        (f"{found['namespace']}/{found['name']}", _overall(found), age(found["created"], moment), _about(found)),
        (
            _part("database", found["database"], moment),
            _part("cache", found["cache"], moment),
            _application(found["application"], moment),
            *_fleets(found["fleets"], moment),
        ),
    )
    return tree(root) + _remarks(found, moment)


def _overall(found: Mapping[str, Any]) -> str:
    return "Deleting" if found["deleting"] else str(found["ready"]["state"])


def _about(found: Mapping[str, Any]) -> str:
    return ", ".join(filter(None, (f"version {found['version']}" if found["version"] else "", found["url"])))


def _part(name: str, part: Mapping[str, Any], now: datetime) -> Node:
    storage = f"{part['storageGiB']} GiB" if part.get("storageGiB") else ""
    moved = part.get("lastFailover")
    told = f"failed over to {moved['to']} {age(moved['at'], now)} ago" if moved else ""
    words = (part.get("state"), part.get("identifier") or part.get("endpoint"), part.get("size"), storage, told)
    pods = tuple(_pod_node(pod, now) for pod in part["pods"] or ())
    return Node(
        (
            f"{name} {part['provider']}",
            part["condition"]["state"],
            age(part["condition"]["since"], now),
            ", ".join(filter(None, words)),
        ),
        (*_replicas(part), *_upgrade(part.get("upgrade") or {}, now), *pods),
    )


def _replicas(part: Mapping[str, Any]) -> Iterator[Node]:
    for each in part.get("readReplicas") or ():
        lag = f"{each['lagSeconds']} s behind or more" if each.get("lagSeconds") else ""
        words = (each.get("state"), each.get("identifier"), each.get("size"), lag)
        serving = "Serving" if each.get("serving") else "NotServing"
        yield Node((f"replica {each['name']}", serving, "", ", ".join(filter(None, words))))


def _upgrade(told: Mapping[str, Any], now: datetime) -> list[Node]:
    if not told:
        return []
    versions = f"upgrade {told.get('fromVersion', '?')} → {told.get('toVersion', '?')}"
    former = told.get("formerInstance")
    kept = f"{former} is kept until {told.get('formerUntil', '?')}" if former else ""
    return [Node((versions, told.get("state", ""), age(told.get("since"), now), kept))]


def _application(part: Mapping[str, Any], now: datetime) -> Node:
    pods = tuple(_pod_node(pod, now) for pod in part["pods"] or ())
    tally = f"{part['readyReplicas']} of {part['replicas']} pods ready"
    return Node(("application", part["condition"]["state"], age(part["condition"]["since"], now), tally), pods)


def _pod_node(pod: Mapping[str, Any], now: datetime) -> Node:
    return Node((f"pod {pod['name']}", pod["state"], age(pod["created"], now), ""))


def _fleets(fleets: list[dict[str, Any]] | None, now: datetime) -> list[Node]:
    return [
        Node(
            (
                f"fleet {fleet['name']}",
                fleet["condition"]["state"],
                age(fleet["condition"]["since"], now),
                f"{fleet['readyScanners']} of {fleet['scanners']} scanners ready",
            )
        )
        for fleet in fleets or []
    ]


def _remarks(found: Mapping[str, Any], now: datetime) -> list[str]:
    lines: list[str] = []
    if found["stale"]:
        lines += ["", "The spec was changed a moment ago: the operator has not told yet what it makes of it."]
    if found["suspended"]:
        lines += ["", "spec.suspend is true: nothing is changed before kubectl tracetrack resume."]
    synced = found["synced"]
    if synced["since"] and synced["state"] != "Ready":
        lines += ["", *paragraph(f"Synced: {synced['state']} for {age(synced['since'], now)}. {synced['message']}")]
    for name, type_ in (("replicas", "ReplicasReady"), ("mail", "MailReady"), ("endOfDay", "EndOfDayReady")):
        part = found[name]
        if part["since"] and part["state"] != "Ready":
            told = f"{type_}: {part['state']} for {age(part['since'], now)}. {part['message']}"
            lines += ["", *paragraph(told)]
    drill = found["drill"]
    if drill["since"]:
        lines += ["", *paragraph(f"Restore drill: {drill['message']}")]
    if found["ready"]["state"] != "Ready":
        lines += ["", *paragraph(f"Ready: {found['ready']['message']}")]
        lines += [f"More: kubectl tracetrack why {found['name']} -n {found['namespace']}"]
    missing = [
        name for name, part in (("pods", found["application"]["pods"]), ("fleets", found["fleets"])) if part is None
    ]
    if missing:
        lines += ["", f"You may not list {' and '.join(missing)} here: they are left out."]
    return lines
