"""Where kubectl and helm come from, and where they can't."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from tests.cluster import tools
from tests.cluster.run import StageError


@pytest.fixture(autouse=True)
def _nothing_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TRACETRACK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.mark.parametrize(("system", "machine"), [("Darwin", "x86_64"), ("Darwin", "arm64"), ("Linux", "aarch64")])
def test_what_the_package_has_no_program_for_is_asked_for(
    system: str, machine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "system", lambda: system)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    with pytest.raises(StageError, match=f"helm 3 or 4 is missing and can't be fetched for {system} on {machine}"):
        tools.helm()


def _program(path: Path, says: str) -> None:
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)


def test_programs_on_the_path_are_taken_where_they_fit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    _program(tmp_path / "helm", "v3.18.6")
    _program(tmp_path / "kubectl", "  gitVersion: v1.35.2")
    assert [tools.helm(), tools.kubectl()] == [tmp_path / "helm", tmp_path / "kubectl"]
    _program(tmp_path / "kubectl", "  gitVersion: v1.31.0")
    with pytest.raises(StageError, match=r"kubectl 1\.33 to 1\.35 is missing"):
        tools.kubectl()
