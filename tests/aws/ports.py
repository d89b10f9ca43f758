"""The TCP ports on which the servers behind emulated databases and caches listen."""

from __future__ import annotations

import itertools
import socket
import threading


class Ports:
    """Hands out free ports of `host`, of those in `given` if it is no None.

    They go in turn: a port is taken when its server starts, some time after it was handed out.
    """

    def __init__(self, host: str, given: range | None) -> None:
        self._host = host
        self._count = len(given or ())
        self._turn = itertools.cycle(given or ())
        self._lock = threading.Lock()

    def take(self) -> int | None:
        """A port; None where any free one will do. RuntimeError when all are in use."""
        with self._lock:
            for port in itertools.islice(self._turn, self._count):
                if self._free(port):
                    return port
        if self._count:
            raise RuntimeError(f"all {self._count} ports of databases and caches are in use: give more with --ports")
        return None

    def _free(self, port: int) -> bool:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((self._host, port))
            except OSError:
                return False
        return True
