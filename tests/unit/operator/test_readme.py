"""The operator's README says what the code does."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tracetrack_operator.api.conditions import ConditionType, Reason

OPERATOR = Path(__file__).parents[3] / "operator"
README = (OPERATOR / "README.md").read_text()
GIVES_A_REASON = re.compile(r"Error|Verdict|Problem|CheckResult|Aws\w+|not_ready|ready|true|false|unknown|cls|__init__")
A_REASON = re.compile(r"(?:[A-Z][a-z0-9]+)+")
# Arguments of such calls that are something else.
OTHERWISE = {"True", "False", "Unknown", "ParamValidation"}


def reasons() -> Iterator[str]:
    """The constants that are given as reasons: of errors, verdicts, problems and conditions."""
    for path in (OPERATOR / "tracetrack_operator").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if not (GIVES_A_REASON.fullmatch(called) or called.endswith("Error")):
                continue
            for argument in (*node.args[:2], *(word.value for word in node.keywords if word.arg == "reason")):
                if isinstance(argument, ast.Constant) and A_REASON.fullmatch(str(argument.value)):
                    yield str(argument.value)
                if isinstance(argument, ast.Attribute) and getattr(argument.value, "id", "") == "Reason":
                    yield Reason[argument.attr].value


def table(title: str) -> set[str]:
    rows = README.partition(title)[2].partition("\n\n")[0].splitlines()
    return {word for row in rows for word in re.findall(r"`([A-Za-z]+)`", row)}


def test_generated_tables_are_up_to_date() -> None:
    command = [sys.executable, str(OPERATOR / "generate.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_reason_is_explained_and_none_that_does_not_exist() -> None:
    given = set(reasons()) - OTHERWISE - {member.value for member in ConditionType} | {"Ready"}
    assert {"OwnershipConflict", "SecretNotFound", "AwsThrottled", "CrashLooping", "AuthenticationFailed"} <= given
    assert table("| Reason | What it means |") == given


def test_every_condition_is_told() -> None:
    assert table("| Kind | Conditions |") == {member.value for member in ConditionType}
