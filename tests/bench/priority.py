"""Real-time priority for what is measured, on a machine that has other work too."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.bench.cpu import children
from tests.cluster.run import StageError


@contextmanager
def ahead(*pids: int) -> Iterator[None]:
    """Within it these processes and their children run ahead of everything else. Raises StageError."""
    _schedule(pids, os.SCHED_RR, 1)
    try:
        yield
    finally:
        _schedule(pids, os.SCHED_OTHER, 0)


def _schedule(pids: Sequence[int], policy: int, priority: int) -> None:
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").iterdir():
            try:
                os.sched_setscheduler(int(task.name), policy, os.sched_param(priority))
            except ProcessLookupError:
                continue
            except PermissionError:
                raise StageError("--realtime needs root") from None
        _schedule(children(pid), policy, priority)
