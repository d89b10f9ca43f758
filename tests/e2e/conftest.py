"""What every end-to-end test may use: a kind cluster of its own, deleted at the end unless KEEP_CLUSTER=1."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import tools
from tests.cluster.kindcluster import KindCluster
from tests.cluster.paths import HERE as STAGE
from tests.cluster.paths import ROOT
from tests.cluster.run import output
from tests.demo.stage import Stage

CLUSTER_NAME = "tracetrack-e2e"
STATE = ROOT / ".cache" / "e2e"


@dataclass(frozen=True)
class Cluster:
    """A running kind cluster; the URLs are where this host reaches its three published node ports."""

    name: str
    kubeconfig: Path
    app_url: str
    aws_url: str
    spare_url: str

    def kubectl(self, *args: str, stdin: str | None = None) -> str:
        """What `kubectl ARGS` prints, as cluster-admin; raises `StageError` with its message."""
        return output([tools.kubectl(), "--kubeconfig", self.kubeconfig, *args], stdin=stdin)

    def get(self, *args: str) -> Any:
        """What `kubectl get ARGS -o json` gives."""
        return json.loads(self.kubectl("get", *args, "-o", "json"))

    def build_and_load(self, image: str, context: Path, dockerfile: Path | None = None) -> None:
        """Build `image` from `context` and put it into the cluster, each only if need be."""
        file = ["-f", str(dockerfile)] if dockerfile else []
        subprocess.run([STAGE / "build-image", image, context, *file, "--cluster", self.name], check=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The time limit is for a test's own work: the first one's set-up may compile a whole Kubernetes."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent) and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(300, func_only=True))


def _environment(kubeconfig: Path) -> dict[str, str]:
    return {"CLUSTER_NAME": CLUSTER_NAME, "CLUSTER_STATE_DIR": str(STATE), "KUBECONFIG_OUT": str(kubeconfig)}


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A kind cluster, made by the same script that the demo uses."""
    kubeconfig = STATE / "kubeconfig"
    environment = {**os.environ, **_environment(kubeconfig)}
    subprocess.run([STAGE / "up"], check=True, env=environment, stdout=subprocess.DEVNULL)
    ports = dict(line.split("=") for line in (STATE / "ports.env").read_text().split())
    urls = [f"http://127.0.0.1:{ports[name]}" for name in ("APP_HOST_PORT", "AWS_HOST_PORT", "SPARE_HOST_PORT")]
    yield Cluster(CLUSTER_NAME, kubeconfig, *urls)
    if os.environ.get("KEEP_CLUSTER") != "1":
        subprocess.run([STAGE / "down"], check=True, env=environment)


@pytest.fixture(scope="session")
def stage(cluster: Cluster) -> Stage:
    """The steps that put a TraceTrack into the cluster."""
    return Stage(KindCluster(cluster.name, cluster.kubeconfig, STATE))


@pytest.fixture(scope="session")
def tracetrack(stage: Stage) -> Stage:
    """The samples, Ready, on an operator installed by its chart: what `make demo` makes, made by it."""
    environment = {**os.environ, **_environment(stage.cluster.kubeconfig)}
    subprocess.run([sys.executable, "-m", "tests.demo", "up"], check=True, env=environment, cwd=ROOT)
    return stage


@pytest.fixture(scope="session")
def scanner_keys(tracetrack: Stage) -> list[str]:
    """The device keys of the sample fleet's first five scanners, in order."""
    secret = tracetrack.secret("default", "lucknow-0")
    return [secret[name] for name in sorted(secret) if name.endswith(".device-key")][:5]


@pytest.fixture
def cluster_namespace(cluster: Cluster) -> Iterator[str]:
    """The name of a fresh namespace in the cluster; its deletion is asked for, not awaited."""
    name = f"test-{uuid.uuid4().hex[:10]}"
    cluster.kubectl("create", "namespace", name)
    yield name
    cluster.kubectl("delete", "namespace", name, "--wait=false")
