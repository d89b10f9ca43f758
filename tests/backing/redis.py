"""A real Redis server on loopback."""

from __future__ import annotations

import secrets
import socket
import ssl
from collections.abc import Sequence
from io import BufferedRWPair
from pathlib import Path
from urllib.parse import quote

from tests.backing.process import BackingError, ServerProcess, find_binary


class RedisServer(ServerProcess):
    """Redis with a password; `persistent` keeps an append-only file, so that data outlives kill and restart.

    With `tls_cert` and `tls_key` it speaks TLS only (no client certificate asked). `user` adds an ACL user beside
    `default`, with the same password, as a managed cache has it. `settings` are lines of its configuration, and so is
    `next_start`, which may be changed between two starts. `clients` are users that its keeper has made.
    """

    name = "redis"
    account = "redis"

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int | None = None,
        password: str | None = None,
        user: str | None = None,
        tls_cert: Path | None = None,
        tls_key: Path | None = None,
        persistent: bool = False,
        settings: tuple[str, ...] = (),
        directory: Path | None = None,
    ) -> None:
        super().__init__(host=host, port=port, directory=directory)
        self._server = find_binary("redis-server", "redis-server")
        self.password = secrets.token_urlsafe(16) if password is None else password
        self.user = user
        self._tls = (tls_cert, tls_key) if tls_cert and tls_key else None
        self._persistent = persistent
        self._settings = settings
        self.next_start: tuple[str, ...] = ()
        self.clients: set[str] = set()

    @property
    def url(self) -> str:
        """redis:// or rediss:// URL with user and password."""
        scheme = "rediss" if self._tls else "redis"
        login = f"{quote(self.user or '', safe='')}:{quote(self.password, safe='')}@" if self.password else ""
        return f"{scheme}://{login}{self.host}:{self.port}/0"

    def _prepare(self) -> None:
        lines = [f"bind {self.host}", f"dir {self.directory}", "daemonize no", 'save ""']
        lines.append("appendonly yes\nappendfsync everysec" if self._persistent else "appendonly no")
        if self._tls:
            lines += [
                "port 0",
                f"tls-port {self.port}",
                f"tls-cert-file {self._private_copy(self._tls[0], 'server.crt')}",
                f"tls-key-file {self._private_copy(self._tls[1], 'server.key')}",
                f"tls-ca-cert-file {self.directory / 'server.crt'}",
                "tls-auth-clients no",
            ]
        else:
            lines.append(f"port {self.port}")
        if self.password:
            lines.append(f'requirepass "{self.password}"')
        if self.user and self.password:
            lines.append(f"user {self.user} on >{self.password} ~* &* +@all")
        config = self.directory / "redis.conf"
        config.write_text("\n".join([*lines, *self._settings, *self.next_start]) + "\n")
        config.chmod(0o600)
        self._give(config)

    def saved(self) -> bytes:
        """The data of the running server."""
        if self.command("SAVE") != "+OK":
            raise BackingError("redis did not save its data")
        return (self.directory / "dump.rdb").read_bytes()

    def load(self, data: bytes) -> None:
        """The data that the server begins with at its next start, unless it is persistent."""
        dump = self.directory / "dump.rdb"
        dump.write_bytes(data)
        self._give(dump)

    def _command(self) -> list[str]:
        return [self._server, str(self.directory / "redis.conf")]

    def _answers(self) -> bool:
        try:
            return self.command("PING") == "+PONG"
        except OSError:
            return False

    def command(self, *words: str) -> str:
        """Send one command after logging in; the first line of the raw answer (RESP2). OSError when it is away."""
        raw = socket.create_connection((self.host, self.port), timeout=2)
        if self._tls:
            context = ssl.create_default_context()
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            raw = context.wrap_socket(raw, server_hostname=self.host)
        with raw, raw.makefile("rwb") as stream:
            if self.password:
                login = ["AUTH", self.user, self.password] if self.user else ["AUTH", self.password]
                self._send(stream, login)
            return self._send(stream, words)

    @staticmethod
    def _send(stream: BufferedRWPair, words: Sequence[str]) -> str:
        encoded = [word.encode() for word in words]
        parts = [b"*%d\r\n" % len(encoded)] + [b"$%d\r\n%s\r\n" % (len(word), word) for word in encoded]
        stream.write(b"".join(parts))
        stream.flush()
        return stream.readline().decode().rstrip()
