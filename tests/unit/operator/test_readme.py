"""The operator's README says what the code does."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tracetrack_operator.api.conditions import ConditionType

OPERATOR = Path(__file__).parents[3] / "operator"
README = (OPERATOR / "README.md").read_text()


def table(title: str) -> set[str]:
    rows = README.partition(title)[2].partition("\n\n")[0].splitlines()
    return {word for row in rows for word in re.findall(r"`([A-Za-z]+)`", row)}


def test_generated_tables_are_up_to_date() -> None:
    command = [sys.executable, str(OPERATOR / "generate.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_condition_is_told() -> None:
    assert table("| Kind | Conditions |") == {member.value for member in ConditionType}
