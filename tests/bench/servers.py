"""Servers under test: one worker each, on a free port of loopback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.backing import Port
from tests.cluster.paths import ROOT


@dataclass(frozen=True)
class Server:
    """A process that answers at `url`."""

    name: str
    url: str
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def pid(self) -> int:
        return self.process.pid


@contextmanager
def serve(name: str, command: list[str], environment: Mapping[str, str], folder: Path, ready: str) -> Iterator[Server]:
    """Start `command` with PORT in its words and environment replaced, wait until `ready` answers 200; end it after."""
    held = Port()
    port = str(held.number)
    log = folder / f"{name}.log"
    base = {variable: os.environ[variable] for variable in ("PATH", "HOME", "LANG") if variable in os.environ}
    given = {key: value.replace("{port}", port) for key, value in environment.items()}
    with log.open("ab") as out:
        process = subprocess.Popen(
            [word.replace("{port}", port) for word in command],
            env={**base, "PYTHONPATH": f"{ROOT / 'app'}:{ROOT}", **given},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            cwd=ROOT,
        )
    server = Server(name, f"http://127.0.0.1:{port}", process, log)
    try:
        _wait(server, ready)
        yield server
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)


def _wait(server: Server, path: str, seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(server.url + path, timeout=5) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            pass
        if server.process.poll() is not None or time.monotonic() > deadline:
            tail = server.log.read_text(errors="replace")[-2000:]
            raise RuntimeError(f"{server.name} does not serve {path}:\n{tail}")
        time.sleep(0.1)


@contextmanager
def app(environment: Mapping[str, str], folder: Path, name: str = "app") -> Iterator[Server]:
    """One worker as production runs it."""
    settings = {"TRACETRACK_HOST": "127.0.0.1", "TRACETRACK_PORT": "{port}", **environment}
    with serve(name, [sys.executable, "-m", "tracetrack_app"], settings, folder, "/ready") as server:
        yield server


@contextmanager
def baseline(name: str, environment: Mapping[str, str], folder: Path) -> Iterator[Server]:
    """One worker of `baselines/NAME.py`, under the same server with the same settings as the app."""
    command = [sys.executable, "-m", "tests.bench.baselines.serve", name, "{port}"]
    with serve(name, command, environment, folder, "/ready") as server:
        yield server


@contextmanager
def flask(python: Path, environment: Mapping[str, str], folder: Path) -> Iterator[Server]:
    """The old stack: gunicorn with one gevent worker."""
    command = [str(python), "-m", "gunicorn", "--worker-class", "gevent", "--workers", "1", "--worker-connections"]
    command += ["1000", "--backlog", "4096", "--bind", "127.0.0.1:{port}", "--log-level", "warning"]
    command.append("tests.bench.baselines.flask_orm:app")
    with serve("flask_orm", command, environment, folder, "/ready") as server:
        yield server
