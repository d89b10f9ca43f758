from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.aws.emulator import Emulator
from tests.integration.aws.support import TAGS, refused, until

NAME = {"ReplicationGroupId": "kind-default-demo"}
CREATE = {
    **NAME,
    "ReplicationGroupDescription": "demo",
    "Engine": "valkey",
    "CacheNodeType": "cache.t4g.micro",
    "NumCacheClusters": 2,
    "AutomaticFailoverEnabled": True,
    "Tags": TAGS,
}
SECURE = {**CREATE, "TransitEncryptionEnabled": True, "AuthToken": "first-token-of-the-cache"}


@pytest.fixture
def cache(aws: Emulator) -> Any:
    return aws.client("elasticache")


def described(cache: Any) -> Any:
    return cache.describe_replication_groups(**NAME)["ReplicationGroups"][0]


def available(cache: Any) -> Any:
    return until(lambda: group if (group := described(cache))["Status"] == "available" else None)


def connect(group: Any, **options: Any) -> redis.Redis:
    endpoint = group["NodeGroups"][0]["PrimaryEndpoint"]
    return redis.Redis(host=endpoint["Address"], port=endpoint["Port"], retry=Retry(NoBackoff(), 0), **options)


def test_a_group_becomes_available_and_is_a_redis_with_tls(cache: Any, aws: Emulator, tmp_path: Path) -> None:
    with aws.standstill():
        made = cache.create_replication_group(**SECURE)["ReplicationGroup"]
        assert made["Status"] == "creating"
        assert made["MemberClusters"] == ["kind-default-demo-001", "kind-default-demo-002"]
        assert not made.get("NodeGroups")
    group = available(cache)
    members = group["NodeGroups"][0]["NodeGroupMembers"]
    assert [member["CurrentRole"] for member in members] == ["primary", "replica"]
    assert {member["PreferredAvailabilityZone"] for member in members} == {"eu-central-1a", "eu-central-1b"}
    bundle = tmp_path / "ca.crt"
    bundle.write_text(aws.ca())
    tls = {"ssl": True, "ssl_ca_certs": str(bundle), "ssl_check_hostname": True}
    with connect(group, password="first-token-of-the-cache", **tls) as client:
        assert client.set("scan", "1")
    with connect(group, password="wrong", **tls) as client, pytest.raises(redis.AuthenticationError):
        client.ping()
    with connect(group) as client, pytest.raises(redis.ConnectionError):
        client.ping()


def test_a_group_without_encryption_takes_plain_connections(cache: Any) -> None:
    cache.create_replication_group(**CREATE)
    with connect(available(cache)) as client:
        assert client.ping()


def test_a_token_rotates_before_it_is_set(cache: Any, aws: Emulator) -> None:
    cache.create_replication_group(**SECURE)
    group = available(cache)
    tls: dict[str, Any] = {"ssl": True, "ssl_cert_reqs": "none"}
    new = {"AuthToken": "second-token-of-the-cache", "ApplyImmediately": True}
    with aws.standstill():
        cache.modify_replication_group(**NAME, **new, AuthTokenUpdateStrategy="ROTATE")
        assert described(cache)["Status"] == "modifying"
        refused(
            "InvalidReplicationGroupState",
            cache.modify_replication_group,
            **NAME,
            ReplicationGroupDescription="other",
        )
    available(cache)
    for token in ("first-token-of-the-cache", "second-token-of-the-cache"):
        with connect(group, password=token, **tls) as client:
            assert client.ping()
    cache.modify_replication_group(**NAME, **new, AuthTokenUpdateStrategy="SET")
    available(cache)
    with connect(group, password="second-token-of-the-cache", **tls) as client:
        assert client.ping()
    with connect(group, password="first-token-of-the-cache", **tls) as client, pytest.raises(redis.AuthenticationError):
        client.ping()


def test_a_deleted_group_is_gone_and_leaves_its_snapshot(cache: Any, aws: Emulator) -> None:
    with aws.standstill():
        cache.create_replication_group(**CREATE)
        refused("InvalidReplicationGroupState", cache.delete_replication_group, **NAME)
    group = available(cache)
    with aws.standstill():
        cache.delete_replication_group(**NAME, FinalSnapshotIdentifier="final")
        assert described(cache)["Status"] == "deleting"
    until(lambda: not cache.describe_replication_groups()["ReplicationGroups"])
    refused("ReplicationGroupNotFoundFault", cache.describe_replication_groups, **NAME)
    until(lambda: cache.describe_snapshots(SnapshotName="final")["Snapshots"][0]["SnapshotStatus"] == "available")
    with connect(group) as client, pytest.raises(redis.ConnectionError):
        client.ping()
    refused("ReplicationGroupNotFoundFault", cache.list_tags_for_resource, ResourceName=group["ARN"])


def test_tags_are_kept_and_members_are_listed(cache: Any) -> None:
    arn = cache.create_replication_group(**CREATE)["ReplicationGroup"]["ARN"]
    assert cache.list_tags_for_resource(ResourceName=arn)["TagList"] == TAGS
    added = cache.add_tags_to_resource(ResourceName=arn, Tags=[{"Key": "site", "Value": "lucknow"}])
    assert len(added["TagList"]) == 2
    refused("ReplicationGroupAlreadyExists", cache.create_replication_group, **CREATE)
    members = cache.describe_cache_clusters()["CacheClusters"]
    assert [member["CacheClusterId"] for member in members] == ["kind-default-demo-001", "kind-default-demo-002"]
    assert members[0]["EngineVersion"] == "8.1"


def test_the_tags_of_all_are_listed_page_by_page(cache: Any, aws: Emulator) -> None:
    tagging = aws.client("resourcegroupstaggingapi")
    names = [f"demo-{number}" for number in range(3)]
    for name in names:
        cache.create_user(
            UserId=name, UserName=name, Engine="valkey", AccessString="on ~* +@all", NoPasswordRequired=True
        )
        cache.add_tags_to_resource(ResourceName=_arn("user", name), Tags=TAGS)
    cache.create_user_group(UserGroupId="demo", Engine="valkey", UserIds=names, Tags=TAGS)
    group = cache.create_replication_group(**CREATE)["ReplicationGroup"]["ARN"]
    bare = cache.create_replication_group(**{**CREATE, "ReplicationGroupId": "bare", "Tags": []})["ReplicationGroup"]

    def listed(*types: str, key: str = TAGS[0]["Key"]) -> list[str]:
        pages = tagging.get_paginator("get_resources").paginate(
            ResourceTypeFilters=[f"elasticache:{type_}" for type_ in types],
            TagFilters=[{"Key": key}],
            ResourcesPerPage=2,
        )
        found = [each for page in pages for each in page["ResourceTagMappingList"]]
        assert all(each["Tags"] == TAGS for each in found)
        return sorted(each["ResourceARN"] for each in found)

    users = [_arn("user", name) for name in names]
    assert listed("replicationgroup", "user", "usergroup") == sorted([group, *users, _arn("usergroup", "demo")])
    assert bare["ARN"] not in listed("replicationgroup")
    assert listed("replicationgroup", key="other") == []
    cache.delete_user_group(UserGroupId="demo")
    assert listed("usergroup") == []


def _arn(kind: str, name: str) -> str:
    return f"arn:aws:elasticache:eu-central-1:123456789012:{kind}:{name}"


@pytest.mark.parametrize(
    ("code", "wrong"),
    [
        ("InvalidParameterValue", {"ReplicationGroupId": "1-digit"}),
        ("InvalidParameterValue", {"ReplicationGroupId": "x" * 41}),
        ("InvalidParameterValue", {"CacheNodeType": "t4g.micro"}),
        ("InvalidParameterValue", {"AuthToken": "short", "TransitEncryptionEnabled": True}),
        ("InvalidParameterValue", {"EngineVersion": "2.8"}),
        ("InvalidParameterCombination", {"AuthToken": "long-enough-but-plain"}),
        ("InvalidParameterCombination", {"NumCacheClusters": 1}),
    ],
)
def test_what_elasticache_would_refuse_is_refused(cache: Any, code: str, wrong: dict[str, Any]) -> None:
    refused(code, cache.create_replication_group, **{**CREATE, **wrong})
    assert cache.describe_replication_groups()["ReplicationGroups"] == []
