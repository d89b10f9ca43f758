"""Providers External: against a real PostgreSQL and a real Redis, and against what goes wrong with them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.backing import PostgresServer, RedisServer, free_port
from tests.cluster.controlplane import ControlPlane
from tests.integration.operator.conftest import eventually
from tests.integration.operator.deployments import Shop
from tests.integration.operator.process import OperatorProcess

SPEC: dict[str, Any] = {
    "database": {"provider": "External", "external": {"secretRef": {"name": "my-pg"}}},
    "cache": {"provider": "External", "external": {"secretRef": {"name": "my-redis"}}},
}


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    with PostgresServer() as server:
        yield server


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture
def shop(control_plane: ControlPlane, namespace: str, operator: OperatorProcess) -> Shop:
    return Shop(control_plane, namespace)


def login(server: PostgresServer, **changes: str) -> dict[str, str]:
    return {
        "host": server.host,
        "port": str(server.port),
        "database": server.database,
        "username": server.user,
        "password": server.password,
        "sslmode": "disable",
        **changes,
    }


def cache_login(server: RedisServer, **changes: str) -> dict[str, str]:
    return {"host": server.host, "port": str(server.port), "password": server.password, **changes}


def with_port(change: dict[str, str]) -> dict[str, str]:
    return {key: str(free_port()) if value == "unused" else value for key, value in change.items()}


def warned(shop: Shop, reason: str, *secrets: str) -> None:
    """A Warning of that reason names each of the Secrets."""

    def told() -> None:
        events = [event["message"] for event in shop.events(reason) if event["type"] == "Warning"]
        for secret in secrets:
            assert any(secret in message for message in events), events

    eventually(lambda: told() is None)


def failing(operator: OperatorProcess, shop: Shop) -> dict[str, float]:
    """What the metric of the conditions says is False."""
    return {
        type_: operator.metric("tracetrack_operator_condition", namespace=shop.namespace, type=type_, status="False")
        for type_ in ("DatabaseReady", "CacheReady")
    }


def run(shop: Shop) -> None:
    eventually(lambda: shop.pods("app"), 30)
    shop.run()


def test_secrets_missing_at_first_and_brought_later(shop: Shop, postgres: PostgresServer, redis: RedisServer) -> None:
    shop.deploy(**SPEC)
    told = shop.wait("DatabaseReady", "False", "SecretNotFound", f"Secret {shop.namespace}/my-pg")
    assert "spec.database.external.secretRef.name" in told["message"]
    assert "Create it with the keys host" in told["message"]
    shop.wait("CacheReady", "False", "SecretNotFound", "my-redis")
    shop.wait("ApplicationReady", "False", "WaitingForDependency", "Waiting for the database")
    assert shop.find("deployments", "demo-app") is None
    assert eventually(lambda: shop.events("SecretNotFound"))[0]["type"] == "Warning"
    shop.put_secret("my-pg", login(postgres))
    shop.put_secret("my-redis", cache_login(redis))
    run(shop)
    bound = shop.secret("demo-database-binding")
    assert (bound["provider"], bound["host"], bound["password"]) == ("external", postgres.host, postgres.password)
    assert shop.secret("demo-cache-binding")["uri"].startswith("redis://")
    rule = {"ports": [{"port": postgres.port, "protocol": "TCP"}]}
    assert rule in shop.get("networkpolicies", "demo-app")["spec"]["egress"]
    assert shop.find("statefulsets", "demo-database") is None


def test_a_secret_without_a_key_names_the_key(shop: Shop, postgres: PostgresServer, redis: RedisServer) -> None:
    incomplete = login(postgres)
    del incomplete["password"]
    shop.put_secret("my-pg", incomplete)
    shop.put_secret("my-redis", cache_login(redis, port="many"))
    shop.deploy(**SPEC)
    shop.wait("DatabaseReady", "False", "SecretInvalid", "key password is missing")
    shop.wait("CacheReady", "False", "SecretInvalid", "key port must be a number")
    warned(shop, "SecretInvalid", "my-pg", "my-redis")
    shop.put_secret("my-pg", login(postgres))
    shop.put_secret("my-redis", cache_login(redis))
    shop.wait("DatabaseReady", "True")
    shop.wait("CacheReady", "True")


# Each with how the cache is wrong beside it, for each deployment takes seconds.
UNUSABLE: list[tuple[dict[str, str], str, str, dict[str, str], str, str]] = [
    (
        {"password": "wrong"},
        "AuthenticationFailed",
        "refuses user tracetrack",
        {"password": "wrong"},
        "AuthenticationFailed",
        "Correct username and password.",
    ),
    ({"username": "nobody"}, "AuthenticationFailed", "refuses user nobody", {}, "", ""),
    ({"database": "nowhere"}, "DatabaseNotFound", "has no database nowhere", {}, "", ""),
    ({"sslmode": "require"}, "TLSFailed", "sslmode", {"tls": "true"}, "TLSFailed", "Check tls, ca.crt"),
    (
        {"port": "unused"},
        "EndpointUnreachable",
        "cannot be reached",
        {"port": "unused"},
        "EndpointUnreachable",
        "Check host, port and tls",
    ),
]


@pytest.mark.parametrize(("change", "reason", "words", "cache_change", "cache_reason", "cache_words"), UNUSABLE)
def test_what_cannot_be_used_is_told_and_recovers_once_mended(
    shop: Shop,
    postgres: PostgresServer,
    redis: RedisServer,
    operator: OperatorProcess,
    change: dict[str, str],
    reason: str,
    words: str,
    cache_change: dict[str, str],
    cache_reason: str,
    cache_words: str,
) -> None:
    shop.put_secret("my-pg", login(postgres, **with_port(change)))
    shop.put_secret("my-redis", cache_login(redis, **with_port(cache_change)))
    shop.deploy(**SPEC)
    told = [shop.wait("Ready", "False", reason, words), shop.wait("DatabaseReady", "False", reason, words)]
    if cache_change:
        told.append(shop.wait("CacheReady", "False", cache_reason, cache_words))
    for condition, secret in zip(told, ("my-pg", "my-pg", "my-redis"), strict=False):
        assert "wrong" not in condition["message"], "a password must not be shown, not even a wrong one"
        assert f"They come from Secret {secret}." in condition["message"]
    warned(shop, reason, "my-pg")
    if cache_change:
        warned(shop, cache_reason, "my-redis")
    assert failing(operator, shop) == {"DatabaseReady": 1, "CacheReady": bool(cache_change)}
    shop.put_secret("my-pg", login(postgres))
    shop.put_secret("my-redis", cache_login(redis))
    shop.wait("DatabaseReady", "True")
    shop.wait("CacheReady", "True")
    assert failing(operator, shop) == {"DatabaseReady": 0, "CacheReady": 0}


def test_a_change_that_cannot_connect_does_not_reach_running_pods(
    shop: Shop, postgres: PostgresServer, redis: RedisServer
) -> None:
    shop.put_secret("my-pg", login(postgres))
    shop.put_secret("my-redis", cache_login(redis))
    shop.deploy(**SPEC)
    run(shop)
    template = shop.get("deployments", "demo-app")["spec"]["template"]
    shop.put_secret("my-pg", login(postgres, password="wrong"))
    shop.change("tracetrackdeployments", "demo", scaling={"maxReplicas": 9})
    shop.wait("DatabaseReady", "False", "AuthenticationFailed")
    assert shop.secret("demo-database-binding")["password"] == postgres.password
    assert shop.get("deployments", "demo-app")["spec"]["template"] == template
    shop.delete("secrets", "my-pg")
    shop.wait("DatabaseReady", "False", "SecretNotFound")
    assert shop.find("secrets", "demo-database-binding") is not None
    shop.put_secret("my-pg", login(postgres))
    shop.wait("Ready", "True")


def test_no_secret_is_ever_shown(
    shop: Shop, postgres: PostgresServer, redis: RedisServer, operator: OperatorProcess
) -> None:
    shop.put_secret("my-pg", login(postgres))
    shop.put_secret("my-redis", cache_login(redis))
    shop.deploy(**SPEC)
    run(shop)
    secrets = {
        postgres.password,
        redis.password,
        shop.secret("demo-admin")["password"],
        shop.secret("demo-session")["key"],
    }
    shown = [operator.log_path.read_text()]
    for plural in ("tracetrackdeployments", "events", "configmaps", "deployments", "pods"):
        shown.append(str(shop.list(plural)))
    for secret in secrets:
        assert not any(secret in text for text in shown)
