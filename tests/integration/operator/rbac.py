"""The roles that the chart grants, bound to the ServiceAccount of a test run."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import yaml

from tests.cluster import tools

CHART = Path(__file__).parents[3] / "charts" / "tracetrack-operator"


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
