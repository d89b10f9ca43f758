"""Real-time priority for what is measured, on a machine that has other work too."""

from __future__ import annotations

import os
from pathlib import Path

from tests.bench.cpu import children
from tests.cluster.run import StageError


def go_ahead(*pids: int) -> None:
    """Let these processes and their children, threads included, run ahead of everything else. Raises StageError."""
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").iterdir():
            try:
                os.sched_setscheduler(int(task.name), os.SCHED_RR, os.sched_param(1))
            except ProcessLookupError:
                continue
            except PermissionError:
                raise StageError("--realtime needs root") from None
        go_ahead(*children(pid))
