"""The real servers behind emulated instances and caches, and the clock of their states."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from tests.aws.authority import Authority
from tests.aws.settings import Settings
from tests.backing import PostgresServer, RedisServer, ServerProcess

Kind = TypeVar("Kind", bound=ServerProcess)


class Backing(Generic[Kind]):
    """One real server and the state that AWS would show for it.

    creating until it runs and its delay is over, then available; `change()` shows another state for a while;
    `delete()` shows deleting, stops the server, then calls `gone`. All methods return at once.
    """

    def __init__(self, start: Callable[[], Kind], create_seconds: float, failed: str) -> None:
        self.server: Kind | None = None
        self._failed = failed
        self._error: BaseException | None = None
        self._lock = threading.RLock()
        self._available_at = time.monotonic() + create_seconds
        self._changing: tuple[str, float] | None = None
        self._deleting = False
        self._thread = threading.Thread(target=self._start, args=(start,), daemon=True)
        self._thread.start()

    def _start(self, start: Callable[[], Kind]) -> None:
        try:
            self.server = start()
        except BaseException as error:
            self._error = error
            print(f"an emulated instance did not start: {error}", file=sys.stderr, flush=True)

    @property
    def status(self) -> str:
        if self._deleting:
            return "deleting"
        if self._error is not None:
            return self._failed
        if self.server is None or time.monotonic() < self._available_at:
            return "creating"
        if self._changing and time.monotonic() < self._changing[1]:
            return self._changing[0]
        return "available"

    @property
    def port(self) -> int | None:
        """The port that answers; None while AWS would not show an endpoint yet."""
        return self.server.port if self.server is not None and self.status != "creating" else None

    def change(self, status: str, seconds: float, work: Callable[[Kind], object] | None = None) -> None:
        """Show `status` for `seconds`, and do `work` with the server."""
        self._changing = (status, time.monotonic() + seconds)
        server = self.server
        if work is not None and server is not None:
            work(server)

    def delete(self, seconds: float, gone: Callable[[], None]) -> None:
        self._deleting = True

        def end() -> None:
            self.close()
            gone()

        timer = threading.Timer(seconds, end)
        timer.daemon = True
        timer.start()

    def close(self) -> None:
        """Stop the server; waits for a start under way."""
        self._thread.join()
        with self._lock:
            if self.server is not None:
                self.server.close()
                self.server = None


class Estate:
    """Makes and ends the backings. `reset_emulator` empties moto, after the servers are stopped."""

    def __init__(
        self, settings: Settings, authority: Authority, directory: Path, reset_emulator: Callable[[], None]
    ) -> None:
        self.settings = settings
        self._authority = authority
        self._hba = directory / "pg_hba.conf"
        self._hba.write_text("hostssl all all all scram-sha-256\n")
        self._reset_emulator = reset_emulator
        self._backings: list[Backing[PostgresServer] | Backing[RedisServer]] = []

    def database(self, master: str, password: str, name: str | None) -> Backing[PostgresServer]:
        """A PostgreSQL that takes TLS connections only, with `master` as RDS makes it: no superuser."""

        def start() -> PostgresServer:
            server = PostgresServer(
                host=self.settings.backing_host,
                user="rdsadmin",
                database="rdsadmin",
                tls_cert=self._authority.server_certificate,
                tls_key=self._authority.server_key,
                settings=(
                    "shared_buffers=32MB",
                    "max_connections=100",
                    "autovacuum_naptime=300",
                    f"hba_file={self._hba}",
                ),
            )
            try:
                server.start(60)
                _make_master(server, master, password, name)
            except BaseException:
                server.close()
                raise
            return server

        return self._kept(Backing(start, self.settings.create_seconds, "failed"))

    def cache(self, token: str | None, tls: bool) -> Backing[RedisServer]:
        """A Redis with the AUTH token as its password, and TLS if transit encryption is on."""

        def start() -> RedisServer:
            server = RedisServer(
                host=self.settings.backing_host,
                password=token or "",
                tls_cert=self._authority.server_certificate if tls else None,
                tls_key=self._authority.server_key if tls else None,
                settings=("protected-mode no", "hz 5"),
            )
            return server.start()

        return self._kept(Backing(start, self.settings.create_seconds, "create-failed"))

    def _kept(self, backing: Backing[Kind]) -> Backing[Kind]:
        self._backings.append(backing)  # type: ignore[arg-type]
        return backing

    def close(self) -> None:
        """Stop every server."""
        backings, self._backings = self._backings, []
        threads = [threading.Thread(target=backing.close) for backing in backings]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def reset(self) -> None:
        self.close()
        self._reset_emulator()


def quoted(name: str) -> str:
    """An SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """An SQL string."""
    return "'" + text.replace("'", "''") + "'"


def _make_master(server: PostgresServer, master: str, password: str, name: str | None) -> None:
    server.sql(
        "create role rds_superuser nologin;"
        "grant pg_monitor, pg_signal_backend, pg_checkpoint to rds_superuser with admin option;"
        f"create role {quoted(master)} login createdb createrole password {literal(password)} in role rds_superuser",
        "postgres",
    )
    if name:
        server.sql(f"create database {quoted(name)} owner {quoted(master)}", "postgres")
