"""The operator as a process of its own, as it runs in its pod: started, killed and started again by tests."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.backing import Port
from tests.integration.operator.nursery import Life, Nursery

STARTUP_SECONDS = 60.0


class OperatorProcess:
    """`python -m tracetrack_operator` against one kubeconfig; its log is `log_path`, one JSON object a line.

    With a `nursery` each start is a fork of a process that has imported it already.
    """

    def __init__(
        self, kubeconfig: Path, folder: Path, environ: Mapping[str, str], nursery: Nursery | None = None
    ) -> None:
        self.kubeconfig = kubeconfig
        self.log_path = folder / "operator.log"
        self._environ = dict(environ)
        self._nursery = nursery
        self._process: subprocess.Popen[bytes] | Life | None = None
        self._ports = Port(), Port()
        self.health_port, self.metrics_port = (held.number for held in self._ports)

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self, **environ: str) -> None:
        """Start and wait until it reconciles; `environ` adds to the environment of this run only."""
        assert not self.running, "the operator runs already"
        self.log_path.touch()
        position = self.log_path.stat().st_size
        self._process = self._spawn(
            {
                **{k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "KUBE"))},
                **self._environ,
                "KUBECONFIG": str(self.kubeconfig),
                "TRACETRACK_HEALTH_PORT": str(self.health_port),
                "TRACETRACK_METRICS_PORT": str(self.metrics_port),
                **environ,
            }
        )
        deadline = time.monotonic() + STARTUP_SECONDS
        while time.monotonic() < deadline:
            if not self.running:
                raise AssertionError(f"the operator ended with {self._process.returncode}:\n{self.tail()}")
            with self.log_path.open("rb") as log:
                log.seek(position)
                if b'"message": "reconciling"' in log.read():
                    return
            time.sleep(0.05)
        raise AssertionError(f"the operator did not start within {STARTUP_SECONDS} s:\n{self.tail()}")

    def _spawn(self, environ: dict[str, str]) -> subprocess.Popen[bytes] | Life:
        if self._nursery is not None:
            return self._nursery.bear(environ, self.log_path)
        with self.log_path.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "tracetrack_operator"],
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env=environ,
            )

    def stop(self, number: int = signal.SIGTERM, timeout: float = 30.0) -> int:
        """Signal it and wait for its end; gives the exit code. Nothing happens when it isn't running."""
        if self._process is None:
            return 0
        if self._process.poll() is None:
            self._process.send_signal(number)
        return self._process.wait(timeout)

    def kill(self) -> None:
        """SIGKILL: what a node failure or an OOM kill does."""
        self.stop(signal.SIGKILL)

    def ensure_running(self) -> None:
        if not self.running:
            self.start()

    def log(self) -> list[dict[str, Any]]:
        entries = []
        for line in self.log_path.read_text(errors="replace").splitlines():
            try:
                entries.append(json.loads(line))
            except ValueError:
                entries.append({"level": "raw", "message": line})
        return entries

    def tail(self, lines: int = 60) -> str:
        return "\n".join(self.log_path.read_text(errors="replace").splitlines()[-lines:])

    def metrics(self) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/metrics", timeout=30) as answer:
            return str(answer.read().decode())

    def metric(self, name: str, **labels: str) -> float:
        """The sum of the samples of `name` that carry `labels`."""
        total = 0.0
        for line in self.metrics().splitlines():
            head, _, value = line.rpartition(" ")
            if head.split("{")[0] == name and all(f'{k}="{v}"' in head for k, v in labels.items()):
                total += float(value)
        return total
