"""What `make demo` leaves for whoever goes on from there."""

from __future__ import annotations

import json
import re
import stat
import subprocess
import sys

import httpx
import pytest

from tests.demo.stage import Stage

pytestmark = pytest.mark.aside
NAMES = ["KUBECONFIG", "APP_URL", "ADMIN_USER", "ADMIN_PASSWORD", "AWS_ENDPOINT_URL", "SCANNER_KEY"]


def test_a_shell_reads_its_environment_and_logs_in_with_it(tracetrack: Stage) -> None:
    file = tracetrack.state / "env"
    assert [line.partition("=")[0] for line in file.read_text().splitlines()] == NAMES
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    tell = "import json, os; print(json.dumps(dict(os.environ)))"
    script = 'set -a; . "$0"; exec "$1" -c "$2"'
    told = subprocess.run(
        ["sh", "-euc", script, file, sys.executable, tell], check=True, capture_output=True, env={}
    ).stdout
    given = json.loads(told)
    admin = tracetrack.secret("default", "demo-admin")
    assert given["KUBECONFIG"] == str(tracetrack.kubeconfig)
    assert [given["APP_URL"], given["AWS_ENDPOINT_URL"]] == [tracetrack.app_url, tracetrack.aws_url]
    assert [given["ADMIN_USER"], given["ADMIN_PASSWORD"]] == [admin["username"], admin["password"]]

    with httpx.Client(base_url=given["APP_URL"], timeout=10) as browser:
        token = re.search(r'name="csrf_token" value="([^"]+)"', browser.get("/login").text)
        assert token is not None
        form = {"username": given["ADMIN_USER"], "csrf_token": token[1]}
        assert browser.post("/login", data={**form, "password": "not-the-password"}).status_code == 200
        answer = browser.post("/login", data={**form, "password": given["ADMIN_PASSWORD"]})
        assert (answer.status_code, answer.headers["location"]) == (302, "/dashboard")
        assert browser.get("/dashboard").status_code == 200
