"""`tracetrack-app`: serve until told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Generator

import uvicorn

from tracetrack_app import logs
from tracetrack_app.http.express import ExpressProtocol
from tracetrack_app.http.frames import FramesProtocol
from tracetrack_app.main import create_app
from tracetrack_app.settings import Settings, SettingsError

_log = logging.getLogger("tracetrack_app")
_REQUESTS_END_WITHIN = 20


class Server(uvicorn.Server):
    """Uvicorn that says it is not ready before it stops, and ends with status 0 after an orderly stop."""

    def __init__(self, config: uvicorn.Config, settings: Settings) -> None:
        self._app = create_app(settings)
        self._drain_delay = settings.drain_delay
        config.app = self._app
        super().__init__(config)

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(logs.lost_connection)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop, number)
        try:
            yield
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)

    def _stop(self, number: int) -> None:
        service = self._app.state.service
        if service.draining:
            return
        _log.info("%s: stopping", signal.Signals(number).name)
        service.draining = True
        asyncio.get_running_loop().call_later(self._drain_delay, self._exit)

    def _exit(self) -> None:
        self.should_exit = True


def main() -> None:
    """Serve. Exits with 2 and the list of what is wrong when a setting is missing."""
    try:
        settings = Settings.load(os.environ)
    except SettingsError as error:
        logs.configure("INFO")
        _log.error("cannot start: %s", error)
        sys.exit(2)
    logs.configure(settings.log_level)
    config = uvicorn.Config(
        "tracetrack_app.main:create_app",
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http=ExpressProtocol,
        ws=FramesProtocol,
        ws_per_message_deflate=False,
        ws_max_size=4096,
        lifespan="on",
        log_config=None,
        access_log=False,
        backlog=4096,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=_REQUESTS_END_WITHIN,
        server_header=False,
        proxy_headers=True,
        forwarded_allow_ips=settings.trusted_proxies,
    )
    Server(config, settings).run()


if __name__ == "__main__":
    main()
