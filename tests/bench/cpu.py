"""CPU time and memory of processes, from /proc."""

from __future__ import annotations

import os
import time
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PROC = Path("/proc")


def _stat(pid: int) -> list[str]:
    # The name in parentheses may hold spaces.
    return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()


def children(pid: int) -> list[int]:
    """Its child processes."""
    found = []
    for task in (_PROC / str(pid) / "task").iterdir():
        try:
            found += [int(child) for child in (task / "children").read_text().split()]
        except OSError:
            continue
    return found


def cpu_seconds(pid: int) -> float:
    """User and system time of a process, its children and those it has waited for."""
    fields = _stat(pid)
    used = sum(int(ticks) for ticks in fields[11:15]) / _TICKS
    for child in children(pid):
        try:
            used += cpu_seconds(child)
        except OSError:
            continue
    return used


def settled(pid: int, within: float = 5.0) -> float:
    """`cpu_seconds` once the process has hardly worked for a moment, or after `within` seconds."""
    deadline = time.monotonic() + within
    before = cpu_seconds(pid)
    while time.monotonic() < deadline:
        time.sleep(0.1)
        now = cpu_seconds(pid)
        if now - before <= 0.011:
            return now
        before = now
    return before


def resident_mib(pid: int) -> float:
    """Resident memory of one process."""
    return _memory(pid, "VmRSS:")


def peak_mib(pid: int) -> float:
    """The most that it has ever had."""
    return _memory(pid, "VmHWM:")


def _memory(pid: int, line: str) -> float:
    for each in (_PROC / str(pid) / "status").read_text().splitlines():
        if each.startswith(line):
            return int(each.split()[1]) / 1024
    raise RuntimeError(f"process {pid} has no resident memory")
