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

HERE = Path(__file__).parent
CRDS = Path(__file__).parents[3] / "crds"
NAMESPACE = "tracetrack-system"
ACCOUNT = "tracetrack-operator"
USER = f"system:serviceaccount:{NAMESPACE}:{ACCOUNT}"
T = TypeVar("T")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "last: runs after all other tests")
    config.addinivalue_line("markers", "whole_run: left out unless every integration test of the operator runs")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What judges the operator's requests comes last; what judges them as a whole needs a whole run."""
    last = [item for item in items if item.get_closest_marker("last")]
    others = [item for item in items if item not in last]
    missing = {path.name for path in HERE.glob("test_*.py")} - {
        item.path.name for item in items if item.path.parent == HERE
    }
    selected = any("::" in argument for argument in config.args) or config.option.keyword or config.option.markexpr
    part = [item for item in last if item.get_closest_marker("whole_run") and (missing or selected)]
    if part:
        config.hook.pytest_deselected(items=part)
    items[:] = [*others, *(item for item in last if item not in part)]


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
def crds(control_plane: ControlPlane) -> list[str]:
    """Names of the CustomResourceDefinitions, applied from crds/ and served."""
    applied = control_plane.kubectl("apply", "--server-side", "--filename", str(CRDS), "--output", "name")
    names = [line.split("/")[1] for line in applied.split()]
    control_plane.kubectl("wait", "--for=condition=Established", "--timeout=30s", *(f"crd/{name}" for name in names))
    return names


@pytest.fixture(scope="session")
def operator_kubeconfig(control_plane: ControlPlane, crds: list[str]) -> Path:
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
    folder = tmp_path_factory.mktemp("operator")
    authorities = folder / "aws-ca.pem"
    authorities.write_text(aws_emulator.ca())
    environ: dict[str, Any] = {
        **aws_emulator.environ(),
        "TRACETRACK_LOG_LEVEL": "INFO",
        "TRACETRACK_CLUSTER": "test",
        "TRACETRACK_AWS_CA_FILE": str(authorities),
    }
    process = OperatorProcess(operator_kubeconfig, folder, environ)
    yield process
    code = process.stop()
    assert code in (0, -9), f"the operator ended with {code}:\n{process.tail()}"


@pytest.fixture
def operator(operator_process: OperatorProcess) -> OperatorProcess:
    """The running operator, shared by the run; a test may kill it, the next one finds it started again."""
    operator_process.ensure_running()
    return operator_process
