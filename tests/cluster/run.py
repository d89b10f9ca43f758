"""Steps that show what they do and how long it took, and commands that are quiet unless they fail."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

from tests.cluster.paths import log_dir

_TAIL = 25


class StageError(Exception):
    """The stage can't be set up; the message names what is wrong and the remedy."""


def say(message: str) -> None:
    """One line of progress, on stderr so that stdout stays for answers."""
    _line(f"  {message}")


class _Together:
    """Measures the time in which at least one of several things goes on beside each other."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running, self._since, self._before = 0, 0.0, 0.0

    @contextmanager
    def one_more(self) -> Iterator[None]:
        self._add(1)
        try:
            yield
        finally:
            self._add(-1)

    def _add(self, number: int) -> None:
        with self._lock:
            now = time.monotonic()
            if self._running:
                self._before += now - self._since
            self._running, self._since = self._running + number, now

    def seconds(self) -> float:
        self._add(0)
        return self._before


_fetching = _Together()


def fetching_seconds() -> float:
    """For how long this process has had a step run that fetches or compiles."""
    return _fetching.seconds()


@contextmanager
def step(what: str, *, fetches: bool = False) -> Iterator[None]:
    """Announce `what`, then say how long it took (seconds). `fetches`: nearly all of that is fetching or compiling."""
    start = time.monotonic()
    _line(f"- {what} …")
    try:
        with _fetching.one_more() if fetches else nullcontext():
            yield
    except BaseException:
        _line(f"  failed after {time.monotonic() - start:.1f} s: {what}")
        raise
    _line(f"  {time.monotonic() - start:.1f} s: {what}")


def _line(text: str) -> None:
    # One write a line: steps run beside each other
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def quiet(
    command: Sequence[str | Path],
    log: str,
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: Path | None = None,
) -> None:
    """Run `command` with its output in the cache's `log/LOG.log`; on failure raise with the end of that output."""
    path = log_dir() / f"{log}.log"
    words = [str(word) for word in command]
    with path.open("wb") as out, (stdin or Path(os.devnull)).open("rb") as given:
        code = subprocess.run(
            words,
            check=False,
            cwd=cwd,
            env={**os.environ, **(env or {})},
            stdin=given,
            stdout=out,
            stderr=subprocess.STDOUT,
        ).returncode
    if code:
        tail = "\n".join(path.read_text(errors="replace").splitlines()[-_TAIL:])
        raise StageError(f"{' '.join(words[:6])} failed with exit status {code}:\n{tail}\n(all of it: {path})")


def output(command: Sequence[str | Path], *, env: Mapping[str, str] | None = None, stdin: str | None = None) -> str:
    """What `command` prints; raises `StageError` with its stderr when it fails."""
    words = [str(word) for word in command]
    done = subprocess.run(
        words, check=False, env={**os.environ, **(env or {})}, input=stdin, capture_output=True, text=True
    )
    if done.returncode:
        text = (done.stderr or done.stdout).strip()
        raise StageError(f"{' '.join(words[:6])} failed with exit status {done.returncode}:\n{text}")
    return done.stdout


def succeeds(command: Sequence[str | Path], *, env: Mapping[str, str] | None = None, timeout: float = 30) -> bool:
    """Whether `command` ends with status 0 within `timeout` seconds; False as well where it isn't installed."""
    try:
        words = [str(word) for word in command]
        done = subprocess.run(
            words,
            check=False,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
