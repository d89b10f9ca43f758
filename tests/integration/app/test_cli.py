"""The `tracetrack` command, as a process."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests import forks
from tests.backing import PostgresServer, RedisServer
from tests.integration.app.process import PASSWORD, AppProcess
from tracetrack_app.store.migrate import migrations

_ROOT = Path(__file__).parents[3]
SECRET = "session-secret-for-tests-0123456789"


def command(environment: dict[str, str], *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    base = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return forks.run("tracetrack_app.cli", words, {**base, **environment}, stdin=stdin, timeout=60)


@pytest.fixture
def env(database: str) -> dict[str, str]:
    return {"DATABASE_URL": database, "SESSION_SECRET": SECRET}


async def execute(dsn: str, sql: str) -> Any:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.execute(sql)
    finally:
        await connection.close()


def test_the_command_is_installed_here_and_in_the_image() -> None:
    scripts = tomllib.loads((_ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert scripts["tracetrack"] == "tracetrack_app.cli:main"
    dockerfile = (_ROOT / "app" / "Dockerfile").read_text()
    assert '-m tracetrack_app.cli "$@"' in dockerfile
    assert "/opt/tracetrack/bin/tracetrack\n" in dockerfile.replace(" \\\n", "\n")


def test_help_names_every_command_and_imports_none() -> None:
    done = command({}, "--help")
    assert done.returncode == 0
    for name in ("migrate", "create-admin", "check", "settings", "audit"):
        assert f"\n    {name}" in done.stdout
    code = "import sys, tracetrack_app.cli; sys.exit('asyncpg' in sys.modules or 'fastapi' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=_ROOT / "app", check=False).returncode == 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "COMMAND"),
        (("chekc",), "invalid choice: 'chekc'"),
        (("check", "--fix"), "--fix"),
        (("check", "--rule", "nonsense"), "there is no such rule; there are codes"),
        (("audit", "verify", "--witness", "12"), "64 hex digits"),
        (("create-admin", "x" * 65), "user name has 2 to 64"),
    ],
)
def test_wrong_usage_is_status_2_and_said(env: dict[str, str], words: tuple[str, ...], says: str) -> None:
    done = command(env, *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_no_connection_is_status_2_with_the_remedy_and_without_the_password() -> None:
    assert "set DATABASE_URL" in (nowhere := command({}, "check")).stderr
    assert nowhere.returncode == 2
    away = command({"DATABASE_URL": "postgresql://u:the-password@127.0.0.1:1/x"}, "check")
    assert away.returncode == 2
    assert "127.0.0.1:1/x cannot be reached" in away.stderr
    assert "the-password" not in away.stderr


async def test_check_says_what_is_wrong_and_ends_with_1(env: dict[str, str], postgres: PostgresServer) -> None:
    fine = command(env, "check")
    assert fine.returncode == 0, fine.stderr
    assert "ok     child_count" in fine.stdout
    assert fine.stdout.endswith(" s\n")
    await execute(
        postgres.dsn_for(env["DATABASE_URL"].rsplit("/", 1)[1]),
        "SET session_replication_role = replica;"
        " INSERT INTO bags (code, kind) SELECT 'NEW' || n, 'child' FROM generate_series(100, 111) n",
    )
    wrong = command(env, "check")
    assert wrong.returncode == 1
    assert "FAULT  bag_made_once  a living bag" in wrong.stdout
    assert "         NEW100: made 0 times, deleted 0 times" in wrong.stdout
    assert "… and 2 more" in wrong.stdout
    assert "12 faults in 1 rules" in wrong.stdout
    machine = command(env, "check", "-o", "json", "--rule", "bag_made_once", "--rule", "areas")
    assert machine.returncode == 1
    document = json.loads(machine.stdout)
    assert [(rule["rule"], rule["faults"], len(rule["examples"])) for rule in document["rules"]] == [
        ("bag_made_once", 12, 10), ("areas", 0, 0),
    ]  # fmt: skip
    assert document["rules"][0]["remedy"]
    assert document["rows"]["bags"] == 12


def test_migrate_shows_what_it_would_run_then_runs_it_once(empty_database: str) -> None:
    env = {"DATABASE_URL": empty_database}
    refused = command(env, "check")
    assert (refused.returncode, "run `tracetrack migrate` first" in refused.stderr) == (2, True)
    titles = [migration.title for migration in migrations()]
    plan = command(env, "migrate", "--plan")
    assert plan.returncode == 0, plan.stderr
    assert [line.split()[3] for line in plan.stdout.splitlines()] == titles
    assert [
        each["migration"] for each in json.loads(command(env, "migrate", "--plan", "-o", "json").stdout)["pending"]
    ] == titles
    assert json.loads(command(env, "migrate", "-o", "json").stdout)["ran"] == titles
    again = command(env, "migrate")
    assert (again.returncode, again.stdout.endswith(": nothing to run\n")) == (0, True)
    assert command(env, "check").returncode == 0


async def test_create_admin_takes_the_password_from_where_nobody_else_sees_it(
    env: dict[str, str], environment: dict[str, str], tmp_path: Path
) -> None:
    piped = command(env, "create-admin", "chief", "--email", "chief@example.com", stdin=PASSWORD + "\n")
    assert (piped.returncode, piped.stdout) == (0, "admin chief was created\n"), piped.stderr
    again = command(env, "create-admin", "CHIEF", stdin=PASSWORD + "\n")
    assert (again.returncode, "is taken" in again.stderr) == (1, True)
    weak = command(env, "create-admin", "second", stdin="weak\n")
    assert (weak.returncode, "password needs" in weak.stderr) == (2, True)
    assert command(env, "create-admin", "second").returncode == 2
    unset = command(env, "create-admin", "second", "--password-env", "NEW_PASSWORD")
    assert (unset.returncode, "NEW_PASSWORD is not set" in unset.stderr) == (2, True)
    kept = command({**env, "NEW_PASSWORD": PASSWORD}, "create-admin", "second", "--password-env", "NEW_PASSWORD")
    assert kept.returncode == 0, kept.stderr
    for done in (piped, again, kept):
        assert PASSWORD not in done.stdout + done.stderr
    assert _on_a_terminal(env, "third", PASSWORD, PASSWORD) == 0
    assert _on_a_terminal(env, "fourth", PASSWORD, "Another1!") == 2
    with AppProcess(environment, tmp_path) as app:
        app.wait_ready()
        for name in ("chief", "second", "third"):
            async with app.logged_in(name) as client:
                assert (await client.get("/dashboard")).status_code == 200
    assert command(env, "audit", "verify").returncode == 0


def _on_a_terminal(env: dict[str, str], name: str, *answers: str) -> int:
    base = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
    child, terminal = pty.fork()
    if child == 0:
        os.execve(
            sys.executable,
            [sys.executable, "-m", "tracetrack_app.cli", "create-admin", name],
            {**base, "PYTHONPATH": str(_ROOT / "app"), **env},
        )
    shown = b""
    for prompt, answer in zip((b"Password: ", b"Again: "), answers, strict=True):
        while prompt not in shown:
            shown += os.read(terminal, 1024)
        os.write(terminal, answer.encode() + b"\n")
    while True:
        try:
            if not (more := os.read(terminal, 1024)):
                break
        except OSError:
            break
        shown += more
    assert all(answer.encode() not in shown for answer in answers)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


async def test_audit_verify_finds_a_changed_row(env: dict[str, str], postgres: PostgresServer) -> None:
    for name in ("first", "second", "third"):
        assert command(env, "create-admin", name, stdin=PASSWORD + "\n").returncode == 0
    whole = command(env, "audit", "verify")
    assert (whole.returncode, "3 rows, chain and seals: whole" in whole.stdout) == (0, True), whole.stdout
    other = command({**env, "SESSION_SECRET": "x" * 40}, "audit", "verify")
    assert (other.returncode, "key that is not known here" in other.stdout) == (1, True)
    assert command({"DATABASE_URL": env["DATABASE_URL"]}, "audit", "verify").returncode == 2
    assert command({"DATABASE_URL": env["DATABASE_URL"]}, "audit", "verify", "--chain-only").returncode == 0
    cut = command(env, "audit", "verify", "--witness", "9:" + "ab" * 32)
    assert (cut.returncode, "the witness saw row 9" in cut.stdout) == (1, True)
    await execute(
        postgres.dsn_for(env["DATABASE_URL"].rsplit("/", 1)[1]),
        "SET session_replication_role = replica; UPDATE audit_log SET username = 'nobody' WHERE seq = 2",
    )
    changed = command(env, "audit", "verify", "-o", "json")
    assert changed.returncode == 1
    assert {fault["seq"] for fault in json.loads(changed.stdout)["faults"]} == {2}


def test_settings_are_told_and_changed(env: dict[str, str], redis_server: RedisServer) -> None:
    own = env | {"REDIS_URL": redis_server.url, "TRACETRACK_PARENT_CAPACITY": "25"}
    listed = command(own, "settings")
    assert (listed.returncode, listed.stderr) == (0, "")
    assert re.search(r"^parent_capacity +25 \(default\)$", listed.stdout, re.MULTILINE), listed.stdout
    assert len(listed.stdout.splitlines()) == 4
    done = command(own, "settings", "set", "parent_capacity", "40")
    assert re.fullmatch(r"parent_capacity  40 \(set \S+ \S+ UTC; default 25\)\n", done.stdout), (
        done.stdout + done.stderr
    )
    [shown] = [each for each in json.loads(command(own, "settings", "-o", "json").stdout) if each["source"] == "set"]
    assert (shown["name"], shown["value"], shown["default"]) == ("parent_capacity", 40, 25)
    wrong = command(own, "settings", "set", "parent_capacity", "many")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "parent_capacity 'many': give a whole number from 1 to 1000, or default" in wrong.stderr
    assert command(own, "settings", "set", "capacity", "40").returncode == 2
    back = command(own, "settings", "set", "parent_capacity", "default")
    assert back.stdout == "parent_capacity  25 (default)\n"
    assert "2 rows, chain and seals: whole" in command(own, "audit", "verify").stdout
