"""TCP ports for the servers of tests, which run in many processes at a time."""

from __future__ import annotations

import secrets
import socket
import weakref

# Below those that the system gives to clients (from 32768 on) and Kubernetes' NodePorts (from 30000 on).
_FIRST, _COUNT = 20_000, 10_000


class Port:
    """A TCP port of `host` on which nothing listens, and which is handed out to nobody else while this object lives.

    Held by a bound socket, beside which a server may listen that sets SO_REUSEADDR, as nearly all do: a server that is
    stopped finds its port free when it starts again. The next Port binds without that, and is refused.
    """

    def __init__(self, host: str = "127.0.0.1") -> None:
        while True:
            number = _FIRST + secrets.randbelow(_COUNT)
            held = socket.socket()
            try:
                held.bind((host, number))
            except OSError:
                held.close()
            else:
                break
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.number = number
        weakref.finalize(self, held.close)


def free_port(host: str = "127.0.0.1") -> int:
    """The number of a port on which nothing listens at the moment; it may be handed out again."""
    return Port(host).number
