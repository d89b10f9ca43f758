"""The ports of emulated databases and caches, and the way of the operator's NetworkPolicy to them."""

from __future__ import annotations

import socket

import pytest
import yaml

from tests.aws.ports import Ports
from tests.aws.settings import parse
from tests.cluster.paths import ROOT
from tests.demo.stage import AWS_PORTS, CHART, EGRESS_PORTS

# Below the ports that the kernel gives to outgoing connections.
FIRST, LAST = 21000, 21999


def test_a_port_handed_out_is_not_handed_out_again_before_the_others() -> None:
    ports = Ports("127.0.0.1", range(FIRST, LAST + 1))
    taken = [ports.take() for _ in range(100)]
    assert len(set(taken)) == 100
    assert all(port is not None and FIRST <= port <= LAST for port in taken)


def test_a_port_in_use_is_left_out() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        with pytest.raises(RuntimeError, match="all 1 ports of databases and caches are in use: give more"):
            Ports("127.0.0.1", range(port, port + 1)).take()


def test_without_a_range_any_port_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_PORTS", raising=False)
    assert parse([]).ports is None
    assert Ports("127.0.0.1", None).take() is None


@pytest.mark.parametrize("text", ["20000", "20000-", "20999-20000", "0-10", "1-65536", "a-b"])
def test_what_is_no_range_is_refused(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["--ports", text])
    assert f"argument --ports: '{text}' is no range of ports: write it as 20000-20999" in capsys.readouterr().err


def test_the_operator_of_the_demo_may_go_where_the_pod_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    documents = yaml.safe_load_all((ROOT / "tests" / "aws" / "pod.yaml").read_text())
    pod = next(document for document in documents if document["kind"] == "Pod")
    environment = {entry["name"]: entry["value"] for entry in pod["spec"]["containers"][0]["env"]}
    monkeypatch.setenv("AWS_PORTS", environment["AWS_PORTS"])
    assert parse([]).ports == range(AWS_PORTS[0], AWS_PORTS[1] + 1)
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    assert values["networkPolicy"]["egressPorts"] == list(EGRESS_PORTS)
