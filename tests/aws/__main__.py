"""`python -m tests.aws`: the emulated AWS on one endpoint. Makes the environments it needs, then becomes the server."""

from __future__ import annotations

import os
import sys

from tests.aws import environments


def main() -> None:
    moto, ministack = environments.ensure("moto"), environments.ensure("ministack")
    environment = {**os.environ, "TRACETRACK_AWS_MINISTACK_PYTHON": str(ministack)}
    environment["PYTHONPATH"] = str(environments.HERE.parent.parent)
    os.execve(str(moto), [str(moto), "-m", "tests.aws.server", *sys.argv[1:]], environment)


if __name__ == "__main__":
    main()
