"""The real servers behind emulated instances and caches, and the clock of their states."""

from __future__ import annotations

import dataclasses
import hashlib
import secrets
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from tests.aws.authority import Authority
from tests.aws.clock import clock
from tests.aws.ports import Ports
from tests.aws.settings import Settings
from tests.aws.shared import SharedServers
from tests.aws.views import Views
from tests.backing import PostgresServer, RedisServer, ServerProcess

Kind = TypeVar("Kind", bound=ServerProcess)
Made = TypeVar("Made")

# A window opener takes an identifier or None for all, and whether minor versions are brought up to date; it returns
# the identifiers for which something was due.
Window = Callable[[str | None, bool], list[str]]

_TLS_ONLY = "hostssl all all all scram-sha-256\nhostssl replication rdsadmin all scram-sha-256\n"
_TLS_OR_PLAIN = "host all all all scram-sha-256\nhost replication rdsadmin all scram-sha-256\n"


@dataclass(frozen=True)
class Step(Generic[Kind]):
    """A state shown for `seconds`, and for as long as `work` with the server takes; `shared` with one of many."""

    status: str
    seconds: float
    work: Callable[[Kind], object] | None = None
    shared: Callable[[Kind], object] | None = None


@dataclass(frozen=True)
class Origin:
    """The data a database begins with: `fill` puts it in place before the start; `standby` if it is to stay one."""

    fill: Callable[[PostgresServer], None]
    standby: bool = False


class Backing(Generic[Kind]):
    """One real server and the state that AWS would show for it.

    creating until it runs and its delay is over, then available; `change()` shows other states for a while;
    `delete()` shows deleting, stops the server, then calls `gone`. All methods but `use` return at once.
    With `shared`, `start` gives a server that others use too: it is neither changed nor stopped.
    """

    def __init__(self, start: Callable[[], Kind], create_seconds: float, failed: str, *, shared: bool = False) -> None:
        self.server: Kind | None = None
        self.shared = shared
        self._failed = failed
        self._error: BaseException | None = None
        self._lock = threading.RLock()
        self._available_at = clock.now() + create_seconds
        self._changing: str | None = None
        self._deleting = False
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._start, args=(start,), daemon=True)
        self._thread.start()

    def _start(self, start: Callable[[], Kind]) -> None:
        try:
            self.server = start()
        except BaseException as error:
            self._break(error)

    def _break(self, error: BaseException) -> None:
        self._error = error
        print(f"an emulated instance broke: {error}", file=sys.stderr, flush=True)

    @property
    def status(self) -> str:
        if self._deleting:
            return "deleting"
        if self._error is not None:
            return self._failed
        if self.server is None or clock.now() < self._available_at:
            return "creating"
        return self._changing or "available"

    @property
    def port(self) -> int | None:
        """The port that answers; None while AWS would not show an endpoint yet."""
        return self.server.port if self.server is not None and self.status != "creating" else None

    def use(self, work: Callable[[Kind], Made]) -> Made:
        """What `work` makes of the running server, which nothing else stops or restarts meanwhile."""
        with self._lock:
            if self.server is None or self._closed.is_set():
                raise RuntimeError("the server is gone")
            return work(self.server)

    def change(self, *steps: Step[Kind], done: Callable[[], object] | None = None) -> None:
        """Go through `steps`, then call `done` and be available again."""
        self._changing = steps[0].status
        if any(step.seconds or step.work or step.shared for step in steps):
            threading.Thread(target=self._go, args=(steps, done), daemon=True).start()
        else:
            self._go(steps, done)

    def _go(self, steps: tuple[Step[Kind], ...], done: Callable[[], object] | None) -> None:
        try:
            for step in steps:
                over = clock.now() + step.seconds
                self._changing = step.status
                work = step.shared if self.shared else step.work
                if work is not None:
                    self.use(work)
                if clock.wait(over, self._closed):
                    return
            if done is not None:
                done()
        except BaseException as error:
            if not self._closed.is_set():
                self._break(error)
        finally:
            self._changing = None

    def delete(self, seconds: float, gone: Callable[[], object], last: Callable[[Kind], object] | None = None) -> None:
        """Do `last` with the server, stop it after `seconds`, then call `gone`."""
        self._deleting = True

        def end() -> None:
            over = clock.now() + seconds
            if last is not None and not self.shared:
                try:
                    self.use(last)
                except BaseException as error:
                    self._deleting = False
                    self._break(error)
                    return
            if not clock.wait(over, self._closed):
                self.close()
                gone()

        threading.Thread(target=end, daemon=True).start()

    def close(self) -> None:
        """Stop the server; waits for a start under way and for whoever uses it."""
        self._closed.set()
        self._thread.join()
        with self._lock:
            if self.server is not None:
                if not self.shared:
                    self.server.close()
                self.server = None


class Estate:
    """Makes and ends the backings, and knows the delays. `reset_emulator` empties moto, after the servers are stopped.

    `windows` opens the maintenance windows of a service; `views` is what describes still show of what has changed;
    `bases` has the copies that the write-ahead logs of running databases begin from, `troubles` the states of instances
    that only a person could mend. Who adds to moto's objects, takes
    from them or lists them holds `lock`.
    """

    def __init__(
        self, settings: Settings, authority: Authority, directory: Path, reset_emulator: Callable[[], None]
    ) -> None:
        self.settings = settings
        self.windows: dict[str, Window] = {}
        self.troubles: dict[str, str] = {}
        self.views = Views(settings.stale_seconds)
        self.bases: dict[PostgresServer, PostgresServer] = {}
        self.lock = threading.RLock()
        self._given = settings
        self._authority = authority
        self._ports = Ports(settings.backing_host, settings.ports)
        self._reset_emulator = reset_emulator
        self._backings: list[Backing[PostgresServer] | Backing[RedisServer]] = []
        self._superuser_password = secrets.token_urlsafe(16)
        self._copies: list[PostgresServer] = []
        self._blank: PostgresServer | None = None
        self._making = threading.Lock()
        self._shared: SharedServers | None = None
        if settings.backing == "shared":
            self._shared = SharedServers(self._trusting_postgres, lambda: self._redis(tls=True, default="nopass"))

    def database(
        self,
        master: str,
        password: str,
        name: str | None,
        *,
        origin: Origin | None = None,
        prepare: Callable[[PostgresServer], object] | None = None,
    ) -> Backing[PostgresServer]:
        """A PostgreSQL that takes TLS connections only, with `master` as RDS makes it: no superuser.

        With an `origin` master, password and databases are those of its data. `prepare` is done before the start.
        A shared one has neither.
        """
        shared, seconds = self._shared, self.settings.create_seconds
        if shared is not None:
            follows = origin is not None and origin.standby
            asked = shared.standby if follows else lambda: shared.database(master, name)
            return self._kept(Backing(asked, seconds, "failed", shared=True))

        def start() -> PostgresServer:
            server = self._postgres()
            try:
                accept(server, plain=False)
                fill = self._begin if origin is None else origin.fill
                fill(server)
                if prepare is not None:
                    prepare(server)
                server.start(60)
                if origin is None:
                    _make_master(server, master, password, name)
                elif not origin.standby:
                    await_primary(server)
                    self.bases[server] = self.copy_of(server)
            except BaseException:
                server.close()
                raise
            return server

        return self._kept(Backing(start, seconds, "failed"))

    def cache(
        self,
        token: str | None,
        tls: bool,
        *,
        fill: Callable[[RedisServer], object] | None = None,
        ready: Callable[[RedisServer], object] | None = None,
    ) -> Backing[RedisServer]:
        """A Redis that lets its default user in with the AUTH token, and with TLS if transit encryption is on.

        `fill` is done before the start, `ready` after it; to a shared one, which has both token and TLS, neither.
        """
        shared, seconds = self._shared, self.settings.create_seconds
        if shared is not None and token and tls:
            return self._kept(Backing(lambda: shared.cache(token), seconds, "create-failed", shared=True))
        hashed = f"#{hashlib.sha256(token.encode()).hexdigest()}" if token else "nopass"

        def start() -> RedisServer:
            server = self._redis(tls=tls, default=hashed)
            if fill is not None:
                fill(server)
            server.start()
            if ready is not None:
                ready(server)
            return server

        return self._kept(Backing(start, seconds, "create-failed"))

    def _redis(self, *, tls: bool, default: str) -> RedisServer:
        return RedisServer(
            host=self.settings.backing_host,
            port=self._ports.take(),
            password=self._superuser_password,
            user="elasticache-admin",
            tls_cert=self._authority.server_certificate if tls else None,
            tls_key=self._authority.server_key if tls else None,
            settings=("protected-mode no", "hz 5", f"user default on {default} ~* &* +@all"),
        )

    def _trusting_postgres(self) -> PostgresServer:
        server = self._postgres()
        server.next_start = ("wal_level=logical",)
        _write_rules(server, "hostssl all all all trust\nhostssl replication all all trust\n")
        return server

    def _postgres(self) -> PostgresServer:
        return PostgresServer(
            host=self.settings.backing_host,
            port=self._ports.take(),
            user="rdsadmin",
            password=self._superuser_password,
            database="postgres",
            tls_cert=self._authority.server_certificate,
            tls_key=self._authority.server_key,
            settings=(
                "shared_buffers=32MB",
                "max_connections=100",
                "autovacuum_naptime=300",
                "full_page_writes=on",
                "wal_keep_size=512MB",
                "hba_file=pg_hba.conf",
            ),
        )

    def _begin(self, server: PostgresServer) -> None:
        blank = self._made_blank()
        blank.copy_into(server)
        self.bases[server] = blank

    def _made_blank(self) -> PostgresServer:
        """The data of an empty database, made once: every new instance begins with a copy of them."""
        with self._making:
            if self._blank is None:
                blank = self._postgres()
                blank.initialize()
                with (blank.data / "postgresql.conf").open("a") as file:
                    file.write("include_if_exists = '../parameters.conf'\n")
                self._blank = blank
            return self._blank

    def copy_of(self, server: PostgresServer) -> PostgresServer:
        """The data of a running database as it is now, in a server that never starts; kept until it is forgotten."""
        copy = self._postgres()
        self._copies.append(copy)
        server.backup_into(copy)
        return copy

    def forget(self, copy: PostgresServer | None) -> None:
        """Remove a copy; what isn't one stays."""
        if copy is not None and copy in self._copies:
            self._copies.remove(copy)
            copy.close()

    def tick(self, seconds: dict[str, float], running: bool | None = None) -> None:
        """Other delays until the reset; stop the clock, or let it go on. ValueError names what is no delay."""
        if running is not None:
            (clock.go if running else clock.stop)()
        known = {field.name for field in dataclasses.fields(Settings) if field.name.endswith("_seconds")}
        for name, value in seconds.items():
            if name not in known:
                raise ValueError(f"clock.{name}: there is no such delay, but {', '.join(sorted(known))}")
            if not isinstance(value, int | float) or value < 0:
                raise ValueError(f"clock.{name}: {value!r} is no number of seconds")
        self.settings = dataclasses.replace(self.settings, **seconds)
        self.views.seconds = self.settings.stale_seconds

    def _kept(self, backing: Backing[Kind]) -> Backing[Kind]:
        self._backings.append(backing)  # type: ignore[arg-type]
        return backing

    def _clear(self) -> None:
        backings, self._backings = self._backings, []
        threads = [threading.Thread(target=backing.close) for backing in backings]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        copies, self._copies = self._copies, []
        for copy in copies:
            copy.close()
        self.bases.clear()

    def close(self) -> None:
        """Stop every server."""
        self._clear()
        for server in (self._blank, self._shared):
            if server is not None:
                server.close()

    def reset(self) -> None:
        """Back to an empty account. The servers that many share stay: whoever comes next needs them again."""
        clock.go()
        self._clear()
        self.settings = self._given
        self.troubles.clear()
        self.views.reset(self.settings.stale_seconds)
        self._reset_emulator()


def accept(server: PostgresServer, *, plain: bool) -> None:
    """Which connections a database takes from its next start or reload on: TLS only, or `plain` ones as well."""
    _write_rules(server, _TLS_OR_PLAIN if plain else _TLS_ONLY)


def _write_rules(server: PostgresServer, text: str) -> None:
    rules = server.directory / "pg_hba.conf"
    rules.write_text(text)
    rules.chmod(0o644)


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


def await_primary(server: PostgresServer, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while server.sql("select pg_is_in_recovery()", "postgres") == "t":
        if time.monotonic() > deadline:
            raise RuntimeError(f"a restored database was still in recovery after {seconds} s")
        time.sleep(0.05)
