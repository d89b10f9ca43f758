"""What every end-to-end test may use: a kind cluster of its own, deleted at the end unless KEEP_CLUSTER=1."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.cluster.paths import HERE as SCRIPTS
from tests.cluster.paths import ROOT
from tests.demo.stage import Stage
from tests.e2e.explain import explain

CLUSTER_NAME = "tracetrack-e2e"
STATE = ROOT / ".cache" / "e2e"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The time limit is for a test's own work: the first one's set-up may compile a whole Kubernetes.

    What looks for leaked secrets goes last, after all that could leak them.
    """
    items.sort(key=lambda item: item.path.name == "test_no_secrets.py")
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent) and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(300, func_only=True))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Have a failed test say what the cluster looked like."""
    report = yield
    stage = getattr(item, "funcargs", {}).get("cluster")
    if report.failed and isinstance(stage, Stage):
        report.sections.append((f"the cluster at the end of {report.when}", explain(stage)))
    return report


@pytest.fixture(scope="session")
def cluster() -> Iterator[Stage]:
    """A kind cluster, made by the same script that the demo uses."""
    stage = Stage(CLUSTER_NAME, STATE / "kubeconfig", STATE)
    environment = {**os.environ, **stage.environment}
    subprocess.run([SCRIPTS / "up"], check=True, env=environment, stdout=subprocess.DEVNULL)
    yield stage
    if os.environ.get("KEEP_CLUSTER") != "1":
        subprocess.run([SCRIPTS / "down"], check=True, env=environment)


@pytest.fixture(scope="session")
def tracetrack(cluster: Stage) -> Stage:
    """The samples, Ready, on an operator installed by its chart: what `make demo` makes, made by it."""
    environment = {**os.environ, **cluster.environment}
    subprocess.run([sys.executable, "-m", "tests.demo", "up"], check=True, env=environment, cwd=ROOT)
    return cluster


@pytest.fixture(scope="session")
def scanner_keys(tracetrack: Stage) -> list[str]:
    """The device keys of the sample fleet's first five scanners, in order."""
    secret = tracetrack.secret("default", "lucknow-0")
    return [secret[name] for name in sorted(secret) if name.endswith(".device-key")][:5]


@pytest.fixture
def cluster_namespace(cluster: Stage) -> Iterator[str]:
    """The name of a fresh namespace in the cluster; its deletion is asked for, not awaited."""
    name = f"test-{uuid.uuid4().hex[:10]}"
    cluster.kubectl("create", "namespace", name)
    yield name
    cluster.kubectl("delete", "namespace", name, "--wait=false")
