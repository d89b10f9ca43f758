"""Closed loop: wrk keeps every connection busy, with unique scans from scan.lua."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.workload import Work
from tests.cluster.packages import can_install, install
from tests.cluster.run import StageError

_SCRIPT = Path(__file__).with_name("scan.lua")


@dataclass(frozen=True, slots=True)
class Round:
    """What wrk saw: answers, requests sent (some unanswered when time was up), answers outside 2xx and 3xx, broken."""

    requests: int
    sent: int
    seconds: float
    refused: int
    broken: int

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.requests / self.seconds


def ensure() -> None:
    """Have wrk. Raises StageError."""
    if shutil.which("wrk") is None:
        if not can_install():
            raise StageError("wrk is not on PATH: install it (Debian's package is called wrk)")
        install(["wrk"], "installing wrk")


def run(
    url: str,
    work: Work,
    *,
    kind: str,
    header: str,
    values: Sequence[str],
    connections: int,
    seconds: int,
    keys: int = 0,
) -> Round:
    """One round. kind: v1 (JSON scans), form (the old contract's), get (`url` + a random one of `keys` parents),
    bag (as get, half of them children).

    Stations send the `values` of `header` in turn.
    """
    arguments = [kind, work.tag, str(work.stations), str(work.first_parent), str(random.getrandbits(31)), header]
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "15s", "-s", str(_SCRIPT), url, "--"]
    done = subprocess.run([*command, *arguments, str(keys), *values], capture_output=True, text=True, check=False)
    for line in done.stdout.splitlines():
        if line.startswith("RESULT "):
            return Round(**json.loads(line.removeprefix("RESULT ")))
    raise RuntimeError(f"wrk {url} failed:\n{done.stderr or done.stdout}")
