from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from tracetrack_operator.settings import Settings


def test_nothing_set_gives_the_defaults() -> None:
    assert Settings.from_environ({}) == Settings()


def test_every_field_has_its_variable() -> None:
    samples = {"str": "text", "int": "7", "float": "2.5", "tuple": "a, b,"}
    expected = {"str": "text", "int": 7, "float": 2.5, "tuple": ("a", "b")}
    types = {field.name: type(field.default).__name__ for field in fields(Settings)}
    read = Settings.from_environ({f"TRACETRACK_{name.upper()}": samples[type_] for name, type_ in types.items()})
    assert {name: getattr(read, name) for name in types} == {name: expected[type_] for name, type_ in types.items()}


def test_blank_is_unset() -> None:
    assert Settings.from_environ({"TRACETRACK_WORKERS": " ", "TRACETRACK_NAMESPACES": ""}) == Settings()


@pytest.mark.parametrize("text", ["many", "1.5", "8 workers"])
def test_a_bad_value_is_refused_with_its_name_and_the_remedy(text: str) -> None:
    with pytest.raises(ValueError, match=r"TRACETRACK_WORKERS must be of type int, not .*correct or unset"):
        Settings.from_environ({"TRACETRACK_WORKERS": text})


@pytest.mark.parametrize(
    ("environ", "told"),
    [
        ({"TRACETRACK_WORKERS": "many"}, "TRACETRACK_WORKERS must be of type int"),
        ({"TRACETRACK_LOG_LEVEL": "loud"}, "Unknown level: 'LOUD'"),
        ({"KUBECONFIG": "{folder}/none"}, "set KUBECONFIG"),
    ],
)
def test_an_operator_that_cannot_start_says_why_in_one_line(environ: dict[str, str], told: str, tmp_path: Path) -> None:
    given = {name: value.format(folder=tmp_path) for name, value in environ.items()}
    base = {name: value for name, value in os.environ.items() if not name.startswith(("KUBE", "TRACETRACK_"))}
    command = [sys.executable, "-m", "tracetrack_operator"]
    done = subprocess.run(
        command, env={**base, "HOME": str(tmp_path), **given}, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("tracetrack-operator: ")
    assert told in done.stderr
