"""From a failing condition to its entry on the page about reasons, and what the entry says to paste."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.backing import PostgresServer
from tests.cluster.controlplane import ControlPlane, binaries
from tests.integration.operator.conftest import eventually
from tests.integration.operator.deployments import EMBEDDED, Shop
from tests.integration.operator.process import OperatorProcess
from tracetrack_operator.api.reasons import REASONS

ROOT = Path(__file__).parents[3]
ADDRESS = re.compile(r" See (\S+)#(\S+)\.$")
READS = re.compile(r"(?:[A-Z]+=\$\()?kubectl (?:get|describe|explain|auth can-i) ")
# What the control plane of the tests hasn't: nodes, an installed operator, what only a message names.
NEEDS_MORE = re.compile(r"\$(?:SECRET|POD|CLASS|DB|CACHE|OPERATOR)\b|OPERATOR#|nodes|credentials")


@pytest.fixture
def shop(control_plane: ControlPlane, namespace: str, operator: OperatorProcess) -> Shop:
    return Shop(control_plane, namespace)


def entry_at(message: str) -> str:
    """The title of the entry that a message ends with the address of."""
    address = ADDRESS.search(message)
    assert address, message
    headings = re.findall(r"^### (.+)$", (ROOT / address[1]).read_text(), re.MULTILINE)
    return next(heading for heading in headings if heading.lower() == address[2])


def test_a_failing_condition_leads_to_what_it_means(shop: Shop) -> None:
    with PostgresServer() as postgres:
        login = {
            "host": postgres.host,
            "port": str(postgres.port),
            "database": postgres.database,
            "username": postgres.user,
            "password": "wrong",
            "sslmode": "disable",
        }
        shop.put_secret("my-pg", login)
        external = {"provider": "External", "external": {"secretRef": {"name": "my-pg"}}}
        shop.deploy(database=external, cache=EMBEDDED["cache"])
        for type_ in ("DatabaseReady", "Ready"):
            told = shop.wait(type_, "False", "AuthenticationFailed", "They come from Secret my-pg.")
            assert entry_at(told["message"]) == "AuthenticationFailed"
        events = eventually(lambda: shop.events("AuthenticationFailed"))
        assert {event["type"] for event in events} == {"Warning"}
        for event in events:
            assert entry_at(event["message"]) == "AuthenticationFailed"
        waiting = shop.wait("ApplicationReady", "False", "WaitingForDependency", "refuses user")
        assert entry_at(waiting["message"]) == "WaitingForDependency"
        shop.put_secret("my-pg", {**login, "password": postgres.password})
        assert not ADDRESS.search(shop.wait("DatabaseReady", "True")["message"])


def test_an_operator_told_where_the_page_is_links_to_it(shop: Shop, operator: OperatorProcess) -> None:
    operator.stop()
    operator.start(TRACETRACK_DOCS_URL="https://docs.example.com/reasons")
    try:
        shop.deploy(
            database={"provider": "External", "external": {"secretRef": {"name": "none"}}}, cache=EMBEDDED["cache"]
        )
        told = shop.wait("Ready", "False", "SecretNotFound")
        assert told["message"].endswith(" See https://docs.example.com/reasons#secretnotfound.")
    finally:
        operator.stop()
        operator.start()
    moved = shop.wait("Ready", "False", "SecretNotFound", " See crds/REASONS.md#secretnotfound.")
    assert moved["lastTransitionTime"] == told["lastTransitionTime"]


def test_commands_that_only_look_can_be_pasted(shop: Shop, tmp_path: Path) -> None:
    shop.deploy()
    fleet = {"deploymentRef": {"name": "demo"}, "replicas": 1, "suspend": True}
    body = {"apiVersion": "tracetrack.io/v1alpha1", "kind": "ScannerFleet", "metadata": {"name": "demo"}, "spec": fleet}
    shop.create("scannerfleets", body)
    shop.wait("ApplicationReady", "False")
    commands = {command for entry in REASONS.values() for command in entry.commands}
    looks = sorted(each for each in commands if READS.match(each) and not NEEDS_MORE.search(each))
    assert len(looks) > 15
    environ = {
        "HOME": str(tmp_path),
        "PATH": f"{binaries()['kubectl'].parent}:{os.environ['PATH']}",
        "KUBECONFIG": str(shop.control_plane.kubeconfig),
        "NS": shop.namespace,
        "NAME": "demo",
    }
    failed = []
    for command in looks:
        strict = ["bash", "-euo", "pipefail", "-c", command]
        done = subprocess.run(strict, env=environ, capture_output=True, text=True, check=False, timeout=30)
        if done.returncode:
            failed.append(f"{command}\n  {done.stderr.strip()}")
    assert not failed, "\n".join(failed)
