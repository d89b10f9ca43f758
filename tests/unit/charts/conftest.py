"""The chart as Helm renders it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster import tools

CHART = Path(__file__).parents[3] / "charts" / "tracetrack-operator"
NAMESPACE = "tracetrack-system"

Manifest = dict[str, Any]
Helm = Callable[..., "subprocess.CompletedProcess[str]"]
Render = Callable[..., list[Manifest]]


@pytest.fixture(scope="session")
def helm() -> Helm:
    """Runs helm with these arguments; raises nothing."""
    command = str(tools.helm())

    def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        words = [command, *(str(argument) for argument in arguments)]
        return subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)

    return run


@pytest.fixture(scope="session")
def render(helm: Helm) -> Render:
    """The manifests of release `tracetrack` with these further arguments."""

    def run(*arguments: str | Path) -> list[Manifest]:
        done = helm("template", "tracetrack", CHART, "--namespace", NAMESPACE, *arguments)
        assert done.returncode == 0, done.stderr
        return [manifest for manifest in yaml.safe_load_all(done.stdout) if manifest]

    return run


def of_kind(manifests: list[Manifest], kind: str) -> list[Manifest]:
    return [manifest for manifest in manifests if manifest["kind"] == kind]


def one(manifests: list[Manifest], kind: str) -> Manifest:
    found = of_kind(manifests, kind)
    assert len(found) == 1, f"{len(found)} of kind {kind}"
    return found[0]
