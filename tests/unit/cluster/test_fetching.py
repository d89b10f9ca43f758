"""What a node is made of is fetched beside the compiling of Kubernetes, which may be done already."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from tests.cluster import golang, node_image, rootfs
from tests.cluster.run import StageError


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What has been made, one after another and each in a moment, as with one core."""
    names: list[str] = []

    def make(system: rootfs.RootFs) -> Path:
        time.sleep(0.02)
        names.append(system.name)
        return Path(system.name)

    monkeypatch.setattr(rootfs, "make", make)
    monkeypatch.setattr(node_image, "ThreadPoolExecutor", partial(ThreadPoolExecutor, max_workers=1))
    monkeypatch.setattr(node_image, "_make_python_image", lambda: names.append("python"))
    monkeypatch.setattr(golang, "kubernetes", lambda: Path("kubernetes"))
    monkeypatch.setattr(golang, "addons", lambda: None)
    return names


def test_all_is_fetched_though_kubernetes_is_compiled_already(made: list[str]) -> None:
    node_image._fetch()
    assert made == [rootfs.COMPONENTS.name, rootfs.NODE.name, "python"]


def test_nothing_more_is_fetched_when_kubernetes_does_not_compile(
    made: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise StageError("kubernetes does not compile")

    monkeypatch.setattr(golang, "addons", refuse)
    with pytest.raises(StageError, match="does not compile"):
        node_image._fetch()
    assert "python" not in made
