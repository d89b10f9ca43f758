"""A Docker engine: the machine's, or one that we start and stop."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from functools import cache
from pathlib import Path

from tests.cluster.packages import can_install, install
from tests.cluster.paths import NODE, cache_dir, locked, log_dir
from tests.cluster.run import StageError, output, say, step, succeeds

_CAP_SYS_RESOURCE = 24
_START_SECONDS = 60


def docker() -> str:
    """The docker command."""
    return shutil.which("docker") or "/usr/bin/docker"


def running() -> bool:
    """Whether an engine answers."""
    return succeeds([docker(), "version", "--format", "{{.Server.Version}}"])


@cache
def build_environment() -> dict[str, str]:
    """What `docker build` needs: the classic builder where BuildKit's client half is absent."""
    return {} if succeeds([docker(), "buildx", "version"]) else {"DOCKER_BUILDKIT": "0"}


def ensure() -> None:
    """Have an engine: the one that answers, else Debian's, installed if need be and started from our cache."""
    if running():
        return
    with locked("engine"):
        if running():
            return
        if not (os.geteuid() == 0 and (shutil.which("dockerd") or can_install())):
            raise StageError(
                "no Docker engine answers. Start Docker (and be allowed to use it: `docker version` must succeed), "
                "or run this as root on Debian, where it is installed"
            )
        if not shutil.which("dockerd"):
            install(["docker.io", "containerd", "runc", "iptables"], "installing Docker")
        _start()


def _start() -> None:
    path = os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
    if not _may_raise_limits():
        path = f"{_runc_wrapper()}:{path}"
    command = ["dockerd", "--data-root", str(_data()), "--pidfile", str(_pidfile())]
    log = log_dir() / "dockerd.log"
    with step("starting dockerd"), log.open("wb") as out:
        process = subprocess.Popen(
            command,
            env={**os.environ, "PATH": path},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            cwd="/",
            start_new_session=True,
        )
        end = time.monotonic() + _START_SECONDS
        while not running():
            if process.poll() is not None or time.monotonic() > end:
                process.terminate()
                tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
                raise StageError(f"dockerd doesn't answer:\n{tail}\n(all of it: {log})")
            time.sleep(0.25)


def stop() -> None:
    """Stop the engine if we started it and nothing runs in it."""
    pid = _own_pid()
    if pid is None:
        return
    if containers := output([docker(), "ps", "--format", "{{.Names}}"]).split():
        say(f"dockerd goes on: {', '.join(containers)} still running in it")
        return
    with locked("engine"), step("stopping dockerd"):
        os.kill(pid, signal.SIGTERM)
        end = time.monotonic() + 30
        while _own_pid() is not None:
            if time.monotonic() > end:
                raise StageError(f"dockerd (process {pid}) doesn't end within 30 s; see {log_dir() / 'dockerd.log'}")
            time.sleep(0.2)


def _data() -> Path:
    return cache_dir() / "docker"


def _pidfile() -> Path:
    return cache_dir() / "dockerd.pid"


def _own_pid() -> int | None:
    try:
        pid = int(_pidfile().read_text())
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
    except (OSError, ValueError):
        return None
    return pid if str(_data()) in words else None


def _may_raise_limits() -> bool:
    status = Path("/proc/self/status").read_text()
    bounding = next(line.split()[1] for line in status.splitlines() if line.startswith("CapBnd"))
    return bool(int(bounding, 16) >> _CAP_SYS_RESOURCE & 1)


def _runc_wrapper() -> Path:
    folder = cache_dir() / "engine"
    folder.mkdir(exist_ok=True)
    shutil.copy(NODE / "files/runc", folder / "runc")
    (folder / "runc").chmod(0o755)
    return folder
