"""Real PostgreSQL and Redis processes on loopback, for tests and for the emulated AWS."""

from tests.backing.ports import Port, free_port
from tests.backing.postgres import PostgresServer
from tests.backing.process import BackingError, ServerProcess
from tests.backing.redis import RedisServer

__all__ = ["BackingError", "Port", "PostgresServer", "RedisServer", "ServerProcess", "free_port"]
