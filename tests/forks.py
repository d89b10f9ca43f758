"""Python programs that start at once: each is a fork of a process that has imported ours already.

The app spends two seconds of processor time on its imports, a command of ours one and a half, and a run of the tests
starts hundreds. Each is a process of its own all the same, with nothing in it but imported modules.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from multiprocessing.context import ForkServerContext
from pathlib import Path

PRELOADED = (
    "tracetrack_app.http.express",
    "tracetrack_app.http.frames",
    "tracetrack_app.main",
    "uvicorn.loops.uvloop",
    *(f"tracetrack_app.cli.{each}" for each in ("audit", "check", "create_admin", "imports", "migrate", "settings")),
    "tracetrack_operator.cli.main",
)


class Fork:
    """`python -m MODULE ARGUMENTS` by the methods of a Popen. Its output is added to the files named."""

    def __init__(
        self,
        module: str,
        arguments: Sequence[str],
        environ: Mapping[str, str],
        *,
        stdout: Path,
        stderr: Path | None = None,
        stdin: Path = Path(os.devnull),
    ) -> None:
        self.args = [sys.executable, "-m", module, *arguments]
        files = (stdin, stdout, stderr or stdout)
        self._process = _server().Process(target=_run, args=(module, list(arguments), dict(environ), files))
        self._process.start()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        if self._process.exitcode is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self._process.kill()


def run(
    module: str, arguments: Sequence[str], environ: Mapping[str, str], *, stdin: str = "", timeout: float = 120
) -> subprocess.CompletedProcess[str]:
    """As subprocess.run() with captured output."""
    with tempfile.TemporaryDirectory() as folder:
        given, out, err = (Path(folder, name) for name in ("in", "out", "err"))
        given.write_text(stdin)
        fork = Fork(module, arguments, environ, stdin=given, stdout=out, stderr=err)
        try:
            code = fork.wait(timeout)
        except subprocess.TimeoutExpired:
            fork.kill()
            raise
        return subprocess.CompletedProcess(fork.args, code, out.read_text(), err.read_text())


@cache
def _server() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(PRELOADED))
    return context


def _run(module: str, arguments: list[str], environ: dict[str, str], files: tuple[Path, Path, Path]) -> None:
    stdin, stdout, stderr = files
    os.dup2(os.open(stdin, os.O_RDONLY), 0)
    for number, path in ((1, stdout), (2, stderr)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644), number)
    sys.stdin = os.fdopen(0, closefd=False)
    os.environ.clear()
    os.environ.update(environ)
    sys.argv[1:] = arguments
    runpy.run_module(module, run_name="__main__", alter_sys=True)
