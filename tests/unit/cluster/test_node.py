"""What is made for a node: the scripts in it."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.cluster.paths import NODE

CGROUPS = NODE / "files" / "kubelet-cgroups"


def test_kubelet_gets_every_controller_of_cgroup_v2(tmp_path: Path) -> None:
    groups = [tmp_path, tmp_path / "kubelet", tmp_path / "kubelet.slice"]
    for group in groups:
        group.mkdir(exist_ok=True)
        (group / "cgroup.controllers").write_text("cpuset cpu io memory hugetlb pids\n")
    subprocess.run([CGROUPS, tmp_path], check=True)
    for group in groups:
        assert (group / "cgroup.subtree_control").read_text() == "+cpuset +cpu +io +memory +hugetlb +pids\n"


def test_cgroup_v1_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "memory").mkdir()
    subprocess.run([CGROUPS, tmp_path], check=True)
    assert [path.name for path in tmp_path.rglob("*")] == ["memory"]
