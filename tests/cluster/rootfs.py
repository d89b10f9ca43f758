"""Debian root file systems as tar files in the cache."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.packages import can_install, install
from tests.cluster.paths import cache_dir, locked
from tests.cluster.run import StageError, output, quiet, step

SUITE = "trixie"
_LEFT_OUT = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*")


@dataclass(frozen=True)
class RootFs:
    """A Debian system of these packages, made by mmdebstrap's `variant`."""

    name: str
    variant: str
    packages: tuple[str, ...]
    options: tuple[str, ...] = ()

    @property
    def path(self) -> Path:
        """Where it lies, or will; the name changes with the definition."""
        return cache_dir() / "rootfs" / f"{self.name}-{hashlib.sha256(repr(self).encode()).hexdigest()[:12]}.tar"


COMPONENTS = RootFs(
    "components",
    "extract",
    ("base-files", "dash", "coreutils", "iptables", "nftables", "conntrack", "kmod", "ca-certificates"),
)
PYTHON = RootFs(
    "python",
    "minbase",
    ("python3", "python3-venv", "python-is-python3", "ca-certificates"),
    ("--customize-hook=copy-in /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs",),
)
NODE = RootFs(
    "node",
    "minbase",
    (
        *("systemd", "systemd-sysv", "dbus", "conntrack", "iptables", "nftables", "iproute2", "ethtool", "mount"),
        *("kmod", "procps", "containerd", "runc", "containernetworking-plugins", "ca-certificates", "socat", "curl"),
    ),
)


def make(system: RootFs) -> Path:
    """The tar file of `system`, made from this machine's Debian mirror if it isn't in the cache."""
    if system.path.exists():
        return system.path
    with locked(f"rootfs-{system.name}"):
        if not system.path.exists():
            with step(f"fetching Debian {SUITE} for '{system.name}' (once)", fetches=True):
                _make(system)
    return system.path


def _make(system: RootFs) -> None:
    if not shutil.which("mmdebstrap"):
        if not can_install():
            raise StageError("mmdebstrap is missing: install it, or run this as root on Debian")
        install(["mmdebstrap"], "installing mmdebstrap")
    part = system.path.with_suffix(".part")
    part.parent.mkdir(exist_ok=True)
    leave_out = [f"--dpkgopt=path-exclude={pattern}" for pattern in _LEFT_OUT]
    options = ["--quiet", "--format=tar", f"--variant={system.variant}", f"--include={','.join(system.packages)}"]
    command: list[str | Path] = ["mmdebstrap", *options, *leave_out, *system.options, SUITE, part, _mirror()]
    quiet(command, f"rootfs-{system.name}")
    part.replace(system.path)


def _mirror() -> str:
    lines = output(["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"]).splitlines()
    for line in lines:
        if line.rstrip("/").endswith("/debian"):
            return line
    raise StageError("apt has no Debian mirror: put one into /etc/apt/sources.list.d and run apt-get update")
