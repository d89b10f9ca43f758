"""Debian packages, installed only where they are missing and this machine allows it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.cluster.paths import HERE, locked
from tests.cluster.run import StageError, quiet, step, succeeds

LIST = HERE / "packages.txt"
_POLICY = Path("/usr/sbin/policy-rc.d")


def can_install() -> bool:
    """Whether this is Debian and we are root."""
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def required() -> dict[str, str]:
    """Package → shell test of being there, from `packages.txt`."""
    lines = (line.split(None, 1) for line in LIST.read_text().splitlines() if line.strip() and line[0] != "#")
    return {package: test.strip() for package, test in lines}


def missing() -> list[str]:
    """The packages of `packages.txt` whose test fails."""
    return [package for package, test in required().items() if not succeeds(["sh", "-c", test])]


def ensure() -> None:
    """Install what is missing; raises `StageError` with the list where that can't be done."""
    absent = missing()
    if not absent:
        return
    if not can_install():
        raise StageError(
            f"missing (by Debian's names): {', '.join(absent)}. Install them, or run this as root on Debian"
        )
    install(absent, f"installing {', '.join(absent)}")
    still = missing()
    if still:
        raise StageError(f"installed, but their test in {LIST.name} still fails: {', '.join(still)}")


def install(packages: Sequence[str], what: str) -> None:
    """apt-get install without recommended packages, and without starting the services they bring."""
    options = ["-y", "-q", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=300"]
    environment = {"DEBIAN_FRONTEND": "noninteractive"}
    with locked("apt"), step(what, fetches=True), _no_services():
        command: list[str | Path] = ["apt-get", "install", *options, *packages]
        try:
            quiet(command, "apt-install", env=environment)
        except StageError:
            quiet(["apt-get", "update", "-q", "-o", "DPkg::Lock::Timeout=300"], "apt-update", env=environment)
            quiet(command, "apt-install", env=environment)


@contextmanager
def _no_services() -> Iterator[None]:
    if _POLICY.exists():
        yield
        return
    _POLICY.write_text("#!/bin/sh\nexit 101\n")
    _POLICY.chmod(0o755)
    try:
        yield
    finally:
        _POLICY.unlink(missing_ok=True)
