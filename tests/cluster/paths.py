"""Where the stage keeps things: one cache per user, one state folder per checkout."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
NODE = HERE / "node"


def cache_dir() -> Path:
    """`$TRACETRACK_CACHE`, or `~/.cache/tracetrack`: what was compiled or fetched, safe to delete."""
    path = Path(os.environ.get("TRACETRACK_CACHE") or Path.home() / ".cache" / "tracetrack").resolve()
    path.mkdir(parents=True, exist_ok=True)
    return path


def bin_dir() -> Path:
    """The cache's folder of executables."""
    path = cache_dir() / "bin"
    path.mkdir(exist_ok=True)
    return path


def log_dir() -> Path:
    """Logs of the last run of each step."""
    path = cache_dir() / "log"
    path.mkdir(exist_ok=True)
    return path


@contextmanager
def locked(name: str, held: Callable[[], object] | None = None) -> Iterator[None]:
    """Hold the cache's lock `name`: the second of two processes that would make a thing waits, then finds it made.

    `held` is called before such a wait.
    """
    folder = cache_dir() / "lock"
    folder.mkdir(exist_ok=True)
    with (folder / name).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if held is not None:
                held()
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
