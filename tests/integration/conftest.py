"""What every integration test may use: a real control plane, and a namespace of its own in it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.controlplane import ApiError, ControlPlane
from tests.integration.operator import rbac
from tests.integration.operator.process import OperatorProcess

# What `make test` runs.
USUAL = "not slow and not kill"
OPERATOR = Path(__file__).parent / "operator"
CONTROL_PLANE = pytest.StashKey[ControlPlane]()
OPERATOR_PROCESS = pytest.StashKey[OperatorProcess]()
KILLED = "killed"
"""Of a test that kills the operator: at how many moments, from when and until when, in seconds since the epoch."""


@pytest.fixture(scope="session")
def control_plane(request: pytest.FixtureRequest) -> Iterator[ControlPlane]:
    """etcd, kube-apiserver and kube-controller-manager on loopback, shared by the run; at rest where not asked for."""
    with ControlPlane() as running:
        request.session.stash[CONTROL_PLANE] = running
        yield running


def pytest_runtest_setup(item: pytest.Item) -> None:
    running = item.session.stash.get(CONTROL_PLANE, None)
    if running is None:
        return
    if "control_plane" in getattr(item, "fixturenames", ()):
        running.resume()
    else:
        operator = item.session.stash.get(OPERATOR_PROCESS, None)
        if operator is not None and operator.running:
            assert operator.stop() == 0, operator.tail()
        running.pause()


@pytest.fixture
def namespace(control_plane: ControlPlane) -> Iterator[str]:
    """The name of a fresh namespace; its deletion is asked for, not awaited."""
    name = f"test-{uuid.uuid4().hex[:10]}"
    control_plane.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    yield name
    try:
        control_plane.request("DELETE", f"/api/v1/namespaces/{name}")
    except ApiError as error:
        if error.status != 404:
            raise


def pytest_sessionfinish(session: pytest.Session) -> None:
    """After a whole run, of all workers together: the chart grants nothing that no test made the operator use."""
    if hasattr(session.config, "workerinput") or not _whole(session.config) or session.testsfailed:
        return
    record = session.config._tmp_path_factory.getbasetemp() / rbac.RECORD  # type: ignore[attr-defined]
    unused = sorted(map(str, rbac.idle(record)))
    if unused:
        session.config.get_terminal_writer().line(
            f"\nThe operator never used these rights: {unused}. "
            "Take them out of templates/_rules.tpl, or test what needs them.",
            red=True,
        )
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How often and how long the operator was killed, by all workers together."""
    found: list[tuple[int, float, float]] = []
    for report in (each for reports in terminalreporter.stats.values() for each in reports):
        properties = dict(getattr(report, "user_properties", ())) if getattr(report, "when", "") == "call" else {}
        if KILLED in properties:
            found.append(properties[KILLED])
    if found:
        moments, began, ended = zip(*found, strict=True)
        flows = "one flow" if len(found) == 1 else f"{len(found)} flows"
        told = f"at {sum(moments)} moments of {flows} in {max(ended) - min(began):.0f} s"
        terminalreporter.line(f"The operator was killed {told}.")


def _whole(config: pytest.Config) -> bool:
    """Whether every integration test of the operator was asked for."""
    folders = {Path(argument).resolve() for argument in config.args}
    whole = any(OPERATOR.is_relative_to(folder) for folder in folders)
    chosen = config.option.keyword or config.option.markexpr not in ("", USUAL)
    return whole and not (chosen or config.option.collectonly)
