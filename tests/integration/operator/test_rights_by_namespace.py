"""What the chart grants when it is installed for some namespaces only."""

from __future__ import annotations

import pytest
import yaml

from tests.cluster.controlplane import ControlPlane
from tests.integration.operator import rbac


def test_a_role_lets_its_own_namespace_be_read_and_no_other(control_plane: ControlPlane, namespace: str) -> None:
    """Deletion asks whether the whole namespace goes; the API server takes a namespace as lying in itself."""
    for manifest in rbac.chart_manifests(namespace, "--set", f"watchNamespaces={{{namespace}}}"):
        if manifest["kind"] in ("Role", "RoleBinding") and manifest["metadata"]["namespace"] == namespace:
            control_plane.kubectl("apply", "-f", "-", input=yaml.safe_dump(manifest))
    account = f"--as=system:serviceaccount:{namespace}:tracetrack-operator"
    found = control_plane.kubectl("get", "namespace", namespace, account, "-o", "name")
    assert found.strip() == f"namespace/{namespace}"
    with pytest.raises(Exception, match="forbidden"):
        control_plane.kubectl("get", "namespace", "default", account)
