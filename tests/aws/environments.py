"""The emulators' own virtual environments, made on demand and kept by the hash of what they hold.

moto and ministack pin other versions of botocore than the product uses, so neither may be in the product's environment.
Only the standard library is used here: this runs before anything is installed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


class EmulatorEnvironmentError(RuntimeError):
    """An emulator's environment could not be made; the message holds what pip or uv said."""


def cache_directory() -> Path:
    """TRACETRACK_CACHE, or ~/.cache/tracetrack."""
    return Path(os.environ.get("TRACETRACK_CACHE") or Path.home() / ".cache" / "tracetrack")


def ensure(name: str, requirements: Path | None = None) -> Path:
    """The python of the environment that holds `requirements` (`requirements-<name>.txt`); made when it is absent.

    TRACETRACK_AWS_<NAME>_PYTHON names a ready-made one, as in the container image.
    EmulatorEnvironmentError when pip fails.
    """
    ready = os.environ.get(f"TRACETRACK_AWS_{name.upper()}_PYTHON")
    if ready:
        return Path(ready)
    requirements = requirements or HERE / f"requirements-{name}.txt"
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    digest = hashlib.sha256(requirements.read_bytes() + version.encode()).hexdigest()[:16]
    target = cache_directory() / "environments" / f"{name}-{digest}"
    python = target / "bin" / "python"
    if (target / ".complete").exists():
        return python
    _make(target, python, requirements)
    return python


def _make(target: Path, python: Path, requirements: Path) -> None:
    print(f"making {target} from {requirements.name} (once)", file=sys.stderr, flush=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    lock = target.with_suffix(".lock")
    with lock.open("w") as held:
        import fcntl

        fcntl.flock(held, fcntl.LOCK_EX)
        if (target / ".complete").exists():
            return
        shutil.rmtree(target, ignore_errors=True)
        _run([sys.executable, "-m", "venv", *(["--without-pip"] if shutil.which("uv") else []), str(target)])
        uv = shutil.which("uv")
        if uv:
            _run([uv, "pip", "install", "--quiet", "--python", str(python), "-r", str(requirements)])
        else:
            _run([str(python), "-m", "pip", "install", "--quiet", "-r", str(requirements)])
        (target / ".complete").touch()


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise EmulatorEnvironmentError(
            f"{' '.join(command[:4])} ... failed ({done.returncode}):\n{done.stderr or done.stdout}"
        )
