"""An operator that is killed at the calls it makes to AWS, and the flows that it makes them in."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.aws.emulator import Emulator
from tests.aws.fixtures import refuse_unsupported
from tests.cluster.controlplane import ControlPlane
from tests.integration.conftest import KILLED
from tests.integration.operator.installation import operator_environment
from tests.integration.operator.kills.killing import KILLED_ONE, Call, Flow, Killing, Point, Sample
from tests.integration.operator.nursery import Nursery
from tests.integration.operator.process import OperatorProcess

Judge = Callable[[Flow, Callable[[Sequence[Call]], list[Point]]], None]


def by_flow(flows: Sequence[Flow]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("flow", flows, ids=lambda flow: flow.name.replace(" ", "-"))


@pytest.fixture(scope="module")
def instant_aws() -> Iterator[Emulator]:
    """An emulated AWS of these tests' own, in which nothing takes time."""
    with Emulator(create_seconds=0, modify_seconds=0, delete_seconds=0, backing="shared") as emulator:
        yield emulator


@pytest.fixture(scope="module")
def sample() -> Sample:
    return Sample()


@pytest.fixture(scope="module")
def killing(
    control_plane: ControlPlane,
    operator_kubeconfig: Path,
    operator_process: OperatorProcess,
    instant_aws: Emulator,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Killing]:
    """In place of the run's operator, which is stopped meanwhile."""
    operator_process.stop()
    folder = tmp_path_factory.mktemp("killed-operator")
    environ = {
        **operator_environment(instant_aws, folder, "test"),
        "AWS_ACCESS_KEY_ID": KILLED_ONE,
        "TRACETRACK_AWS_STEADY_SECONDS": "1",
        "TRACETRACK_AWS_CHANGING_SECONDS": "0.5",
        "TRACETRACK_CREDENTIALS_SETTLE_SECONDS": "2",
    }
    with contextlib.closing(Nursery(operator_kubeconfig)) as nursery:
        operator = OperatorProcess(operator_kubeconfig, folder, environ, nursery)
        yield Killing(control_plane, instant_aws, operator)
        operator.kill()


@pytest.fixture
def judge(
    killing: Killing,
    instant_aws: Emulator,
    subtests: pytest.Subtests,
    capfd: pytest.CaptureFixture[str],
    record_property: Callable[[str, object], None],
) -> Iterator[Judge]:
    """Kill at the points chosen of a flow's calls; a subtest each, and a line for who waits."""

    def kill(flow: Flow, choose: Callable[[Sequence[Call]], list[Point]]) -> None:
        began = time.time()
        undisturbed = killing.undisturbed(flow)
        points = choose(undisturbed.calls)
        for number, (point, wrong) in enumerate(killing.killed(flow, points, undisturbed), 1):
            with subtests.test(str(point)):
                if wrong:
                    pytest.fail(f"{flow.name}, killed {point}: {wrong}", pytrace=False)
            outcome = "another end" if wrong else "the same end"
            with capfd.disabled():
                print(f"{flow.name}, {number} of {len(points)}: {point}: {outcome}", flush=True)
        record_property(KILLED, (len(points), began, time.time()))

    yield kill
    refuse_unsupported(instant_aws)
