"""Settings of the stage, and what it refuses."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cluster import golang, kindcluster, node_image, packages, rootfs
from tests.cluster.commands import main
from tests.cluster.kindcluster import KindCluster
from tests.cluster.paths import HERE, ROOT
from tests.cluster.run import StageError, quiet


def test_cluster_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("CLUSTER_NAME", "CLUSTER_STATE_DIR", "KUBECONFIG_OUT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    assert KindCluster.from_environment() == KindCluster(
        "tracetrack", tmp_path / ".demo/kubeconfig", tmp_path / ".demo"
    )
    monkeypatch.setenv("CLUSTER_NAME", "other")
    monkeypatch.setenv("CLUSTER_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("KUBECONFIG_OUT", str(tmp_path / "config"))
    assert KindCluster.from_environment() == KindCluster("other", tmp_path / "config", tmp_path / "state")


def test_the_settings_of_a_cluster_lead_back_to_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    there = KindCluster("third", tmp_path / "config", tmp_path / "state")
    for name, value in there.environment.items():
        monkeypatch.setenv(name, value)
    assert KindCluster.from_environment() == there


def test_each_published_port_has_its_address(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ports = {"APP_HOST_PORT": 18080, "AWS_HOST_PORT": 14566, "SPARE_HOST_PORT": 19999}
    monkeypatch.setattr(KindCluster, "ports", lambda _: ports)
    there = KindCluster("third", tmp_path / "config", tmp_path)
    assert [there.app_url, there.aws_url, there.spare_url] == [f"http://127.0.0.1:{port}" for port in ports.values()]


@pytest.mark.parametrize("name", ["Upper", "-x", "a b", "x" * 42])
def test_bad_cluster_name_is_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("CLUSTER_NAME", name)
    with pytest.raises(StageError, match=r"CLUSTER_NAME is .* lower-case"):
        KindCluster.from_environment()


def test_ports_given_are_taken_and_others_are_free_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APP_HOST_PORT", "18080")
    monkeypatch.delenv("AWS_HOST_PORT", raising=False)
    monkeypatch.delenv("SPARE_HOST_PORT", raising=False)
    config = kindcluster._config("public/node:v1")
    mappings = config["nodes"][0]["extraPortMappings"]
    assert {mapping["listenAddress"] for mapping in mappings} == {"127.0.0.1"}
    assert [mapping["containerPort"] for mapping in mappings] == [30080, 30566, 30999]
    ports = [mapping["hostPort"] for mapping in mappings]
    assert ports[0] == 18080
    assert len(set(ports)) == 3
    monkeypatch.setenv("APP_HOST_PORT", "http")
    with pytest.raises(StageError, match="APP_HOST_PORT is 'http': make it a port number"):
        kindcluster._config("public/node:v1")


def test_only_a_node_made_here_brings_its_own_network() -> None:
    assert "networking" not in kindcluster._config(node_image.PUBLIC_IMAGE)
    assert kindcluster._config(f"{node_image.LOCAL_NAME}:x")["networking"] == {"disableDefaultCNI": True}


def test_wrong_image_mode_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLUSTER_IMAGES", "both")
    with pytest.raises(StageError, match="CLUSTER_IMAGES is 'both'"):
        node_image.ensure()


def test_public_node_is_of_the_release_that_is_compiled() -> None:
    compiled = golang.KUBERNETES_VERSION.rpartition(".")[0]
    name, _, digest = node_image.PUBLIC_IMAGE.partition("@")
    assert name.rpartition(":")[2].rpartition(".")[0] == compiled
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", digest)


def test_root_file_system_is_remade_when_its_definition_changes() -> None:
    changed = rootfs.RootFs(rootfs.NODE.name, rootfs.NODE.variant, (*rootfs.NODE.packages, "jq"))
    assert changed.path != rootfs.NODE.path


def test_packages_are_listed_with_a_test_that_is_a_command() -> None:
    listed = packages.required()
    assert {"postgresql", "redis-server", "chromium", "python3-venv"} <= set(listed)
    for test in listed.values():
        subprocess.run(["sh", "-n", "-c", test], check=True)


def test_what_cannot_be_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "missing", lambda: ["postgresql"])
    monkeypatch.setattr(packages, "can_install", lambda: False)
    with pytest.raises(StageError, match=r"postgresql.* Install them, or run this as root on Debian"):
        packages.ensure()


def test_failed_step_shows_the_end_of_its_output() -> None:
    with pytest.raises(StageError, match="exit status 3:\nlast words"):
        quiet(["sh", "-c", "echo last words; exit 3"], "unit-test")


def test_commands_run_without_the_virtual_environment() -> None:
    isolated = "import sys; sys.path[:0] = [sys.argv[1]]; import tests.cluster.commands, tests.cluster.kindcluster"
    more = ", tests.cluster.images, tests.cluster.tools, tests.cluster.node_image"
    subprocess.run([sys.executable, "-S", "-c", isolated + more, ROOT], check=True)


@pytest.mark.parametrize("name", ["up", "down", "build-image", "tools", "packages", "binaries"])
def test_each_script_explains_itself_from_any_folder(name: str, tmp_path: Path) -> None:
    done = subprocess.run([HERE / name, "--help"], check=True, capture_output=True, text=True, cwd=tmp_path)
    assert done.stdout.startswith(f"usage: {name}")


def test_unknown_command_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sideways"]) == 2
    assert "build-image" in capsys.readouterr().err
