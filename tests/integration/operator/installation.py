"""What the chart would install for the operator: CRDs, an account with its rights, and the environment."""

from __future__ import annotations

from pathlib import Path

import yaml

from tests.aws.emulator import Emulator
from tests.cluster.controlplane import ControlPlane
from tests.integration.operator import rbac

CRDS = Path(__file__).parents[3] / "crds"


def install_crds(control_plane: ControlPlane) -> list[str]:
    """Names of the CustomResourceDefinitions, applied from crds/ and served."""
    applied = control_plane.kubectl("apply", "--server-side", "--filename", str(CRDS), "--output", "name")
    names = [line.split("/")[1] for line in applied.split()]
    control_plane.kubectl("wait", "--for=condition=Established", "--timeout=30s", *(f"crd/{name}" for name in names))
    return names


def operator_account(control_plane: ControlPlane) -> Path:
    """A kubeconfig with the operator's ServiceAccount, which may do what the chart grants and nothing else."""
    control_plane.kubectl("create", "namespace", rbac.NAMESPACE)
    control_plane.kubectl("create", "serviceaccount", rbac.ACCOUNT, "-n", rbac.NAMESPACE)
    for manifest in rbac.chart_roles(rbac.NAMESPACE, rbac.ACCOUNT):
        control_plane.kubectl("apply", "-f", "-", input=yaml.safe_dump(manifest))
    return control_plane.service_account_kubeconfig(rbac.NAMESPACE, rbac.ACCOUNT)


def operator_environment(emulator: Emulator, folder: Path, cluster: str) -> dict[str, str]:
    """Its settings and the image's, with the emulated AWS' authority in a file of `folder`."""
    authorities = folder / "aws-ca.pem"
    authorities.write_text(emulator.ca())
    return {
        **emulator.environ(),
        "MALLOC_ARENA_MAX": "2",
        "TRACETRACK_LOG_LEVEL": "INFO",
        "TRACETRACK_CLUSTER": cluster,
        "TRACETRACK_AWS_CA_FILE": str(authorities),
    }
