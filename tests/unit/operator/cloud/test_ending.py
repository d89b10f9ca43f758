"""How a database and a cache in AWS end: by policy, by what AWS makes of it, and by what of it can be known."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.unit.operator.cloud.test_elasticache import ITEM as GROUP
from tests.unit.operator.cloud.test_rds import ITEM as INSTANCE
from tests.unit.operator.deployment.factory import owner, stored
from tests.unit.operator.deployment.test_writing import LiveKube
from tracetrack_operator.aws.errors import AwsAlreadyExists, AwsConflict, AwsError, AwsNotFound, AwsThrottled
from tracetrack_operator.aws.inventory import Inventory
from tracetrack_operator.aws.ownership import tag_list, tags
from tracetrack_operator.cache.elasticache import ElastiCache
from tracetrack_operator.database.rds import RDS
from tracetrack_operator.database.rds.provider import CreateInstance
from tracetrack_operator.dependencies.cloud.provider import CloudProvider
from tracetrack_operator.engine.errors import WaitingError
from tracetrack_operator.engine.objects import Object
from tracetrack_operator.manifests.parent import Parent
from tracetrack_operator.manifests.secret import secret
from tracetrack_operator.settings import Settings

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
NAME, FINAL = "kind-shop-demo", "kind-shop-demo-final-uid-demo"
OTHERS = {"tracetrack.io/uid": "uid-other", "tracetrack.io/namespace": "shop", "tracetrack.io/name": "else"}
GOING, GONE = {"metadata": {"name": "shop", "deletionTimestamp": "2026-11-23T12:00:00Z"}}, "gone"
UNPROTECTED: dict[str, Any] = {"provider": "RDS", "rds": {"deletionProtection": False}}
SNAPSHOT = ("rds", "describe_db_snapshots"), ("elasticache", "describe_snapshots")


class Account:
    """AWS with at most one instance, group, final snapshot and secret; `fails` answers an operation with an error."""

    def __init__(
        self,
        item: Mapping[str, Any] | None = None,
        snapshot: str = "",
        labels: Mapping[str, str] | None = None,
        fails: Mapping[str, Exception] | None = None,
    ) -> None:
        self.item, self.snapshot, self.fails = item, snapshot, dict(fails or {})
        self.labels = tags(demo(), "kind") if labels is None else labels
        self.saved: dict[str, dict[str, Any]] = {}
        self.made: list[tuple[str, dict[str, Any]]] = []

    async def call(self, service: str, operation: str, /, *, region: str | None = None, **given: Any) -> dict[str, Any]:
        if operation in self.fails:
            raise self.fails[operation]
        if service == "secretsmanager":
            return self._vault(operation, given)
        if operation == "describe_db_instances":
            return {"DBInstances": [{**self._found(), "TagList": tag_list(self.labels)}]}
        if operation == "describe_replication_groups":
            return {"ReplicationGroups": [self._found()]}
        if operation == "list_tags_for_resource":
            return {"TagList": tag_list(self.labels)}
        if (service, operation) in SNAPSHOT:
            if not self.snapshot:
                raise AwsNotFound("SnapshotNotFound", "AwsNotFound", "none")
            assert list(given.values()) == [FINAL]
            field, status = ("DBSnapshots", "Status") if service == "rds" else ("Snapshots", "SnapshotStatus")
            return {field: [{status: self.snapshot}]}
        self.made.append((operation, given))
        return {}

    async def pages(self, *_: Any, **__: Any) -> AsyncIterator[Mapping[str, Any]]:
        for item in ():
            yield item

    def _found(self) -> Mapping[str, Any]:
        if self.item is None:
            raise AwsNotFound("DBInstanceNotFound", "AwsNotFound", "none")
        return self.item

    def _vault(self, operation: str, given: dict[str, Any]) -> dict[str, Any]:
        if operation == "create_secret":
            self.saved[given["Name"]] = given
            return {}
        kept = self.saved.get(given["SecretId"])
        if kept is None:
            raise AwsNotFound("ResourceNotFoundException", "AwsNotFound", "none")
        return kept

    @property
    def asked(self) -> list[str]:
        return [operation for operation, _ in self.made]


def demo(**spec: Any) -> Object:
    return owner({"database": UNPROTECTED, "cache": {"provider": "ElastiCache"}, **spec})


def credentials(component: str, age: float = 3600.0, agreed: Mapping[str, Any] | None = None) -> Object:
    """The Secret with the operator's login, `age` seconds old."""
    annotations = {"tracetrack.io/agreed": json.dumps(agreed or {})}
    metadata = Parent.of(demo()).metadata(f"{component}-credentials", component, annotations)
    made = f"{NOW - timedelta(seconds=age):%Y-%m-%dT%H:%M:%SZ}"
    return stored(secret({**metadata, "creationTimestamp": made}, {"username": "u", "password": "pw"}))


def provider(
    kind: type[CloudProvider], account: Account, *cluster: Object, going: bool = False
) -> tuple[CloudProvider, Inventory]:
    namespace = {"kind": "Namespace", **(GOING if going else {"metadata": {"name": "shop"}})}
    inventory, nothing = Inventory(account), Any
    made = kind(account, LiveKube(namespace, *cluster), inventory, nothing, nothing, Settings(), lambda: NOW)  # type: ignore[arg-type]
    return made, inventory


async def ended(kind: type[CloudProvider], account: Account, obj: Object, *cluster: Object, going: bool = False) -> str:
    """What became of it, or the reason and the words of what holds it up."""
    component = "database" if kind is RDS else "cache"
    cluster = cluster or (credentials(component),)
    try:
        return await provider(kind, account, *cluster, going=going)[0].delete(obj)
    except WaitingError as error:
        return f"{error.reason}: {error}"


def instance(**more: Any) -> dict[str, Any]:
    return {**INSTANCE, "DeletionProtection": False, "Endpoint": {"Address": "db.test", "Port": 5432}, **more}


REFUSED = AwsConflict("InvalidDBInstanceState", "AwsConflict", "Cannot create a snapshot")
KEYLESS = AwsError("KMSKeyNotAccessibleFault", "AwsError", "The key is disabled")


@pytest.mark.parametrize(
    ("state", "policy", "refusal", "going", "words", "asked", "kept"),
    [
        ("available", "Snapshot", None, False, f"Deleting: DB instance {NAME} is available; it goes after", 1, 0),
        ("available", "Delete", None, False, "it goes without a copy", 1, 0),
        ("available", "Retain", None, False, "is kept (deletionPolicy Retain)", 0, 1),
        ("available", "Snapshot", None, True, "Deleting: ", 1, 0),
        ("deleting", "Snapshot", None, False, "Deleting: ", 0, 0),
        ("modifying", "Snapshot", REFUSED, False, "AWS doesn't take that now: Cannot create", 0, 0),
        ("modifying", "Snapshot", REFUSED, True, "Deleting: ", 0, 0),
        ("failed", "Snapshot", REFUSED, False, "FinalSnapshotRefused: ", 0, 0),
        ("storage-full", "Snapshot", None, False, "Deleting: ", 1, 0),
        ("incompatible-network", "Snapshot", REFUSED, False, '"deletionPolicy":"Delete"', 0, 0),
        ("stopped", "Snapshot", REFUSED, False, '"deletionPolicy":"Retain"', 0, 0),
        ("available", "Snapshot", KEYLESS, False, "FinalSnapshotRefused: ", 0, 0),
        ("failed", "Snapshot", REFUSED, True, "is kept (DB instance", 0, 1),
        ("available", "Snapshot", KEYLESS, True, "and the whole namespace goes)", 0, 1),
        ("failed", "Delete", None, False, "it goes without a copy", 1, 0),
        ("failed", "Delete", REFUSED, False, "DeletionRefused: ", 0, 0),
        ("failed", "Delete", REFUSED, True, "is kept (DB instance", 0, 1),
        ("failed", "Retain", REFUSED, True, "is kept (deletionPolicy Retain)", 0, 1),
    ],
)
async def test_an_instance_that_aws_makes_no_copy_of_waits_for_a_word_or_is_kept(
    state: str, policy: str, refusal: Exception | None, going: bool, words: str, asked: int, kept: int
) -> None:
    account = Account(instance(DBInstanceStatus=state), fails={"delete_db_instance": refusal} if refusal else None)
    assert words in await ended(RDS, account, demo(deletionPolicy=policy), going=going)
    assert account.asked == ["delete_db_instance"] * asked
    assert len(account.saved) == kept


async def test_what_passes_by_itself_is_no_refusal() -> None:
    throttled = AwsThrottled("Throttling", "AwsThrottled", "too fast")
    account = Account(instance(DBInstanceStatus="failed"), fails={"delete_db_instance": throttled})
    with pytest.raises(AwsThrottled):
        await ended(RDS, account, demo(), going=True)


@pytest.mark.parametrize(
    ("snapshot", "going", "words"),
    [
        ("available", False, f"SnapshotExists: DB instance {NAME} can't be deleted: DB snapshot {FINAL} exists"),
        ("failed", False, "SnapshotExists: "),
        ("creating", False, "Deleting: "),
        ("creating", True, "Deleting: "),
        ("available", True, f"DB instance {NAME} is kept"),
    ],
)
async def test_a_snapshot_of_that_name_is_looked_at(snapshot: str, going: bool, words: str) -> None:
    """That of a call of ours is in the making, though the instance may still be described as before it."""
    exists = AwsAlreadyExists("DBSnapshotAlreadyExists", "AwsAlreadyExists", "there is one")
    account = Account(instance(), snapshot, fails={"delete_db_instance": exists})
    assert (await ended(RDS, account, demo(), going=going)).startswith(words)


@pytest.mark.parametrize("kind", [RDS, ElastiCache])
@pytest.mark.parametrize(
    ("snapshot", "policy", "going", "words"),
    [
        ("available", "Snapshot", False, f"{FINAL} (deletionPolicy Snapshot)"),
        ("creating", "Snapshot", False, f"snapshot {FINAL} is creating."),
        ("failed", "Snapshot", False, "FinalSnapshotFailed: "),
        ("failed", "Snapshot", True, "has failed."),
        ("failed", "Delete", False, "without a copy (deletionPolicy Delete)"),
        ("", "Snapshot", False, f"no final {{}} snapshot {FINAL} was found"),
        ("", "Retain", False, GONE),
    ],
)
async def test_what_is_gone_is_told_with_what_is_left_of_it(
    kind: type[CloudProvider], snapshot: str, policy: str, going: bool, words: str
) -> None:
    told = await ended(kind, Account(None, snapshot), demo(deletionPolicy=policy), going=going)
    assert words.format("DB" if kind is RDS else "cache") in (told or GONE)


async def test_of_what_was_never_asked_for_nothing_is_told() -> None:
    namespace_alone = {"kind": "ConfigMap", "metadata": {"name": "another"}}
    assert await ended(RDS, Account(), demo(), namespace_alone) == ""


@pytest.mark.parametrize(
    ("declared", "in_aws", "agreed", "drift", "words"),
    [
        (
            True,
            True,
            True,
            "Correct",
            "(spec.database.rds.deletionProtection). To let it go after a final snapshot: ku",
        ),
        (True, False, None, "Correct", "DeletionProtected: "),
        (None, False, None, "Report", "DeletionProtected: "),
        (False, True, True, "Correct", "Deleting: "),
        (False, True, True, "Report", "Deleting: "),
        (False, True, False, "Correct", "Deleting: "),
        (
            False,
            True,
            False,
            "Report",
            "aws rds modify-db-instance --db-instance-identifier kind-shop-demo --no-deletion",
        ),
        (False, True, None, "Correct", "(somebody protected it in AWS)"),
        (False, False, None, "Report", "Deleting: "),
    ],
)
async def test_protection_holds_by_the_spec_and_by_whoever_protected_it(
    declared: bool | None, in_aws: bool, agreed: bool | None, drift: str, words: str
) -> None:
    """`agreed` is what AWS was last seen to have as declared; None where it never was, as of an adopted one."""
    rds = {} if declared is None else {"deletionProtection": declared}
    obj = demo(database={"provider": "RDS", "rds": rds}, driftPolicy=drift)
    kept = credentials("database", agreed={} if agreed is None else {"deletionProtection": agreed})
    account = Account(instance(DeletionProtection=in_aws))
    assert words in await ended(RDS, account, obj, kept)
    going = words == "Deleting: "
    assert account.asked == (["modify_db_instance"] if in_aws and going else []) + ["delete_db_instance"] * going
    if not going:
        assert "is kept" in await ended(RDS, account, obj, kept, going=True)
        assert account.asked == []


@pytest.mark.parametrize("kind", [RDS, ElastiCache])
@pytest.mark.parametrize(("age", "waits"), [(5.0, True), (25.0, False)])
async def test_what_was_asked_for_a_moment_ago_may_not_be_shown_yet(
    kind: type[CloudProvider], age: float, waits: bool
) -> None:
    component = "database" if kind is RDS else "cache"
    told = await ended(kind, Account(), demo(deletionPolicy="Delete"), credentials(component, age))
    assert ("was asked for a moment ago" in told) is waits


async def test_nor_what_this_operator_asked_for_with_older_credentials() -> None:
    account = Account(None)
    rds, _ = provider(RDS, account, credentials("database"))
    calls = rds.calls()
    calls.changes.begin(
        "uid-demo", CreateInstance("x", "rds", "create_db_instance", None, {}, name=NAME, uid="uid-demo"), NOW
    )
    with pytest.raises(WaitingError, match="was asked for a moment ago"):
        await rds.delete(demo())


@pytest.mark.parametrize(
    ("more", "policy", "given", "words"),
    [
        ({}, "Snapshot", {"FinalSnapshotIdentifier": FINAL}, f"it goes after its final snapshot {FINAL}"),
        ({}, "Delete", {}, "it goes without a copy"),
        ({"CacheNodeType": "cache.t1.micro"}, "Snapshot", {}, "it goes without a copy"),
        ({"Status": "create-failed"}, "Snapshot", {}, "it goes without a copy"),
        ({"Status": "deleting"}, "Snapshot", None, "it goes after"),
    ],
)
async def test_a_cache_goes_with_a_final_snapshot_where_it_can_have_one(
    more: dict[str, Any], policy: str, given: dict[str, Any] | None, words: str
) -> None:
    account = Account({**GROUP, **more})
    assert words in await ended(ElastiCache, account, demo(deletionPolicy=policy))
    wanted = [] if given is None else [("delete_replication_group", {"ReplicationGroupId": NAME, **given})]
    assert account.made == wanted


async def test_whose_a_cache_is_is_read_anew() -> None:
    account = Account(GROUP)
    elasticache, inventory = provider(ElastiCache, account, credentials("cache"))
    await inventory.cache_tags(GROUP, None)
    account.labels = OTHERS
    assert "belongs to shop/else" in await elasticache.delete(demo())
    assert account.made == []


@pytest.mark.parametrize("going", [False, True])
async def test_credentials_are_saved_beside_somebody_elses_where_the_namespace_goes(going: bool) -> None:
    name = "tracetrack/kind/shop/demo/database"
    account = Account(instance())
    account.saved[name] = {"Tags": tag_list(OTHERS), "SecretString": "theirs"}
    rds, _ = provider(RDS, account, credentials("database"), going=going)
    if not going:
        with pytest.raises(Exception, match="belongs to shop/else"):
            await rds.delete(demo(deletionPolicy="Retain"))
        return
    told = await rds.delete(demo(deletionPolicy="Retain"))
    assert f"saved in Secrets Manager as {name}-uid-demo" in told
    assert account.saved[name]["SecretString"] == "theirs"
    assert json.loads(account.saved[f"{name}-uid-demo"]["SecretString"])["host"] == "db.test"
