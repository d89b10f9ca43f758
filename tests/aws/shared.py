"""One PostgreSQL and one Redis behind all endpoints: hundreds of emulated instances on a small machine."""

from __future__ import annotations

import threading
from collections.abc import Callable

from tests.backing import PostgresServer, RedisServer


class SharedServers:
    """Both run before anything is asked for, so that what is available at once is.

    The PostgreSQL has every master user and database asked for and takes any password (its pg_hba.conf says so); the
    Redis takes every token asked for.
    """

    def __init__(self, postgres: Callable[[], PostgresServer], redis: Callable[[], RedisServer]) -> None:
        self._lock = threading.Lock()
        self._new_postgres = postgres
        self._postgres = postgres().start(60)
        self._standby: PostgresServer | None = None
        self._redis = redis().start()
        self._made: set[str] = set()

    def database(self, master: str, name: str | None) -> PostgresServer:
        with self._lock:
            self._once(self._postgres, f'create role "{master}" login createdb createrole')
            if name:
                self._once(self._postgres, f'create database "{name}" owner "{master}"')
            return self._postgres

    def standby(self) -> PostgresServer:
        """What follows the PostgreSQL, started by the first who asks for it."""
        with self._lock:
            if self._standby is None:
                standby = self._new_postgres()
                self._postgres.backup_into(standby, follow=True)
                self._standby = standby.start(60)
            return self._standby

    def cache(self, token: str) -> RedisServer:
        with self._lock:
            if self._redis.command("ACL", "SETUSER", "default", f">{token}") != "+OK":
                raise RuntimeError("the shared redis refused the token")
            return self._redis

    def close(self) -> None:
        with self._lock:
            for server in (self._standby, self._postgres, self._redis):
                if server is not None:
                    server.close()

    def _once(self, server: PostgresServer, statement: str) -> None:
        if statement not in self._made:
            server.sql(statement, "postgres")
            self._made.add(statement)
