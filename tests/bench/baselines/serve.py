"""`python -m tests.bench.baselines.serve NAME PORT`: a baseline under uvicorn, set as the app sets it."""

from __future__ import annotations

import gc
import importlib
import sys

import uvicorn

from tracetrack_app.http.corked import CorkedProtocol


def main() -> None:
    name, port = sys.argv[1:]
    app = importlib.import_module(f"tests.bench.baselines.{name}").app
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=int(port),
        loop="uvloop",
        http=CorkedProtocol,
        ws="none",
        log_config=None,
        access_log=False,
        backlog=4096,
        timeout_keep_alive=75,
        server_header=False,
    )


if __name__ == "__main__":
    main()
