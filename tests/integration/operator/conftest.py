"""The real operator, as a process, with its own ServiceAccount, against the real control plane and the emulated AWS."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
import yaml

from tests.aws.emulator import Emulator
from tests.cluster.controlplane import ControlPlane
from tests.integration.conftest import OPERATOR_PROCESS
from tests.integration.operator import rbac
from tests.integration.operator.process import OperatorProcess

if TYPE_CHECKING:
    from tests.integration.operator.fleets import Fleets

CRDS = Path(__file__).parents[3] / "crds"
LONGEST = (
    "test_fleet_scale.py",
    "test_fleet.py",
    "test_fleet_kills.py",
    "test_fleet_faults.py",
    "test_deployment_aws.py",
)
T = TypeVar("T")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first, so that no worker begins one when the others have nothing left to do."""
    items.sort(key=lambda item: LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST))


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
    control_plane.kubectl("create", "namespace", rbac.NAMESPACE)
    control_plane.kubectl("create", "serviceaccount", rbac.ACCOUNT, "-n", rbac.NAMESPACE)
    for manifest in rbac.chart_roles(rbac.NAMESPACE, rbac.ACCOUNT):
        control_plane.kubectl("apply", "-f", "-", input=yaml.safe_dump(manifest))
    return control_plane.service_account_kubeconfig(rbac.NAMESPACE, rbac.ACCOUNT)


@pytest.fixture(scope="session")
def operator_process(
    control_plane: ControlPlane,
    operator_kubeconfig: Path,
    aws_emulator: Emulator,
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> Iterator[OperatorProcess]:
    """One operator for the run. At its end: it stopped cleanly, and asked for nothing that the chart doesn't grant."""
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
    request.session.stash[OPERATOR_PROCESS] = process
    yield process
    control_plane.resume()
    code = process.stop()
    assert code in (0, -9), f"the operator ended with {code}:\n{process.tail()}"
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if hasattr(request.config, "workerinput") else base
    rbac.judge(control_plane.audit_events(rbac.USER), shared / rbac.RECORD)


@pytest.fixture
def operator(operator_process: OperatorProcess) -> OperatorProcess:
    """The running operator, shared by the run; a test may kill it, the next one finds it started again."""
    operator_process.ensure_running()
    return operator_process


@pytest.fixture
def fleets(control_plane: ControlPlane, aws: Emulator, namespace: str, operator: OperatorProcess) -> Iterator[Fleets]:
    """ScannerFleets in a namespace and an AWS account of their own, beside a deployment that they may refer to."""
    from tests.integration.operator.fleets import Fleets

    made = Fleets(control_plane, aws, namespace)
    made.deployment()
    yield made
    operator.ensure_running()
    made.clear()
