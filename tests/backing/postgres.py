"""A real PostgreSQL server on loopback."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import time
from datetime import datetime
from pathlib import Path
from typing import Self
from urllib.parse import quote

from tests.backing.process import BackingError, ServerProcess, find_binary

_FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")


def _binary_folders() -> list[Path]:
    versions = [path for path in Path("/usr/lib/postgresql").glob("*/bin") if path.parent.name.isdigit()]
    return sorted(versions, key=lambda path: int(path.parent.name), reverse=True)


class PostgresServer(ServerProcess):
    """PostgreSQL with one superuser whose password is checked (scram-sha-256).

    `fast` gives up durability across a machine crash (not across a kill of the server); `tls_cert` and `tls_key`
    turn TLS on (the caller's files are copied, their mode does not matter); `settings` are `name=value` for postgres,
    and so is `next_start`, which may be changed between two starts.
    """

    name = "postgres"
    account = "postgres"
    stop_signal = signal.SIGINT

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int | None = None,
        user: str = "tracetrack",
        password: str | None = None,
        database: str = "tracetrack",
        tls_cert: Path | None = None,
        tls_key: Path | None = None,
        fast: bool = True,
        settings: tuple[str, ...] = (),
        directory: Path | None = None,
    ) -> None:
        super().__init__(host=host, port=port, directory=directory)
        folders = _binary_folders()
        programs = ("initdb", "postgres", "psql", "pg_basebackup")
        self._bin = {name: find_binary(name, "postgresql", *folders) for name in programs}
        self.user = user
        self.password = password or secrets.token_urlsafe(16)
        self.database = database
        self._tls = (tls_cert, tls_key)
        self._fast = fast
        self._settings = [*(_FAST if fast else ()), *settings]
        self.next_start: tuple[str, ...] = ()

    def start(self, timeout: float = 30.0) -> Self:
        """Start and wait until it answers; seconds. Backends of a killed server may need a moment to let go."""
        try:
            return super().start(timeout)
        except BackingError as error:
            if "still in use" not in str(error):
                raise
            time.sleep(1.0)
            return super().start(timeout)

    @property
    def data(self) -> Path:
        return self.directory / "data"

    def dsn_for(self, database: str) -> str:
        """postgresql:// URI of another database of this server."""
        return (
            f"postgresql://{quote(self.user, safe='')}:{quote(self.password, safe='')}"
            f"@{self.host}:{self.port}/{quote(database, safe='')}"
        )

    @property
    def dsn(self) -> str:
        """postgresql:// URI of the main database, with user and password."""
        return self.dsn_for(self.database)

    def _prepare(self) -> None:
        self.initialize()

    def initialize(self) -> None:
        """Make an empty data directory, if there is none yet; `start` does so, too."""
        if (self.data / "PG_VERSION").exists():
            return
        password_file = self.directory / "password"
        password_file.write_text(self.password)
        password_file.chmod(0o600)
        self._give(password_file)
        command = [self._bin["initdb"], "-D", str(self.data), "-U", self.user, f"--pwfile={password_file}"]
        # Data that are copied shall be small: as it comes, the first part of the log is half of them.
        command += ["--wal-segsize=1"] if self._fast else []
        self._run([*command, "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"])
        password_file.unlink()

    def _command(self) -> list[str]:
        settings = [
            f"listen_addresses={self.host}",
            f"port={self.port}",
            f"unix_socket_directories={self.directory}",
            "max_connections=200",
            "shared_buffers=64MB",
            *self._settings,
            *self.next_start,
        ]
        cert, key = self._tls
        if cert and key:
            settings += [
                "ssl=on",
                f"ssl_cert_file={self._private_copy(cert, 'server.crt')}",
                f"ssl_key_file={self._private_copy(key, 'server.key')}",
            ]
        command = [self._bin["postgres"], "-D", str(self.data)]
        for setting in settings:
            command += ["-c", setting]
        return command

    def sql(self, statement: str, database: str | None = None) -> str:
        """Run SQL as the superuser through psql; unaligned rows, columns parted by `|`. Raises on an SQL error."""
        done = self._psql(statement, database or self.database)
        if done.returncode != 0:
            raise RuntimeError(done.stderr.strip())
        return done.stdout.strip()

    def _psql(self, statement: str, database: str) -> subprocess.CompletedProcess[str]:
        command = [self._bin["psql"], "-X", "-q", "-At", "-v", "ON_ERROR_STOP=1", "-d", self.dsn_for(database)]
        environment = {**os.environ, "PGCONNECT_TIMEOUT": "5"}
        return subprocess.run(
            [*command, "-c", statement], capture_output=True, text=True, env=environment, timeout=60, check=False
        )

    def _answers(self) -> bool:
        told = self._psql("select pg_is_in_recovery()", "postgres")
        # A server that replays a log answers meanwhile, from an earlier moment; only a standby shall.
        if told.returncode != 0 or (told.stdout.strip() == "t" and not (self.data / "standby.signal").exists()):
            return False
        if self.sql(f"select 1 from pg_database where datname = '{self.database}'", "postgres") != "1":
            self.sql(f'create database "{self.database}"', "postgres")
        return True

    def create_database(self, name: str, template: str | None = None) -> str:
        """Create a database, by copying `template` if given; returns its DSN."""
        source = f' template "{template}"' if template else ""
        self.sql(f'create database "{name}"{source}', "postgres")
        return self.dsn_for(name)

    def standby(self, *, fast: bool = True, settings: tuple[str, ...] = ()) -> PostgresServer:
        """A streaming standby of this running server, not started yet. `settings` as of the constructor."""
        standby = PostgresServer(
            user=self.user, password=self.password, database=self.database, fast=fast, settings=settings
        )
        self.backup_into(standby, follow=True)
        return standby

    def backup_into(self, target: PostgresServer, *, follow: bool = False) -> None:
        """A base backup of this running server as the data of `target`, which has none yet; `follow`: as a standby."""
        command = [self._bin["pg_basebackup"], "-D", str(target.data), "-c", "fast", "-X", "stream", "--no-sync"]
        source = f"host={self.host} port={self.port} user={self.user} password={self.password}"
        self._run([*command, *(["-R"] if follow else []), "-d", source])

    def copy_into(self, target: PostgresServer) -> None:
        """A copy of this server's data, while it is not running, as the data of `target`, which has none yet."""
        self._run(["cp", "-a", str(self.data), str(target.data)])

    def copy_log(self, target: Path) -> None:
        """The write-ahead log of this running server up to now, in a new folder that a recovery can read."""
        # A recovery to a time ends at the first commit after that time: this is one.
        self.sql("select pg_current_xact_id()", "postgres")
        self.sql("select pg_switch_wal()", "postgres")
        self._run(["cp", "-a", str(self.data / "pg_wal"), str(target)])

    def recover_from(self, log: Path, until: datetime | None) -> None:
        """Make the next start replay a copied log over this server's data: to its end, or to a time (UTC, naive)."""
        # Data that were recovered themselves still have the time of that recovery.
        time_line = f"{until.isoformat(sep=' ')}+00" if until is not None else ""
        lines = [
            f"restore_command = 'cp {log}/%f %p'",
            f"recovery_target_time = '{time_line}'",
            "recovery_target_action = 'promote'",
        ]
        with (self.data / "postgresql.auto.conf").open("a") as file:
            file.write("\n".join(lines) + "\n")
        signal_file = self.data / "recovery.signal"
        signal_file.touch()
        self._give(signal_file)

    def has_log_since(self, base: PostgresServer) -> bool:
        """Whether this server still has all of its log since its data were those of `base`, which is not running."""
        program = find_binary("pg_controldata", "postgresql", *_binary_folders())
        told = subprocess.run(
            [program, "-D", str(base.data)],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "LC_ALL": "C"},
        ).stdout
        first = next(line.split()[-1] for line in told.splitlines() if "REDO WAL file" in line)
        return (self.data / "pg_wal" / first).exists()

    def drop_database(self, name: str) -> None:
        """Drop a database and the connections to it."""
        self.sql(f'drop database if exists "{name}" with (force)', "postgres")
