"""Ports that many processes hand out at a time without handing out the same."""

from __future__ import annotations

import gc
import secrets
import socket
import subprocess
import sys

import pytest

from tests.backing import Port
from tests.cluster.paths import ROOT


def listener(host: str, number: int) -> socket.socket:
    """As asyncio, Go, PostgreSQL and Redis do it."""
    return socket.create_server((host, number))


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_its_server_may_listen_there_again_and_again(host: str) -> None:
    port = Port()
    for _ in range(3):
        with listener(host, port.number), socket.create_connection(("127.0.0.1", port.number)):
            pass


def test_a_port_whose_server_is_down_is_not_handed_out_again(monkeypatch: pytest.MonkeyPatch) -> None:
    first, free = Port(), Port()
    with listener("127.0.0.1", first.number):
        pass
    numbers = [free.number, first.number]
    del free
    gc.collect()
    monkeypatch.setattr(secrets, "randbelow", lambda _: numbers.pop() - 20_000)
    assert Port().number != first.number
    assert numbers == []


def test_nor_is_it_in_another_process() -> None:
    port = Port()
    script = (
        f"import secrets; chances = iter([{port.number - 20_000}] * 2); secrets.randbelow = lambda _: next(chances)\n"
        "from tests.backing import Port\n"
        "Port()\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stderr.endswith("StopIteration\n"), "both were refused"


def test_one_on_which_somebody_listens_is_not_handed_out(monkeypatch: pytest.MonkeyPatch) -> None:
    free = Port()
    with listener("127.0.0.1", 0) as taken:
        numbers = [free.number, taken.getsockname()[1]]
        del free
        gc.collect()
        monkeypatch.setattr(secrets, "randbelow", lambda _: numbers.pop() - 20_000)
        assert Port().number < 30_000
        assert numbers == []
