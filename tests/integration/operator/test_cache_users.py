"""A cache whose application logs in as a user, on the emulated AWS with a real Redis: made, gone over to, rotated."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import AuthenticationError, NoPermissionError

from tests.aws.emulator import Emulator
from tests.cluster.controlplane import ApiError
from tests.integration.app.conftest import device_key
from tests.integration.app.process import AppProcess, Load
from tests.integration.operator.conftest import eventually
from tests.integration.operator.deployments import Shop
from tests.integration.operator.test_deployment_aws import ELASTICACHE, RDS, group, shop
from tests.integration.operator.test_rotation import ROTATE, Kubelet, annotate, credentials
from tracetrack_operator.cache.elasticache.users import ACCESS_STRING

__all__ = ["shop"]
USERS: dict[str, Any] = {**ELASTICACHE, "elasticache": {"replicas": 1, "authentication": "Users"}}
OTHERS = {"Engine": "valkey", "AccessString": "on ~* +@all", "Passwords": ["a-password-of-others"]}


def connected(binding: dict[str, str]) -> Redis:
    return Redis(
        host=binding["host"],
        port=int(binding["port"]),
        username=binding.get("username"),
        password=binding["password"],
        ssl=True,
        ssl_cert_reqs="none",
    )


def lets_in(binding: dict[str, str]) -> bool:
    with connected(binding) as client:
        try:
            return bool(client.ping())
        except (AuthenticationError, NoPermissionError):
            return False


def ids(aws: Emulator, namespace: str) -> set[str]:
    client = aws.client("elasticache")
    found = {user["UserId"] for user in client.describe_users()["Users"]}
    found |= {each["UserGroupId"] for each in client.describe_user_groups()["UserGroups"]}
    return {each.partition(f"{namespace}-")[2] for each in found if namespace in each}


def test_an_app_under_load_goes_over_to_its_user_and_to_another_password(
    shop: Shop, aws: Emulator, tmp_path: Path
) -> None:
    shop.deploy(database=RDS, cache=ELASTICACHE, deletionPolicy="Delete")
    eventually(lambda: shop.pods("app"), 90)
    shop.run()
    name = f"test-{shop.namespace}-demo"
    token = shop.secret("demo-cache-binding")
    assert "username" not in token
    assert aws.calls("elasticache", "DescribeUsers") == [], "nobody has users"
    bindings: list[dict[str, str]] = []

    def gone_over() -> None:
        shop.change("tracetrackdeployments", "demo", cache={"elasticache": {"authentication": "Users"}})
        eventually(lambda: shop.secret("demo-cache-binding").get("username") == "tracetrack", 60)
        bindings.append(shop.secret("demo-cache-binding"))
        assert lets_in(token), "the former token is let in until consumers had their time"
        eventually(lambda: ids(aws, shop.namespace) == {"demo", "demo-app"}, 60)
        eventually(lambda: not lets_in(token))

    def rotated() -> None:
        annotate(shop, ROTATE, "one")
        before = bindings[-1]["password"]
        eventually(lambda: shop.secret("demo-cache-binding")["password"] != before, 60)
        bindings.append(shop.secret("demo-cache-binding"))
        assert lets_in(bindings[0]), "both are valid"
        eventually(lambda: "former" not in shop.secret("demo-cache-credentials"), 60)
        assert not lets_in(bindings[0])

    async def under_load() -> Load:
        load = Load(app.url, device_key(), clients=4)
        await load.start()
        for step in (gone_over, rotated):
            await load.until(len(load.acknowledged) + 50, 60)
            await asyncio.to_thread(step)
        await asyncio.to_thread(eventually, lambda: app.log.count("the changed binding cache is taken") == 2, 30)
        await load.until(len(load.acknowledged) + 50, 60)
        await load.stop()
        return load

    folder = tmp_path / "bindings"
    with Kubelet(shop, folder), AppProcess({"SERVICE_BINDING_ROOT": str(folder)}, tmp_path) as app:
        app.wait_ready()
        load = asyncio.run(under_load())
        log = app.log
    assert load.unknown == {}
    assert set(load.statuses) <= {200, 201}
    assert "NOPERM" not in log
    assert "Traceback" not in log, log
    shop.wait("Synced", "True", timeout=60)
    assert credentials(shop, "cache")["user"] == "tracetrack"
    found = group(aws, name)
    assert found is not None
    assert (found["UserGroupIds"], found["AuthTokenEnabled"]) == ([name], False)
    with connected(bindings[-1]) as client:
        client.set("tt:1", "x")
        for refused in (lambda: client.set("theirs", "x"), client.flushall, lambda: client.publish("theirs", "x")):
            with pytest.raises(NoPermissionError):
                refused()
    with pytest.raises(ApiError, match="can't go back from Users"):
        shop.change("tracetrackdeployments", "demo", cache={"elasticache": {"authentication": "Token"}})
    aws.client("elasticache").modify_user(UserId=f"{name}-app", AccessString="on ~* +@all")
    user = lambda: aws.client("elasticache").describe_users(UserId=f"{name}-app")["Users"][0]  # noqa: E731
    eventually(lambda: user()["AccessString"] == ACCESS_STRING, 60)
    told = json.dumps([shop.get("tracetrackdeployments", "demo"), *shop.list("events")])
    assert not [each["password"] for each in (token, *bindings) if each["password"] in told]
    shop.delete("tracetrackdeployments", "demo")
    eventually(lambda: shop.find("tracetrackdeployments", "demo") is None, 90)
    assert ids(aws, shop.namespace) == set()


def test_made_with_a_user_of_its_own_and_never_with_another_ones(shop: Shop, aws: Emulator) -> None:
    name, client = f"test-{shop.namespace}-demo", aws.client("elasticache")
    client.create_user(UserId=f"{name}-app", UserName="tracetrack", **OTHERS)
    shop.deploy(cache=USERS, deletionPolicy="Delete")
    told = shop.wait("CacheReady", "False", "OwnershipConflict", timeout=60)
    assert f"User {name}-app belongs to nothing this operator made" in told["message"]
    assert group(aws, name) is None
    client.delete_user(UserId=f"{name}-app")
    for operation in ("CreateUser", "CreateUserGroup"):
        aws.faults.add("elasticache", operation, kind="lost", times=1)
    shop.wait("CacheReady", "True", timeout=90)
    binding = shop.secret("demo-cache-binding")
    assert (binding["username"], lets_in(binding), lets_in({**binding, "username": ""})) == ("tracetrack", True, False)
    assert ids(aws, shop.namespace) == {"demo", "demo-app"}
    made = aws.client("elasticache").list_tags_for_resource(
        ResourceName=client.describe_user_groups(UserGroupId=name)["UserGroups"][0]["ARN"]
    )
    uid = shop.get("tracetrackdeployments", "demo")["metadata"]["uid"]
    assert {"Key": "tracetrack.io/uid", "Value": uid} in made["TagList"]

    assert "lastFailover" not in shop.get("tracetrackdeployments", "demo")["status"]["cache"]
    client.test_failover(ReplicationGroupId=name, NodeGroupId="0001")
    (event,) = eventually(lambda: shop.events("FailedOver"), 60)
    assert f"from {name}-001 to {name}-002" in event["message"]
    last = shop.get("tracetrackdeployments", "demo")["status"]["cache"]["lastFailover"]
    assert (last["from"], last["to"]) == (f"{name}-001", f"{name}-002")
    shop.wait("CacheReady", "True", timeout=60)
