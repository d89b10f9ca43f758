"""README.md keeps its word: every command in it is run, in order, in one shell, on the demo's cluster."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.cluster.paths import ROOT
from tests.demo.stage import Stage

README = ROOT / "README.md"
CI = ROOT / ".ci" / "run"
# The suite runs inside the first of these, and the second would take its cluster away.
ELSEWHERE = {"make test": "what .ci/run calls", "make demo-down": "make e2e-down, at the end of the suite"}


def _commands() -> list[str]:
    """The lines that begin with `$ ` in the console blocks, with their continuation lines."""
    commands: list[str] = []
    for block in re.findall(r"^```console\n(.*?)^```", README.read_text(), re.MULTILINE | re.DOTALL):
        for line in block.splitlines():
            if line.startswith("$ "):
                commands.append(line[2:])
            elif line.startswith("> "):
                commands[-1] += "\n" + line[2:]
    return commands


def test_the_two_commands_are_there_and_ci_runs_the_second() -> None:
    assert {"make demo", "make test"} <= set(_commands())
    assert re.search(r"^exec make test$", CI.read_text(), re.MULTILINE)


@pytest.mark.timeout(600)
def test_every_command_works(tracetrack: Stage, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    commands = [command for command in _commands() if command not in ELSEWHERE]
    assert len(commands) >= 8, commands
    state = os.path.relpath(tracetrack.state, ROOT)
    script = "set -eu\n" + "\n".join(f"echo '$ '{_quoted(c)}\n{c}" for c in commands).replace(".demo", state)
    environment = {
        **{key: value for key, value in os.environ.items() if key != "KUBECONFIG"},
        **tracetrack.environment,
    }
    log = tmp_path / "tour.log"
    with log.open("w") as out:
        code = subprocess.run(
            ["bash", "-c", script],
            check=False,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
        ).returncode
    text = log.read_text()
    assert code == 0, text[-3000:]
    again = re.search(r"^TraceTrack runs \(.*\)\.$", text, re.MULTILINE)
    assert again is not None
    # Nothing depends on how busy this machine is, but whoever looks shall see that a second run is soon over.
    with capsys.disabled():
        print(f"\nmake demo, when all is there: {again[0]}")
    tracetrack.wait_condition("ttd", "demo", "default", 120)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
