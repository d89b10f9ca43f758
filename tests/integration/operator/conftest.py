"""The real operator, as a process, with its own ServiceAccount, against the real control plane and the emulated AWS."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pytest

from tests.aws.emulator import Emulator
from tests.aws.settings import CALLER
from tests.cluster.controlplane import ControlPlane
from tests.integration.conftest import OPERATOR_PROCESS
from tests.integration.operator import iam, rbac
from tests.integration.operator.installation import install_crds, operator_account, operator_environment
from tests.integration.operator.process import OperatorProcess

if TYPE_CHECKING:
    from tests.integration.operator.fleets import Fleets

LONGEST = (
    "test_some_deletions.py",
    "test_some_fleets.py",
    "test_some_deployments.py",
    "test_some_fleet_deletions.py",
    "test_fleet_scale.py",
    "test_fleet.py",
    "test_fleet_kills.py",
    "test_fleet_faults.py",
    "test_deployment_changes.py",
    "test_upgrade.py",
    "test_deployment_aws.py",
    "test_rotation.py",
    "test_cli.py",
    "test_cache_users.py",
    "test_cli_requests.py",
    "test_drills.py",
)
CLUSTER = "test"
T = TypeVar("T")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first, so that no worker begins one when the others have nothing left to do."""
    items.sort(key=lambda item: LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST))


def eventually(check: Callable[[], T], timeout: float = 30.0, interval: float | None = None) -> T:
    """Call `check` until it gives something true without an AssertionError; gives that.

    Every `interval` seconds, or else ever less often: what takes long is not seen sooner by asking much.
    """
    deadline = time.monotonic() + timeout
    pause = interval or 0.1
    while True:
        try:
            answer = check()
            if answer:
                return answer
            failure: AssertionError = AssertionError(f"still {answer!r} after {timeout} s")
        except AssertionError as error:
            failure = error
        if time.monotonic() > deadline:
            raise failure
        time.sleep(pause)
        pause = interval or min(pause * 1.2, 0.5)


@pytest.fixture(scope="session")
def crds(control_plane: ControlPlane) -> list[str]:
    """Names of the CustomResourceDefinitions, applied from crds/ and served."""
    return install_crds(control_plane)


@pytest.fixture(scope="session")
def operator_kubeconfig(control_plane: ControlPlane, crds: list[str]) -> Path:
    """A kubeconfig with the operator's ServiceAccount, which may do what the chart grants and nothing else."""
    return operator_account(control_plane)


@pytest.fixture(scope="session")
def operator_process(
    control_plane: ControlPlane,
    operator_kubeconfig: Path,
    aws_emulator: Emulator,
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> Iterator[OperatorProcess]:
    """One operator for the run. At its end: it stopped cleanly, and asked for nothing that the chart doesn't grant, nor
    its IAM policy."""
    folder = tmp_path_factory.mktemp("operator")
    environ = {
        **operator_environment(aws_emulator, folder, CLUSTER),
        "AWS_ACCESS_KEY_ID": CALLER,
        "TRACETRACK_AWS_STEADY_SECONDS": "2",
        "TRACETRACK_AWS_CHANGING_SECONDS": "1",
        "TRACETRACK_CREDENTIALS_SETTLE_SECONDS": "4",
    }
    process = OperatorProcess(operator_kubeconfig, folder, environ)
    request.session.stash[OPERATOR_PROCESS] = process
    yield process
    control_plane.resume()
    code = process.stop()
    assert code in (0, -9), f"the operator ended with {code}:\n{process.tail()}"
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if hasattr(request.config, "workerinput") else base
    iam.judge(aws_emulator.rights(), CLUSTER)
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
