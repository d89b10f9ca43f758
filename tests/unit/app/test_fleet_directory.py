"""The fleets' key files as the kubelet mounts and swaps them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.app.test_device_keys import CASES, VECTORS
from tracetrack_app.domain.devicekeys import DeviceKeyError
from tracetrack_app.http.auth.devices import FleetDirectory

KEY = next(case["key"] for case in CASES if case["valid"] and case["fleet"] == "lucknow")


def publish(folder: Path, version: str, fleets: dict[str, Any]) -> None:
    """As a Secret volume does it: a new folder, and one atomic change of the link `..data`."""
    (folder / version).mkdir()
    for name, fleet in fleets.items():
        (folder / version / f"{name}.json").write_text(fleet if isinstance(fleet, str) else json.dumps(fleet))
        link = folder / f"{name}.json"
        if not link.is_symlink():
            link.symlink_to(f"..data/{name}.json")
    (folder / "..next").symlink_to(version)
    (folder / "..next").rename(folder / "..data")


def test_a_swap_of_the_mounted_directory_is_seen(tmp_path: Path) -> None:
    directory = FleetDirectory(tmp_path)
    assert directory.reload() is True
    with pytest.raises(DeviceKeyError, match="unknown fleet"):
        directory.device(KEY)
    publish(tmp_path, "..1", VECTORS["fleets"])
    assert directory.reload() is True
    assert directory.device(KEY).fleet == "lucknow"
    assert directory.reload() is False
    revoked = VECTORS["fleets"]["lucknow"] | {"generations": {"default": 9}, "previousGenerations": {}}
    publish(tmp_path, "..2", {"lucknow": revoked})
    assert directory.reload() is True
    with pytest.raises(DeviceKeyError, match="revoked"):
        directory.device(KEY)


def test_a_broken_file_leaves_the_fleet_as_it_was_and_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    directory = FleetDirectory(tmp_path)
    publish(tmp_path, "..1", VECTORS["fleets"])
    directory.reload()
    publish(tmp_path, "..2", {"lucknow": VECTORS["fleets"]["lucknow"] | {"scanners": {}}})
    directory.reload()
    assert directory.device(KEY).scanner == "lucknow-0001"
    assert "lucknow.json: scanners.prefix is missing" in caplog.text


def test_a_fleet_that_is_removed_is_known_no_more(tmp_path: Path) -> None:
    directory = FleetDirectory(tmp_path)
    publish(tmp_path, "..1", VECTORS["fleets"])
    directory.reload()
    directory.device(KEY)
    (tmp_path / "lucknow.json").unlink()
    directory.reload()
    with pytest.raises(DeviceKeyError, match="unknown fleet"):
        directory.device(KEY)


def test_no_directory_is_no_fleet() -> None:
    directory = FleetDirectory(None)
    directory.reload()
    with pytest.raises(DeviceKeyError):
        directory.device(KEY)
