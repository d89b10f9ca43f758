"""One server process on loopback, in a directory of its own, run without root where the server refuses root."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.backing.ports import Port


class BackingError(RuntimeError):
    """A backing server is missing, did not start or did not stop; the message names what to do."""


def find_binary(name: str, package: str, *folders: Path) -> str:
    """The path of `name` in `folders` or on PATH. BackingError names the Debian package when it is absent."""
    for folder in folders:
        if (folder / name).is_file():
            return str(folder / name)
    found = shutil.which(name)
    if found is None:
        raise BackingError(f"{name} is not on PATH; install the Debian package: apt-get install {package}")
    return found


def unprivileged(account: str) -> tuple[list[str], int, int]:
    """(command prefix, uid, gid) that runs a command without root; no prefix when the caller is not root."""
    if os.geteuid() != 0:
        return [], os.geteuid(), os.getegid()
    try:
        entry = pwd.getpwnam(account)
        uid, gid = entry.pw_uid, entry.pw_gid
    except KeyError:
        uid, gid = 65534, 65534
    setpriv = find_binary("setpriv", "util-linux")
    return [setpriv, f"--reuid={uid}", f"--regid={gid}", "--clear-groups", "--"], uid, gid


class ServerProcess:
    """Base of the backing servers: start, stop, kill and restart of one process, addressed by its own pid."""

    name = "server"
    account = "nobody"
    stop_signal: signal.Signals = signal.SIGTERM

    def __init__(self, *, host: str = "127.0.0.1", port: int | None = None, directory: Path | None = None) -> None:
        self.host = host
        if port is None:
            self._held = Port(host)
            port = self._held.number
        self.port = port
        self._prefix, self._uid, self._gid = unprivileged(self.account)
        self._own_directory = directory is None
        self.directory = directory or Path(tempfile.mkdtemp(prefix=f"tracetrack-{self.name}-"))
        self.directory.mkdir(parents=True, exist_ok=True)
        self.directory.chmod(0o755)
        self._give(self.directory)
        self._process: subprocess.Popen[bytes] | None = None

    def _give(self, path: Path) -> None:
        if os.geteuid() == 0:
            os.chown(path, self._uid, self._gid)

    def _private_copy(self, source: Path, name: str) -> Path:
        """A copy of a key or certificate that the server's own account, and only it, may read."""
        target = self.directory / name
        shutil.copyfile(source, target)
        target.chmod(0o600)
        self._give(target)
        return target

    def _environment(self) -> dict[str, str]:
        """The caller's home is not for the server's account to look into."""
        return {**os.environ, "HOME": str(self.directory)}

    def _run(self, command: Sequence[str]) -> None:
        done = subprocess.run(
            [*self._prefix, *command],
            capture_output=True,
            text=True,
            cwd=self.directory,
            env=self._environment(),
            check=False,
        )
        if done.returncode != 0:
            raise BackingError(f"{Path(command[0]).name} failed ({done.returncode}): {done.stderr or done.stdout}")

    def _command(self) -> list[str]:
        raise NotImplementedError

    def _prepare(self) -> None:
        """Whatever has to be on disk before the process starts; called before each start."""

    def _answers(self) -> bool:
        """Whether the server answers a request now."""
        raise NotImplementedError

    @property
    def log(self) -> Path:
        return self.directory / f"{self.name}.log"

    @property
    def pid(self) -> int:
        if self._process is None:
            raise BackingError(f"{self.name} is not running")
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self, timeout: float = 30.0) -> Self:
        """Start and wait until it answers; seconds. A running server is left as it is."""
        if self.running:
            return self
        self._prepare()
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*self._prefix, *self._command()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.directory,
                env=self._environment(),
                start_new_session=True,
            )
        self._wait(self._answers, timeout)
        return self

    def _wait(self, answers: Callable[[], bool], timeout: float) -> None:
        deadline = time.monotonic() + timeout
        while not answers():
            if not self.running:
                tail = self.log.read_text(errors="replace")[-2000:]
                raise BackingError(f"{self.name} on {self.host}:{self.port} ended at start:\n{tail}")
            if time.monotonic() > deadline:
                self.kill()
                raise BackingError(f"{self.name} on {self.host}:{self.port} did not answer within {timeout} s")
            time.sleep(0.05)

    def stop(self, timeout: float = 20.0) -> None:
        """Stop in order; whoever has not gone after `timeout` seconds is killed."""
        self._end(self.stop_signal, timeout)

    def kill(self) -> None:
        """SIGKILL: a crash, as the clients and the data directory see it."""
        self._end(signal.SIGKILL, 10.0)

    def _end(self, how: signal.Signals, timeout: float) -> None:
        process = self._process
        if process is None:
            return
        if process.poll() is None:
            process.send_signal(how)
            try:
                process.wait(timeout)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10.0)
        self._process = None

    def restart(self) -> None:
        """Stop in order and start again on the same port with the same data."""
        self.stop()
        self.start()

    def close(self) -> None:
        """Stop, and remove the directory if this object made it."""
        self.stop()
        if self._own_directory:
            shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
