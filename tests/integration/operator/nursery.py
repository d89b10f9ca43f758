"""Operators that start at once: a process that has imported the operator forks for each life of it.

An operator spends two seconds of processor time on its imports before it does anything; tests that kill it a hundred
times start it from here. Each life is a process of its own with nothing in it but the imported modules.

`python -m tests.integration.operator.nursery` reads a line for each life: {"environ": …, "log": path}; it answers
{"pid": …} and, when the life is over, {"ended": exit code}. It ends, and its operator with it, when its input does.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

ROOT = Path(__file__).parents[3]


class Life:
    """One operator, by the methods of a Popen."""

    def __init__(self, pid: int, answers: Any) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._waiter = threading.Thread(target=self._wait, args=(answers,), daemon=True)
        self._waiter.start()

    def poll(self) -> int | None:
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        self._waiter.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired("operator", timeout or 0)
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.returncode is None:
            os.kill(self.pid, number)

    def _wait(self, answers: Any) -> None:
        self.returncode = int(json.loads(answers.readline() or '{"ended": -9}')["ended"])


class Nursery:
    """Bears one operator after the other; `close` it. All have the one kubeconfig: the Kubernetes client looks for it
    when it is imported."""

    def __init__(self, kubeconfig: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.integration.operator.nursery"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "KUBECONFIG": str(kubeconfig)},
        )

    def bear(self, environ: Mapping[str, str], log: Path) -> Life:
        """Start an operator with that environment, its output appended to `log`. The one before has to be over."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"environ": dict(environ), "log": str(log)}) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, f"the nursery ended with {self._process.wait(10)}"
        return Life(json.loads(answer)["pid"], self._process.stdout)

    def close(self) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait(30)


def _serve() -> None:
    importlib.import_module("tracetrack_operator.main")
    gc.collect()
    gc.freeze()
    waiter: threading.Thread | None = None
    pid = 0
    for line in sys.stdin:
        if waiter is not None:
            waiter.join()
        pid = os.fork()
        if pid == 0:
            _live(**json.loads(line))
        _answer({"pid": pid})
        waiter = threading.Thread(target=_await, args=(pid,))
        waiter.start()
    if waiter is not None and waiter.is_alive():
        os.kill(pid, signal.SIGKILL)


def _await(pid: int) -> None:
    _answer({"ended": os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])})


def _answer(content: Mapping[str, int]) -> None:
    # Not print(): its lock might be held at the moment of the next fork.
    os.write(1, (json.dumps(content) + "\n").encode())


def _live(environ: Mapping[str, str], log: str) -> NoReturn:
    os.environ.clear()
    os.environ.update(environ)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for number, source in enumerate((nothing, output, output)):
        os.dup2(source, number)
    random.seed()
    code = 1
    try:
        importlib.import_module("tracetrack_operator.main").main()
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(code)


if __name__ == "__main__":
    _serve()
