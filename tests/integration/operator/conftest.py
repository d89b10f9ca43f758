"""The real operator, as a process, with its own ServiceAccount, against the real control plane and the emulated AWS."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
import yaml

from tests.aws.emulator import Emulator
from tests.cluster.controlplane import ControlPlane
from tests.integration.operator import rbac
from tests.integration.operator.process import OperatorProcess

ROOT = Path(__file__).parents[3]
NAMESPACE = "tracetrack-system"
ACCOUNT = "tracetrack-operator"
T = TypeVar("T")


def eventually(check: Callable[[], T], timeout: float = 30.0, interval: float = 0.1) -> T:
    """Call `check` until it neither raises AssertionError nor gives None or False; gives its answer."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            answer = check()
            if answer is not None and answer is not False:
                return answer
            failure: AssertionError = AssertionError(f"still {answer!r} after {timeout} s")
        except AssertionError as error:
            failure = error
        if time.monotonic() > deadline:
            raise failure
        time.sleep(interval)


@pytest.fixture(scope="session")
def crds(control_plane: ControlPlane) -> None:
    """The custom resource definitions, applied and served."""
    files = sorted((ROOT / "crds").glob("*.yaml"))
    assert files, "no CRDs in crds/"
    for file in files:
        control_plane.kubectl("apply", "--server-side", "-f", str(file))
    names = [yaml.safe_load(file.read_text())["metadata"]["name"] for file in files]
    control_plane.kubectl("wait", "--for=condition=Established", "--timeout=30s", *(f"crd/{name}" for name in names))


@pytest.fixture(scope="session")
def operator_kubeconfig(control_plane: ControlPlane, crds: None) -> Path:
    """A kubeconfig with the operator's ServiceAccount, which may do what the chart grants and nothing else."""
    control_plane.kubectl("create", "namespace", NAMESPACE)
    control_plane.kubectl("create", "serviceaccount", ACCOUNT, "-n", NAMESPACE)
    for manifest in rbac.chart_roles(NAMESPACE, ACCOUNT):
        control_plane.kubectl("apply", "-f", "-", input=yaml.safe_dump(manifest))
    return control_plane.service_account_kubeconfig(NAMESPACE, ACCOUNT)


@pytest.fixture(scope="session")
def operator_process(
    operator_kubeconfig: Path, aws_emulator: Emulator, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OperatorProcess]:
    environ: dict[str, Any] = {**aws_emulator.environ(), "TRACETRACK_LOG_LEVEL": "INFO", "TRACETRACK_CLUSTER": "test"}
    process = OperatorProcess(operator_kubeconfig, tmp_path_factory.mktemp("operator"), environ)
    yield process
    code = process.stop()
    assert code in (0, -9), f"the operator ended with {code}:\n{process.tail()}"


@pytest.fixture
def operator(operator_process: OperatorProcess) -> OperatorProcess:
    """The running operator, shared by the run; a test may kill it, the next one finds it started again."""
    operator_process.ensure_running()
    return operator_process
