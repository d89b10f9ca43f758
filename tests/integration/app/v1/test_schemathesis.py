"""The API by its own OpenAPI document: schemathesis sends what it allows, and what it doesn't."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest

from tests.integration.app.process import AppProcess
from tests.integration.app.v1.conftest import token_of
from tracetrack_app.domain.people import Role


@pytest.mark.parametrize(
    ("phases", "examples"),
    [
        ("examples,fuzzing", "2"),
        pytest.param("examples,coverage,fuzzing,stateful", "50", marks=[pytest.mark.slow, pytest.mark.timeout(1800)]),
    ],
)
def test_what_is_answered_is_what_is_documented(
    environment: dict[str, str], database: str, tmp_path: Path, phases: str, examples: str
) -> None:
    """SCHEMATHESIS_EXAMPLES=1000 looks further. What it finds it finds again: it is derandomised."""

    async def admin() -> str:
        connection = await asyncpg.connect(database)
        try:
            token = await token_of(connection, "root", Role.ADMIN)
            # He may set that admins need it, and goes on.
            await connection.execute("UPDATE users SET totp_secret = 'x', totp_enabled = true WHERE username = 'root'")
            return token
        finally:
            await connection.close()

    with AppProcess(environment, tmp_path) as app:
        app.wait_ready()
        token = asyncio.run(admin())
        run = subprocess.run(
            [
                str(Path(sys.executable).with_name("schemathesis")),
                f"--config-file={Path(__file__).with_name('schemathesis.toml')}",
                "run",
                f"{app.url}/api/v1/openapi.json",
                f"--header=Authorization: Bearer {token}",
                f"--phases={phases}",
                f"--max-examples={os.environ.get('SCHEMATHESIS_EXAMPLES', examples)}",
                "--warnings=off",
                "--generation-deterministic",
                "--no-color",
                "--continue-on-failure",
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=1700,
        )
        assert run.returncode == 0, run.stdout[-20_000:] + run.stderr
        assert "Traceback" not in app.log
