"""One scan with a scanner's own key, and the same scan as PostgreSQL holds it."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
import uuid
from datetime import UTC, datetime
from typing import Any

from tests.cluster.run import StageError
from tests.demo.stage import Stage


def send(url: str, key: str, code: str, parent: str | None = None, scan_id: str | None = None) -> dict[str, Any]:
    """POST /api/v1/scans; gives the body. StageError with the answer when it was not taken."""
    body = {
        "scan_id": scan_id or str(uuid.uuid4()),
        "code": code,
        "parent": parent,
        "bill": None,
        "station": "demo",
        "captured_at": datetime.now(UTC).isoformat(),
    }
    request = urllib.request.Request(
        f"{url}/api/v1/scans",
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json", "Authorization": f"Bearer {key}"},
    )
    deadline = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return {**json.load(answer), "scan_id": body["scan_id"]}
        except urllib.error.HTTPError as refused:
            text = refused.read().decode(errors="replace")
            if refused.code not in (401, 503) or time.monotonic() > deadline:
                raise StageError(f"the scan of {code} was answered {refused.code}: {text}") from refused
        except OSError as unreachable:
            if time.monotonic() > deadline:
                raise StageError(f"{url} does not answer: {unreachable}") from unreachable
        time.sleep(1)


def query(stage: Stage, sql: str, deployment: str = "demo", namespace: str = "default") -> list[list[str]]:
    """Rows of `sql` from the embedded PostgreSQL of `deployment`, each a list of texts."""
    user = stage.secret(namespace, f"{deployment}-database-credentials")["username"]
    answer = stage.kubectl(
        "exec",
        "-n",
        namespace,
        f"{deployment}-database-0",
        "--",
        "sh",
        "-c",
        'PGPASSWORD="$(cat /credentials/password)" exec psql -h 127.0.0.1 -U "$0" -d tracetrack -At -F "|" -c "$1"',
        user,
        sql,
    )
    return [line.split("|") for line in answer.splitlines() if line]
