"""The backing servers do what the tests that stand on them take for granted."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import redis

from tests.backing import BackingError, PostgresServer, RedisServer
from tests.backing.process import find_binary


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    cert, key = tmp_path / "tls.crt", tmp_path / "tls.key"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"]
    subprocess.run([*command, *subject, "-keyout", str(key), "-out", str(cert)], check=True, capture_output=True)
    return cert, key


def test_postgres_keeps_what_was_committed_over_a_kill() -> None:
    with PostgresServer(fast=False) as server:
        server.sql("create table kept (n int)")
        server.sql("insert into kept values (7)")
        server.kill()
        assert not server.running
        server.start()
        assert server.sql("select n from kept") == "7"
        copy = server.create_database("copy", template=server.database)
        assert copy.endswith("/copy")
        assert server.sql("select n from kept", "copy") == "7"
        server.drop_database("copy")
        directory = server.directory
    assert not directory.exists()


def test_postgres_checks_the_password_and_speaks_tls(certificate: tuple[Path, Path]) -> None:
    cert, key = certificate
    with PostgresServer(password="right pass/word", tls_cert=cert, tls_key=key) as server:
        assert server.sql("select ssl from pg_stat_ssl where pid = pg_backend_pid()") == "t"
        server.password = "wrong"
        with pytest.raises(RuntimeError, match="password authentication failed"):
            server.sql("select 1")


def test_redis_keeps_its_data_over_a_restart_when_asked() -> None:
    with RedisServer(persistent=True, user="app") as server:
        client = redis.Redis.from_url(server.url)
        client.set("a", "1")
        server.restart()
        assert client.get("a") == b"1"
        client.close()
        with pytest.raises(redis.AuthenticationError):
            redis.Redis(host=server.host, port=server.port).ping()


def test_redis_speaks_tls(certificate: tuple[Path, Path]) -> None:
    cert, key = certificate
    with RedisServer(tls_cert=cert, tls_key=key) as server:
        client = redis.Redis.from_url(server.url, ssl_ca_certs=str(cert))
        assert client.ping() is True
        client.close()


def test_a_missing_program_is_named_with_its_package() -> None:
    with pytest.raises(BackingError, match="apt-get install no-such-package"):
        find_binary("no-such-program", "no-such-package")


def test_a_server_that_cannot_start_says_why() -> None:
    with PostgresServer() as first:
        second = PostgresServer(port=first.port)
        try:
            with pytest.raises(BackingError, match="ended at start"):
                second.start(timeout=10)
        finally:
            second.close()
