"""ministack's IoT on loopback, corrected; runs in ministack's own environment.

Its application is served without its lifespan: that would start schedulers, a container reaper and an MQTT listener
on every interface, none of which is used.
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any

os.environ.update(
    {
        "DOCKER_HOST": "tcp://127.0.0.1:1",
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "SERVICES": "iot,iot-data",
        "LOG_LEVEL": os.environ.get("LOG_LEVEL", "ERROR"),
    }
)

from hypercorn.asyncio import serve
from hypercorn.config import Config
from ministack import app as ministack

from tests.aws import iot
from tests.aws.parent import when_input_ends


async def application(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] != "lifespan":
        await ministack.app(scope, receive, send)
        return
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def main(port: int) -> None:
    iot.install()
    config = Config()
    config.bind = [f"127.0.0.1:{port}"]
    config.keep_alive_timeout = 75
    config.loglevel = "ERROR"
    config.errorlog = "-"
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    ministack._MAIN_LOOP = loop
    when_input_ends(lambda: loop.call_soon_threadsafe(ended.set))
    await serve(application, config, shutdown_trigger=ended.wait)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
