"""The Go programs of the stage, compiled from published modules into the cache."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.cluster.paths import NODE, bin_dir, cache_dir, locked
from tests.cluster.run import StageError, output, quiet, step

KUBERNETES_VERSION = re.findall(
    r"^\s*k8s\.io/kubernetes (v[\d.]+)$", (NODE / "kubernetes/go.mod").read_text(), re.MULTILINE
)[0]
COMPONENTS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy", "kubeadm", "kubectl")
KIND_VERSION = "v0.30.0"
_OLDEST_GO = (1, 21)
ADDONS = {
    "coredns": "./coredns",
    "metrics-server": "./metrics-server",
    "local-path-provisioner": "github.com/rancher/local-path-provisioner",
    "pause": "./pause",
}
_MODULE = NODE / "kubernetes"


def go() -> Path:
    """The Go command; installs Debian's where there is none and this may be done.

    From 1.21 on, Go fetches by itself the newer toolchain that a module asks for.
    """
    for candidate in (shutil.which("go"), "/usr/local/go/bin/go", "/usr/lib/go/bin/go"):
        if candidate and Path(candidate).exists():
            return _checked(Path(candidate))
    from tests.cluster.packages import can_install, install

    if not can_install():
        raise StageError(
            "Go is missing: install version 1.21 or newer (Debian: apt-get install golang-go), then try again"
        )
    install(["golang-go"], "installing Go")
    return _checked(Path("/usr/bin/go"))


def _checked(path: Path) -> Path:
    found = re.search(r"go(\d+)\.(\d+)", output([path, "version"]))
    if not found or (int(found[1]), int(found[2])) < _OLDEST_GO:
        raise StageError(f"{path} is older than Go 1.21: install a newer one, or take it out of PATH")
    return path


def _environment(**more: str) -> dict[str, str]:
    home = os.environ.get("HOME") or str(cache_dir())
    return {"CGO_ENABLED": "0", "GOFLAGS": "", "GOTOOLCHAIN": "auto", "HOME": home, **more}


def _stamp(programs: Mapping[str, str], options: Sequence[str]) -> str:
    digest = hashlib.sha256(repr((programs, options)).encode())
    sources = [file for package in programs.values() for file in sorted((_MODULE / package).glob("*.go"))]
    for file in [*sorted(_MODULE.glob("go.*")), *sources]:
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def _compile(programs: Mapping[str, str], ldflags: str, note: str) -> list[Path]:
    """Programs by name, each from its package of the one module, whose libraries are compiled once for all of them."""
    targets = [bin_dir() / name for name in programs]
    options = ["-trimpath", "-gcflags", "all=-dwarf=false", "-ldflags", ldflags]
    stamp, want = cache_dir() / "stamp" / "-".join(programs), _stamp(programs, options)
    with locked(targets[0].name):
        if all(target.exists() for target in targets) and stamp.exists() and stamp.read_text() == want:
            return targets
        with step(f"compiling {note}", fetches=True), tempfile.TemporaryDirectory(dir=bin_dir()) as made:
            command: list[str | Path] = [go(), "build", *options, "-o", f"{made}/", *programs.values()]
            quiet(command, f"go-{targets[0].name}", cwd=_MODULE, env=_environment())
            for target in targets:
                (Path(made) / target.name).replace(target)
            stamp.parent.mkdir(exist_ok=True)
            stamp.write_text(want)
    return targets


def kubernetes() -> Path:
    """The one binary with every Kubernetes component, which it is by the name it is called by: links lie beside it."""
    major, minor, _ = KUBERNETES_VERSION.removeprefix("v").split(".")
    variable = "-X k8s.io/component-base/version."
    ldflags = (
        f"-s -w {variable}gitVersion={KUBERNETES_VERSION} {variable}gitMajor={major} {variable}gitMinor={minor}"
        f" {variable}gitTreeState=clean"
    )
    note = f"Kubernetes {KUBERNETES_VERSION} (once, about 7 minutes on 2 cores)"
    [binary] = _compile({"kubernetes": "."}, ldflags, note)
    for name in COMPONENTS:
        link = bin_dir() / name
        if not link.is_symlink():
            link.symlink_to(binary.name)
    return binary


def addons() -> list[Path]:
    """What else a node runs: CoreDNS, metrics-server, local-path-provisioner and the pods' first process."""
    return _compile(ADDONS, "-s -w", f"{', '.join(ADDONS)} (once)")


def kind() -> Path:
    """kind: the one on PATH if it is of our release, else compiled."""
    on_path = shutil.which("kind")
    if on_path and _release(Path(on_path)) == _release_of(KIND_VERSION):
        return Path(on_path)
    target = bin_dir() / "kind"
    with locked("kind"):
        if not (target.exists() and _release(target) == _release_of(KIND_VERSION)):
            with step(f"compiling kind {KIND_VERSION} (once)", fetches=True):
                module = f"sigs.k8s.io/kind@{KIND_VERSION}"
                command: list[str | Path] = [go(), "install", "-trimpath", "-ldflags", "-s -w", module]
                quiet(command, "go-kind", env=_environment(GOBIN=str(bin_dir())))
    return target


def _release(path: Path) -> str:
    return _release_of(output([path, "version", "-q"]))


def _release_of(version: str) -> str:
    return ".".join(version.strip().removeprefix("v").split(".")[:2])
