"""The pinned requirements are those of pyproject.toml, and say nothing of where they were fetched from."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
EXTRAS = {
    "operator/requirements.txt": ("operator",),
    "app/requirements.txt": ("app",),
    "tests/requirements.txt": ("operator", "app", "dev"),
    "tests/bench/requirements.txt": ("bench",),
}
DECLARED = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]


def pinned(path: Path) -> dict[str, str]:
    lines = [line for line in path.read_text().splitlines() if line and not line.lstrip().startswith("#")]
    found = {line: re.fullmatch(r"([a-z0-9.-]+)(?:\[[a-z,]+\])?==([^ ;]+)(?: ; .*)?", line) for line in lines}
    others = [line for line, match in found.items() if match is None]
    assert not others, f"{path} has more than pins: {others}"
    return {match[1]: match[2] for match in found.values() if match}


@pytest.mark.parametrize("path", EXTRAS)
def test_pins_are_what_the_project_declares(path: str) -> None:
    pins = pinned(ROOT / path)
    for extra in EXTRAS[path]:
        for text in DECLARED[extra]:
            requirement = Requirement(text)
            version = pins.get(requirement.name.lower().replace("_", "-"))
            assert version is not None, f"{path} lacks {requirement.name}: run make requirements"
            assert requirement.specifier.contains(version), (
                f"{path} pins {requirement.name} {version}: run make requirements"
            )


def test_all_parts_run_with_the_same_versions() -> None:
    tested = pinned(ROOT / "tests/requirements.txt")
    for path in ("operator/requirements.txt", "app/requirements.txt"):
        parts = pinned(ROOT / path)
        differing = {
            name: (version, tested.get(name)) for name, version in parts.items() if tested.get(name) != version
        }
        assert not differing, f"{path} and tests/requirements.txt differ: {differing}: run make requirements"
