"""The custom resources in the shared control plane."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cluster.controlplane import ControlPlane

CRDS = Path(__file__).parents[3] / "crds"


@pytest.fixture(scope="session")
def crds(control_plane: ControlPlane) -> list[str]:
    """Names of the CustomResourceDefinitions, applied from crds/ and served."""
    applied = control_plane.kubectl("apply", "--server-side", "--filename", str(CRDS), "--output", "name")
    names = [line.split("/")[1] for line in applied.split()]
    control_plane.kubectl("wait", "--for=condition=Established", "--timeout=30s", *(f"crd/{name}" for name in names))
    return names
