"""Server processes on loopback that end with whoever started them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.cluster.run import StageError

# Dies with its parent even when that is killed: PR_SET_PDEATHSIG (1) with SIGKILL (9), which only Linux has. Then
# becomes the server.
_DIE_TOO = "import ctypes;ctypes.CDLL(None).prctl(1,9);" if sys.platform == "linux" else ""
_LAUNCH = f"import os,sys;{_DIE_TOO}os.execv(sys.argv[1],sys.argv[2:])"


class Server:
    """A running `binary`, its output in `log`; `environment` is added to ours."""

    def __init__(
        self, binary: Path, arguments: Sequence[str], log: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self.name, self.log = binary.name, log
        with log.open("wb") as out:
            self._process = subprocess.Popen(
                [sys.executable, "-S", "-E", "-c", _LAUNCH, str(binary), str(binary), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                cwd=log.parent,
                env={**os.environ, **(environment or {})},
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def check(self) -> None:
        """Raise `StageError` with the end of the log if the process has ended."""
        code = self._process.poll()
        if code is not None:
            tail = "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])
            raise StageError(f"{self.name} ended with exit status {code}:\n{tail}")

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, if it still runs."""
        if self._process.poll() is None:
            self._process.send_signal(number)

    def stop(self) -> None:
        """End it: asked first, killed after 3 seconds."""
        if self._process.poll() is None:
            self._process.terminate()
            # A stopped process ends only once it goes on.
            self._process.send_signal(signal.SIGCONT)
            try:
                self._process.wait(3)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
