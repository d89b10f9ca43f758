"""The project's virtual environment, from the pinned requirements."""

from __future__ import annotations

import sys
import venv
from pathlib import Path

from tests.cluster.packages import can_install, install
from tests.cluster.paths import ROOT
from tests.cluster.run import StageError, quiet, step, succeeds

_OLDEST = (3, 11)


def make(folder: Path) -> None:
    """Have `folder` hold what `tests/requirements.txt` pins, and the project itself, editable."""
    if sys.version_info < _OLDEST:
        raise StageError(f"Python {'.'.join(map(str, _OLDEST))} or newer is needed, {sys.version.split()[0]} runs")
    if not succeeds([sys.executable, "-c", "import ensurepip"]):
        if not can_install():
            raise StageError("this Python has no ensurepip: install its venv package (python3-venv on Debian)")
        install(["python3-venv"], "installing python3-venv")
    python = folder / "bin" / "python"
    with step(f"Python packages into {folder.name}", fetches=True):
        if not python.exists():
            venv.EnvBuilder(with_pip=True, symlinks=True).create(folder)
        requirements = ROOT / "tests" / "requirements.txt"
        pinned = next(line for line in requirements.read_text().splitlines() if line.startswith("uv=="))
        quiet([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", pinned], "venv-uv")
        uv: list[str | Path] = [python, "-m", "uv", "pip", "install", "--quiet", "--python", python]
        quiet([*uv, "-r", requirements], "venv")
        quiet([*uv, "--no-deps", "--editable", ROOT], "venv-project")
