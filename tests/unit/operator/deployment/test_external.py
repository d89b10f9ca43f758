"""What a user's Secret may say."""

from __future__ import annotations

import pytest

from tracetrack_operator.cache.external import cache_binding
from tracetrack_operator.database.external import database_binding
from tracetrack_operator.dependencies.binding import CacheBinding, DatabaseBinding
from tracetrack_operator.dependencies.external import InvalidSecret

DATABASE = {"host": "db", "port": "6000", "database": "d", "username": "u", "password": "p"}


@pytest.mark.parametrize(
    ("secret", "expected"),
    [
        (DATABASE, DatabaseBinding("external", "db", 6000, "d", "u", "p", "require")),
        (
            {**DATABASE, "port": "", "sslmode": "verify-full", "ca.crt": "PEM"},
            DatabaseBinding("external", "db", 5432, "d", "u", "p", "verify-full", "PEM"),
        ),
        ({**DATABASE, "password": "p\n"}, DatabaseBinding("external", "db", 6000, "d", "u", "p", "require")),
        (
            {"uri": "postgresql://u%40x:p%2Fq@db:7000/d?sslmode=disable"},
            DatabaseBinding("external", "db", 7000, "d", "u@x", "p/q", "disable"),
        ),
        (
            {"uri": "postgres://u:p@db/d", "password": "newer"},
            DatabaseBinding("external", "db", 5432, "d", "u", "newer", "require"),
        ),
    ],
)
def test_databases(secret: dict[str, str], expected: DatabaseBinding) -> None:
    assert database_binding(secret) == expected


@pytest.mark.parametrize(
    ("change", "words"),
    [
        *(({key: ""}, f"key {key} is missing") for key in ("host", "database", "username", "password")),
        ({"port": "0"}, "key port must be a number from 1 to 65535"),
        ({"port": "x"}, "key port"),
        ({"sslmode": "prefer"}, "key sslmode must be one of disable, require, verify-full"),
        ({"uri": "mysql://db"}, "key uri must look like"),
        ({"uri": "postgresql://db:port/d"}, "key uri must look like"),
    ],
)
def test_unusable_databases_name_the_key(change: dict[str, str], words: str) -> None:
    with pytest.raises(InvalidSecret, match=words):
        database_binding({**DATABASE, **change})


@pytest.mark.parametrize(
    ("secret", "expected"),
    [
        ({"host": "r"}, CacheBinding("external", "r", 6379)),
        (
            {"host": "r", "port": "1", "username": "u", "password": "p", "tls": "True", "ca.crt": "PEM"},
            CacheBinding("external", "r", 1, "u", "p", True, "PEM"),
        ),
        ({"uri": "rediss://:p%40@r:2"}, CacheBinding("external", "r", 2, "", "p@", True)),
    ],
)
def test_caches(secret: dict[str, str], expected: CacheBinding) -> None:
    assert cache_binding(secret) == expected


@pytest.mark.parametrize(
    ("secret", "words"),
    [
        ({}, "key host is missing"),
        ({"host": "r", "tls": "yes"}, "key tls must be true or false"),
        ({"uri": "http://r"}, "key uri must look like"),
    ],
)
def test_unusable_caches_name_the_key(secret: dict[str, str], words: str) -> None:
    with pytest.raises(InvalidSecret, match=words):
        cache_binding(secret)


def test_uris_are_quoted_and_passwords_not_shown() -> None:
    binding = DatabaseBinding("external", "::1", 5432, "d b", "u@x", "p/q", "require", "PEM")
    assert binding.data()["uri"] == "postgresql://u%40x:p%2Fq@[::1]:5432/d%20b?sslmode=require"
    assert binding.data()["ca.crt"] == "PEM"
    assert "p/q" not in repr(binding)
    assert "secret" not in repr(CacheBinding("external", "r", 1, password="secret"))
