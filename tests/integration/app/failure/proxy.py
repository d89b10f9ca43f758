"""A TCP proxy that loses servers the way networks do."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from types import TracebackType
from typing import Self


class Proxy:
    """Forwards to `target` (a port on loopback) on a thread of its own. A frozen connection stays open and carries
    nothing more.

    Stands for a name whose address changes: what is opened after `move` goes to the other server.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._alive = threading.Event()
        self._alive.set()

    @property
    def port(self) -> int:
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    def move(self, target: int) -> None:
        """Send new connections to another port; those that are open carry nothing from now on."""
        self._alive.clear()
        self._alive = threading.Event()
        self._alive.set()
        self._target = target

    def __enter__(self) -> Self:
        self._thread.start()
        starting = asyncio.start_server(self._serve, "127.0.0.1", 0)
        self._server = asyncio.run_coroutine_threadsafe(starting, self._loop).result(10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        alive = self._alive
        try:
            server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.close()
            return
        try:
            await asyncio.gather(self._pump(reader, server_writer, alive), self._pump(server_reader, writer, alive))
        finally:
            writer.close()
            server_writer.close()

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, alive: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65536):
                if not alive.is_set():
                    break
                sink.write(data)
                await sink.drain()
        # The end of one side is not told to the other of a frozen connection: its host is gone.
        if not alive.is_set():
            await asyncio.Event().wait()
        with contextlib.suppress(OSError):
            sink.write_eof()
