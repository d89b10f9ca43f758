"""Where a registry answers: the public node image, and metrics-server's from beside kubeadm's own.

The engine is a program called docker that keeps its images in a file and writes down what it was asked.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.cluster import node_image
from tests.cluster.kindcluster import KindCluster
from tests.cluster.node_image import PUBLIC_IMAGE, PYTHON_IMAGE
from tests.cluster.run import StageError

_DOCKER = """#!/bin/sh
echo "$*" >>"$0.calls"
case "$1 $2" in
  "image inspect") grep -qxF "$3" "$0.images" ;;
  "pull -q") [ -e "$0.registry" ] && echo "$3" >>"$0.images" ;;
  "exec far-control-plane") printf '%s\\n' mirror.example/k8s/etcd:3.6 mirror.example/k8s/kube-apiserver:v1.34.0 ;;
  *) exit 1 ;;
esac
"""


class Engine:
    """The fake engine: `has` images from the start, `registry` is whether pulls succeed."""

    def __init__(self, folder: Path) -> None:
        self._program = folder / "docker"
        self._program.write_text(_DOCKER)
        self._program.chmod(0o755)
        self.has()

    def has(self, *images: str, registry: bool = False) -> None:
        Path(f"{self._program}.images").write_text("".join(f"{image}\n" for image in images))
        if registry:
            Path(f"{self._program}.registry").touch()

    def pulls(self) -> list[str]:
        calls = Path(f"{self._program}.calls").read_text().splitlines()
        return [call.removeprefix("pull -q ") for call in calls if call.startswith("pull ")]


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Engine:
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("TRACETRACK_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("CLUSTER_IMAGES", raising=False)
    node_image._pull.cache_clear()
    return Engine(tmp_path)


@pytest.mark.parametrize("mode", ["", "public"])
def test_the_public_image_is_pulled_once(mode: str, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLUSTER_IMAGES", mode)
    engine.has(registry=True)
    assert [node_image.ensure(), node_image.ensure()] == [PUBLIC_IMAGE, PUBLIC_IMAGE]
    assert engine.pulls() == [PUBLIC_IMAGE]


def test_what_was_made_here_goes_on_being_used(engine: Engine) -> None:
    engine.has(node_image._local(), PYTHON_IMAGE, registry=True)
    assert node_image.ensure() == node_image._local()
    assert engine.pulls() == []


def test_public_passes_over_what_was_made_here(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLUSTER_IMAGES", "public")
    engine.has(node_image._local(), PYTHON_IMAGE, registry=True)
    assert node_image.ensure() == PUBLIC_IMAGE


def test_build_uses_no_public_image(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLUSTER_IMAGES", "build")
    engine.has(node_image._local(), PYTHON_IMAGE, PUBLIC_IMAGE, registry=True)
    assert node_image.ensure() == node_image._local()


def test_public_without_a_registry_is_refused(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLUSTER_IMAGES", "public")
    with pytest.raises(StageError, match=f"{re.escape(PUBLIC_IMAGE)} can't be pulled: connect this machine"):
        node_image.ensure()


def test_otherwise_a_missing_registry_is_told(engine: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    assert node_image._pull(PUBLIC_IMAGE, required=False) is False
    assert engine.pulls() == [PUBLIC_IMAGE]
    assert "no container registry answers: making the node image here" in capsys.readouterr().err


def test_metrics_server_comes_from_the_registry_of_kubeadms_images(engine: Engine, tmp_path: Path) -> None:
    image = KindCluster("far", tmp_path / "kubeconfig", tmp_path)._public_metrics_server()
    assert re.fullmatch(r"mirror\.example/k8s/metrics-server/metrics-server:v0\.\d+\.\d+", image)
