"""`make demo` as a command: one at a time, and how it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cluster.paths import ROOT, locked
from tests.demo.__main__ import _write_env, main


def test_unknown_command_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sideways"]) == 2
    assert capsys.readouterr().err == "usage: python -m tests.demo {up,down}\n"


def test_one_waits_for_another_of_the_same_cluster_and_an_interrupt_ends_it_in_a_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TRACETRACK_CACHE", str(tmp_path / "cache"))
    environment = {**os.environ, "CLUSTER_NAME": "nowhere", "CLUSTER_STATE_DIR": str(tmp_path)}
    command = [sys.executable, "-m", "tests.demo", "up"]
    # Who runs in the background of a script ignores interrupts, and so would what it starts.
    outside = signal.signal(signal.SIGINT, signal.default_int_handler)
    with locked("demo-nowhere"):
        second = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)
        signal.signal(signal.SIGINT, outside)
        assert second.stderr is not None
        assert second.stderr.readline() == "  waiting for another command that works on cluster nowhere\n"
        second.send_signal(signal.SIGINT)
        assert second.stderr.read() == "\nup: interrupted; run it again to go on\n"
        assert second.wait(10) == 130
        second.stderr.close()


def test_a_shell_reads_each_value_back_and_nobody_else_may(tmp_path: Path) -> None:
    value = """it's "$HOME" `id`; \\ #"""
    _write_env(tmp_path / "env", {"ADMIN_PASSWORD": value, "APP_URL": "http://127.0.0.1:1"})
    script = 'set -a; . "$0"; printf "%s %s" "$APP_URL" "$ADMIN_PASSWORD"'
    told = subprocess.run(["sh", "-euc", script, tmp_path / "env"], check=True, capture_output=True, text=True).stdout
    assert told == f"http://127.0.0.1:1 {value}"
    assert (tmp_path / "env").stat().st_mode & 0o777 == 0o600
