"""The commit hooks keep to what `make lint` runs."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]


def test_the_hooks_run_what_make_lint_runs() -> None:
    recipe = re.search(r"^lint:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert recipe is not None
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    # Hooks are given the changed files, and may mend them.
    entries = [hook["entry"].replace("ruff check --fix", "ruff check .").replace("'", "") for hook in hooks]
    for line in recipe[1].splitlines():
        command = line.strip().removesuffix(" --check .").removeprefix("$(BIN)/")
        wanted = "lint --strict charts/tracetrack-operator" if "helm" in command else f".venv/bin/{command}"
        assert [entry for entry in entries if entry.endswith(wanted)], f"no hook runs {wanted}"
