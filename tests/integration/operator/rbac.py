"""The rights that the chart grants to the operator, and those that it used."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from tests.cluster import tools

CHART = Path(__file__).parents[3] / "charts" / "tracetrack-operator"
NAMESPACE = "tracetrack-system"
ACCOUNT = "tracetrack-operator"
RECORD = "rights"
USER = f"system:serviceaccount:{NAMESPACE}:{ACCOUNT}"


class Right(NamedTuple):
    group: str
    resource: str
    verb: str

    def __str__(self) -> str:
        return f"{self.verb} {self.resource}{'.' + self.group if self.group else ''}"


def used(events: Iterable[Mapping[str, Any]]) -> set[Right]:
    """The rights that these audit events took. A server-side apply that made something took `create` too."""
    rights = set()
    for event in events:
        about = event.get("objectRef")
        if about is None:
            continue
        resource = "/".join(filter(None, (about["resource"], about.get("subresource"))))
        right = Right(about.get("apiGroup", ""), resource, event["verb"])
        rights.add(right)
        if right.verb == "patch" and event["responseStatus"]["code"] == 201:
            rights.add(right._replace(verb="create"))
    return rights


def refused(events: Iterable[Mapping[str, Any]]) -> set[Right]:
    """The rights that were lacking."""
    return used(e for e in events if e.get("annotations", {}).get("authorization.k8s.io/decision") == "forbid")


def granted() -> set[Right]:
    """The rights of the role that the chart binds to the operator's account."""
    manifests = chart_roles(NAMESPACE, ACCOUNT)
    bound = {(m["roleRef"]["kind"], m["roleRef"]["name"]) for m in manifests if m["kind"].endswith("Binding")}
    return {
        Right(group, resource, verb)
        for manifest in manifests
        if (manifest["kind"], manifest["metadata"]["name"]) in bound
        for rule in manifest["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def judge(events: list[dict[str, Any]], record: Path) -> None:
    """Fail if the operator asked for what the role does not grant; add what it used to the folder `record`."""
    lacking = refused(events) | (used(events) - granted())
    assert not lacking, f"add to templates/_rules.tpl: {sorted(map(str, lacking))}"
    record.mkdir(exist_ok=True)
    (record / f"{os.getpid()}.json").write_text(json.dumps(sorted(used(events))))


def idle(record: Path) -> set[Right]:
    """The granted rights that no part of the run recorded in `record` has used."""
    recorded = (json.loads(file.read_text()) for file in record.glob("*.json"))
    return granted() - {Right(*right) for part in recorded for right in part}


def chart_manifests(namespace: str, *arguments: str) -> list[dict[str, Any]]:
    """What `helm template` makes of the chart."""
    command = [str(tools.helm()), "template", "tracetrack-operator", str(CHART), "--namespace", namespace, *arguments]
    rendered = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [manifest for manifest in yaml.safe_load_all(rendered) if manifest]


def chart_roles(namespace: str, account: str) -> list[dict[str, Any]]:
    """The chart's ClusterRoles and their bindings, the subjects replaced by `namespace`/`account`."""
    subject = {"kind": "ServiceAccount", "namespace": namespace, "name": account}
    roles = []
    for manifest in chart_manifests(namespace):
        if manifest["kind"] in ("ClusterRoleBinding", "RoleBinding"):
            roles.append({**manifest, "subjects": [subject]})
        elif manifest["kind"] in ("ClusterRole", "Role"):
            roles.append(manifest)
    assert {role["kind"] for role in roles} >= {"ClusterRole", "ClusterRoleBinding"}, "the chart renders no ClusterRole"
    return roles
